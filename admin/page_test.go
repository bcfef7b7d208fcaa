package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"math"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// html is what a browser's address line gets.
func html(t *testing.T) *httptest.ResponseRecorder {
	t.Helper()
	w := ask(t, handlerOf(t, newFake(t)), "/admin/", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w
}

// The page is for who asks for HTML; the index stays what everybody else gets.
func TestPageIsNegotiated(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for accept, want := range map[string]string{
		"":                                formJSON,
		"*/*":                             formJSON,
		"application/json":                formJSON,
		"text/plain":                      formText,
		"text/*":                          formText,
		"text/html":                       formHTML,
		"text/html, */*;q=0.8":            formHTML,
		"text/html;q=0.5, */*;q=0.8":      formJSON,
		"text/html, application/json":     formJSON,
		"text/html;q=0, application/json": formJSON,
	} {
		w := ask(t, h, "/admin/", "Accept: "+accept)
		if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want {
			t.Errorf("Accept %q: %d %s, want %s", accept, w.Code, got, want)
		}
	}
	for request, want := range map[string]int{"/admin/v1/routes": 406, "/admin/v1/build": 406, "/metrics": 406, "PUT /admin/": 405, "/admin/?nonsense=1": 400, "/admin/page.html": 404} {
		if w := ask(t, h, request, "Accept: text/html"); w.Code != want || w.Header().Get("Content-Type") != formJSON {
			t.Errorf("%s: %d %s, want %d", request, w.Code, w.Header().Get("Content-Type"), want)
		}
	}
}

func TestPageHeaders(t *testing.T) {
	w := html(t)
	for name, want := range map[string]string{
		"Content-Type": formHTML, "Content-Length": strconv.Itoa(w.Body.Len()), "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "no-referrer", "Audit-Id": "the-audit-id",
	} {
		if got := w.Header().Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	head := ask(t, handlerOf(t, newFake(t)), "HEAD /admin/", "Accept: text/html")
	for name, values := range w.Header() {
		if got := head.Header().Get(name); got != values[0] {
			t.Errorf("HEAD has %s %q, GET %q", name, got, values[0])
		}
	}
	if got := ask(t, handlerOf(t, newFake(t)), "/admin/").Header(); got.Get("Referrer-Policy") != "" || strings.Contains(got.Get("Content-Security-Policy"), "sha256") {
		t.Errorf("the index has headers of the page: %v", got)
	}
}

// The policy is the contract's, and its hashes are those of what is served.
func TestPagePolicy(t *testing.T) {
	w := html(t)
	sum := func(element string) string {
		m := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(w.Body.String(), -1)
		if len(m) != 1 {
			t.Fatalf("%d elements %s, want one", len(m), element)
		}
		s := sha256.Sum256([]byte(m[0][1]))
		return base64.StdEncoding.EncodeToString(s[:])
	}
	want := "default-src 'none'; script-src 'sha256-" + sum("script") + "'; style-src 'sha256-" + sum("style") + "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	if got := w.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if changed := pagePolicy(strings.Replace(w.Body.String(), "<script>", "<script> ", 1)); changed == want {
		t.Error("the hash is not of the script")
	}
}

// What the page must not have, as text of it; comments count too.
func TestPageIsSelfContained(t *testing.T) {
	text := html(t).Body.String()
	if n := len(text); n > 96<<10 {
		t.Errorf("%d bytes, at most %d", n, 96<<10)
	}
	text = strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "") // the name of a namespace, which nothing asks for
	for why, expression := range map[string]string{
		"another origin":    `(?i)\b(?:https?|wss?)://|["'\x60=( ]//[a-z0-9]`,
		"another document":  `(?i)@import|@font-face|\burl\(|<link[^>]+href="[^d]|<(?:img|iframe|object|embed|base|audio|video)\b|\ssrc=|importScripts|new Worker|\bimport\(`,
		"a handler in HTML": `(?i)<[a-z][^>]*\son[a-z]+\s*=`,
		"a style attribute": `(?i)<[a-z][^>]*\sstyle\s*=|[ {]style:|\.style\b|setAttribute\('style'|cssText`,
		"code of strings":   `\beval\b|\bFunction\(|set(?:Timeout|Interval)\(['"\x60]|javascript:`,
		"HTML of strings":   `innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|srcdoc`,
		"storage":           `localStorage|sessionStorage|indexedDB|document\.cookie|\bcaches\b|serviceWorker`,
		"a log":             `\bconsole\b|\bdebugger\b|\balert\(`,
		"another policy":    `(?i)http-equiv`,
	} {
		if found := regexp.MustCompile(expression).FindString(text); found != "" {
			t.Errorf("%s: %q", why, found)
		}
	}
}

