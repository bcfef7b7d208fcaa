package admin

import (
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"net/http"
	"strings"
)

// page is the document at /admin/ for people. Its script and style are in it; everything
// else it asks of this API, as any client does. It has at most 96 KiB. Source: the
// contract, section 5.
//
//go:embed page.html
var page []byte

// formHTML is offered by the index alone.
const formHTML = "text/html; charset=utf-8"

// pagePolicy returns the Content-Security-Policy of a document: nothing but its own script
// and style, by their hashes, may run or style it; it may ask this listener alone, stand in
// no frame, send no form and make no HTML of strings. What a client wrote (a path, a user
// agent) is shown by the page, so even a mistake there must not run. Source: the contract,
// section 5.
func pagePolicy(document string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src '" + hashOf(document, "script") + "'",
		"style-src '" + hashOf(document, "style") + "'",
		"connect-src 'self'",
		"img-src data:",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types 'none'",
	}, "; ")
}

// hashOf returns the hash of the text in the first element of that name, as a policy has
// it. The element must have no attributes. Source: Content Security Policy Level 3, 6.7.2.
func hashOf(document, element string) string {
	_, rest, _ := strings.Cut(document, "<"+element+">")
	text, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// servePage answers /admin/ with the page. It holds for no moment, since it shows nothing
// of the process: what it shows it asks for, with the same checks as any other client.
func (a *api) servePage(ans *answer) *Error {
	h := ans.w.Header()
	h.Set("Content-Security-Policy", a.pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	// A page that opened this one gets no handle on it.
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	ans.send(http.StatusOK, page)
	return nil
}
