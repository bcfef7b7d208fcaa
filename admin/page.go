package admin

import (
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"net/http"
	"strings"
)

// page is the document at /admin/ for people: script and style are in it, everything else
// it asks of this API. At most 96 KiB. Source: the contract, section 5.
//
//go:embed page.html
var page []byte

const formHTML = "text/html; charset=utf-8"

// pagePolicy is the Content-Security-Policy of document: nothing but its own script and
// style, by their hashes, may run or style it; it may ask this listener alone, stand in no
// frame, send no form and make no HTML of strings. Source: the contract, section 5.
func pagePolicy(document string) string {
	return "default-src 'none'; script-src '" + hashOf(document, "script") + "'; style-src '" + hashOf(document, "style") + "'; connect-src 'self'; img-src data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

// hashOf is the hash of the text in the first element of that name, as a policy has it.
// Source: Content Security Policy Level 3, 6.7.2.
func hashOf(document, element string) string {
	_, rest, _ := strings.Cut(document, "<"+element+">")
	text, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// servePage answers /admin/ with the page. It holds for no moment: what it shows it asks
// for, with the same checks as any other client.
func (a *api) servePage(ans *answer) *Error {
	h := ans.w.Header()
	h.Set("Content-Security-Policy", a.pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	ans.send(http.StatusOK, page)
	return nil
}