func TestPageStructure(t *testing.T) {
	text := html(t).Body.String()
	body, _, _ := strings.Cut(text, "<script>")
	_, body, _ = strings.Cut(body, "</style>")
	var ids []string
	for _, m := range regexp.MustCompile(`<section id="([a-z]+)" aria-labelledby="([a-z]+)-h">`).FindAllStringSubmatch(body, -1) {
		ids = append(ids, m[1])
		if m[1] != m[2] || strings.Count(body, `<h2 id="`+m[1]+`-h"`) != 1 {
			t.Errorf("section %s has no heading of its own", m[1])
		}
	}
	if got, want := strings.Join(ids, " "), "status picture explain inflight requests hooks timeline routes watches store backends listeners controls"; got != want || strings.Count(body, "<section") != len(ids) {
		t.Errorf("sections\n got %s\nwant %s", got, want)
	}
	for _, element := range []string{"<h1", "<main", "<nav", "<header", "<footer", "aria-live", "<title>", `<html lang="en">`} {
		if got := strings.Count(text, element); got != 1 {
			t.Errorf("%d of %s, want one", got, element)
		}
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`\sid="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if seen[m[1]] {
			t.Errorf("id %s is there twice", m[1])
		}
		seen[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`aria-labelledby="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if !seen[m[1]] && m[1] != "stage-h" && m[1] != "confirm-h" && m[1] != "keys-h" { // these are made with their content
			t.Errorf("aria-labelledby names %s, which is nowhere", m[1])
		}
	}
	for _, button := range regexp.MustCompile(`<button[^>]*>`).FindAllString(body, -1) {
		if !strings.Contains(button, `type="button"`) {
			t.Errorf("%s would send a form", button)
		}
	}
}

// The colours are the contract's table, and each can be read on what it stands on: on the
// page and on the soft ground of rows, and the page's colour on buttons that have it as
// ground. Source: the contract, section 5; WCAG 2.2, 1.4.3.
func TestPageColours(t *testing.T) {
	text := html(t).Body.String()
	light, rest, _ := strings.Cut(text, "@media (prefers-color-scheme: dark)")
	dark, _, _ := strings.Cut(rest, "\n}\n")
	for _, c := range []struct{ name, light, dark string }{
		{"bg", "#ffffff", "#0f1318"},
		{"text", "#1b1f24", "#e6e9ed"},
		{"good", "#1a7f37", "#3fb950"},
		{"busy", "#0969da", "#58a6ff"},
		{"caution", "#8a5d00", "#d29922"},
		{"bad", "#cf222e", "#ff6b64"},
		{"off", "#59636e", "#9198a1"},
		{"control", "#8250df", "#bc8cff"},
	} {
		for scheme, s := range map[string]struct{ css, want string }{"light": {light, c.light}, "dark": {dark, c.dark}} {
			if got := colour(s.css, c.name); got != s.want {
				t.Errorf("%s in %s is %q, want %s", c.name, scheme, got, s.want)
			}
			if c.name == "bg" {
				continue
			}
			for _, ground := range []string{"bg", "soft"} {
				if r := contrast(s.want, colour(s.css, ground)); r < 4.5 {
					t.Errorf("%s on %s in %s has a contrast of %.2f, want 4.5", c.name, ground, scheme, r)
				}
			}
		}
	}
	_, rules, _ := strings.Cut(text, "* { box-sizing")
	rules, _, _ = strings.Cut(rules, "</style>")
	if literal := regexp.MustCompile(`[:,( ]#[0-9a-f]{6}\b|\brgba?\(|\bhsla?\(`).FindString(rules); literal != "" {
		t.Errorf("a colour besides the table: %q", literal)
	}
}

func colour(css, name string) string {
	m := regexp.MustCompile(`--` + name + `: (#[0-9a-f]{6});`).FindStringSubmatch(css)
	if m == nil {
		return ""
	}
	return m[1]
}

// contrast is the ratio of two colours. Source: WCAG 2.2, relative luminance.
func contrast(a, b string) float64 {
	light := func(c string) (sum float64) {
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			n, _ := strconv.ParseUint(c[1+2*i:3+2*i], 16, 8)
			v := float64(n) / 255
			if v <= 0.04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			sum += weight * v
		}
		return sum
	}
	x, y := light(a), light(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// The page goes through the same checks as every endpoint, in the same order.
func TestPageIsChecked(t *testing.T) {
	for header, want := range map[string]int{"Host: evil.example": 403, "Origin: http://evil.example": 403, "Sec-Fetch-Site: cross-site": 403, "X: y": 200} {
		w := ask(t, handlerOf(t, newFake(t)), "/admin/", "Accept: text/html", header)
		if w.Code != want || (w.Code != 200) == strings.HasPrefix(w.Body.String(), "<!doctype") {
			t.Errorf("%s: %d", header, w.Code)
		}
	}
}
