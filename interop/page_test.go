package interop

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPage: the admin page in Chromium, over a program that is in use. What it shows, what
// its keys and buttons do, how it looks at each width, and that it keeps to itself.
func TestPage(t *testing.T) {
	s := start(t)
	b := openBrowser(t)
	origin := s.Admin[0]
	use(t, s)
	b.window(1280, 900, 1, "light", "no-preference")
	b.open(origin + "/admin/")
	b.until(`document.querySelectorAll("#canvas .stage").length > 30`)
	for _, step := range []struct {
		name string
		do   func(*testing.T, *browser, *server)
	}{
		{"sections", pageSections}, {"picture", pagePicture}, {"explain", pageExplain}, {"routes", pageRoutes}, {"keys", pageKeys},
		{"faults", pageFaults}, {"drain", pageDrain}, {"log level", pageLogLevel}, {"widths", pageWidths}, {"names", pageNames}, {"links", pageLinks}, {"hostile text", pageHostile}, {"stale", pageStale},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			b.t = t
			step.do(t, b, s)
			if step.name != "stale" { // what is refused, the browser logs
				b.clean(origin)
			}
		}) {
			break
		}
	}
	b.t = t
}

// TestPageOfAViewer: who may only look is offered nothing else.
func TestPageOfAViewer(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens.csv")
	if err := os.WriteFile(tokens, []byte("looks,vera,1,\"apichain:view\"\nworks,olga,2,\"apichain:operate\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--admin-tls", "--token-auth-file="+tokens)
	b := openBrowser(t)
	b.must("Security.setIgnoreCertificateErrors", map[string]any{"ignore": true}, nil)
	for token, switches := range map[string]string{"looks": "0", "works": "3"} {
		b.must("Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]string{"Authorization": "Bearer " + token}}, nil)
		b.open(s.Admin[0] + "/admin/")
		b.until("document.querySelectorAll('#controls .card').length === 3 && document.querySelectorAll('#canvas .stage').length > 30")
		if got := b.text("document.querySelectorAll('#controls [role=switch]').length"); got != switches {
			t.Errorf("with the token %q there are %s switches, want %s", token, got, switches)
		}
		if got := b.text("[...document.querySelectorAll('footer a')].filter(a => /snapshot|pprof/.test(a.href)).length"); got != "0" {
			t.Errorf("with the token %q there are links to what needs the role dangerous", token)
		}
		b.clean(s.Admin[0])
	}
}

// use has clients ask of s until the test ends: requests that are answered, refused and
// not found on both listeners, and watches that stay.
func use(t *testing.T, s *server) {
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxConnsPerHost: 20}}
	var users sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		users.Wait()
		client.CloseIdleConnections()
	})
	ask := func(url string) {
		r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			return
		}
		if resp, err := client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	for range 3 {
		users.Go(func() {
			for ctx.Err() == nil {
				ask(s.HTTP[0] + "/api/v1/namespaces/default/configmaps?watch=true")
			}
		})
	}
	users.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ctx.Err() == nil; n++ {
			switch n % 4 {
			case 0:
				ask(s.HTTP[0] + "/api/v1/namespaces/default/configmaps")
			case 1:
				ask(s.HTTPS[0] + "/api/v1/secrets")
			case 2:
				ask(s.HTTP[0] + "/nowhere")
			case 3:
				ask(s.HTTPS[0] + "/version")
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
}

// admin is what the admin API answers, as JSON into v if it is not nil.
func admin(t *testing.T, s *server, method, path, body string, v any) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, s.Admin[0]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("If-Match", "*")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && v != nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, text, err)
	}
	return resp
}

func pageSections(t *testing.T, b *browser, s *server) {
	for section, filled := range map[string]string{
		"status": "#tiles a", "picture": ".stage", "explain": "#ask input", "inflight": "tbody", "requests": "tbody", "hooks": "tbody", "timeline": "tbody",
		"routes": "details", "watches": "tbody", "store": "tbody", "listeners": "tbody", "controls": "[role=switch]",
	} {
		b.eval(fmt.Sprintf("document.getElementById(%q).scrollIntoView()", section), nil)
		b.until(fmt.Sprintf("document.querySelector('#%s %s')", section, filled))
	}
	b.until(`[...document.querySelectorAll("#tiles dd")].every(d => d.querySelector("a[href^='/admin/']"))`)
	b.until(`document.getElementById("pills").textContent.includes("stream live")`)
	b.until(`document.querySelector("#requests tbody svg.bar rect.f-filter") && document.querySelector("#requests .bad")`)
	b.until(`document.querySelectorAll("#controls [role=switch]").length === 3`)
	b.until(`[...document.querySelectorAll("#listeners a")].some(a => /days left/.test(a.textContent))`)
	b.eval("scrollTo(0, 0)", nil)
}

func pagePicture(t *testing.T, b *browser, s *server) {
	var chain struct {
		Items []struct {
			ID      string
			Filters []struct {
				ID, OffReason string
				Enabled       bool
			}
		}
	}
	admin(t, s, "GET", "/admin/v1/chain", "", &chain)
	want := []string{"director", "server/aggregator", "server/core", "server/extensions", "not-found"}
	for _, c := range chain.Items {
		want = append(want, c.ID)
		for _, f := range c.Filters {
			want = append(want, f.ID)
			label := b.text(fmt.Sprintf("document.querySelector('[data-stage=%q]').getAttribute('aria-label')", f.ID))
			if f.Enabled == strings.Contains(label, "switched off") || !strings.Contains(label, f.OffReason) {
				t.Errorf("%s is enabled %v (%q), the picture says %q", f.ID, f.Enabled, f.OffReason, label)
			}
		}
	}
	var got []string
	b.eval("[...document.querySelectorAll('#canvas .stage')].map(g => g.dataset.stage)", &got)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("stages\n got %v\nwant %v", got, want)
	}
	const passed = `Number(document.querySelector('[data-stage="https/authentication"]').getAttribute("aria-label").match(/(\d+) passed/)[1])`
	before := b.text(passed)
	b.until(passed + " > " + before)
	b.until("document.querySelector('#dots g')")
	b.until(`document.querySelectorAll('[data-stage="server/core"] .dot.held').length >= 3`)
	b.picture("picture")

	// Arrows move, one stage is in the order of Tab, Enter opens it, Escape goes back.
	b.eval("document.querySelector('#canvas .stage[tabindex=\"0\"]').focus()", nil)
	focused := func() string { return b.text("document.activeElement.dataset.stage") }
	for _, c := range []struct{ key, want string }{
		{"Home", "http"}, {"ArrowDown", "http/canonical-path"}, {"ArrowDown", "http/host-and-origin"}, {"ArrowUp", "http/canonical-path"}, {"ArrowRight", "https/canonical-path"},
		{"ArrowRight", "server/aggregator"}, {"End", "not-found"}, {"ArrowDown", "not-found"}, {"Home", "director"}, {"ArrowLeft", "https"},
	} {
		b.press(c.key)
		if got := focused(); got != c.want {
			t.Fatalf("after %s the focus is on %q, want %q", c.key, got, c.want)
		}
	}
	if n := b.text("document.querySelectorAll('#canvas [tabindex=\"0\"]').length"); n != "1" {
		t.Errorf("%s stages are in the order of Tab", n)
	}
	b.press("ArrowDown")
	b.press("Enter")
	b.until("!document.getElementById('stage').hidden && document.activeElement.id === 'stage-h'")
	if text := b.text("document.getElementById('stage').textContent"); !strings.Contains(text, "canonical-path, filter 1 of https") || !strings.Contains(text, "first, so that") {
		t.Errorf("the stage says %q", text)
	}
	b.until("document.querySelectorAll('#stage a[href^=\"/admin/v1/\"]').length >= 3")
	b.press("Escape")
	b.until("document.getElementById('stage').hidden")
	if got := focused(); got != "https/canonical-path" {
		t.Errorf("closed, the focus is on %q", got)
	}
	b.click(`[data-stage="server/core"]`)
	b.until("document.getElementById('stage').textContent.includes('coordination.k8s.io')")
	b.click("#stage button")
	b.until("document.getElementById('stage').hidden")
}

func pageExplain(t *testing.T, b *browser, s *server) {
	b.press("e")
	b.until("document.activeElement.name === 'path'")
	fill := func(name, value string) {
		b.eval(fmt.Sprintf("(() => { const el = document.getElementById('ask').elements[%q]; el.value = ''; el.focus(); if (el.select) el.select(); })()", name), nil)
		b.write(value)
	}
	ends := func(stage, class string) {
		t.Helper()
		b.until(fmt.Sprintf("document.querySelector('#lit path') && document.querySelector('#canvas .%s [data-stage=%q]') && document.querySelectorAll('#canvas .ends, #canvas .reached').length === 1", class, stage))
	}
	b.eval("document.getElementById('ask').elements.listener.value = 'http'", nil)
	fill("path", "/api/v1/namespaces/default/configmaps")
	b.press("Enter")
	ends("server/core", "reached")
	b.until("document.querySelector('#said .verdict').textContent.includes('reaches a handler of core')")
	b.picture("explain")

	fill("path", "/api/v1/namespaces/default/configmap")
	b.press("Enter")
	ends("server/core", "ends")
	b.until("document.querySelector('#said').textContent.includes('Near misses') && document.querySelector('#said').textContent.includes('configmaps')")

	fill("path", "/nowhere")
	b.press("Enter")
	ends("not-found", "ends")

	b.eval("document.getElementById('ask').elements.listener.value = 'https'", nil)
	fill("path", "/api/v1/secrets")
	fill("user", "bob")
	b.press("Enter")
	ends("https/authorization", "ends")
	b.until("document.querySelector('#said .verdict').textContent.includes('403 Forbidden by authorization')")
	if label := b.text(`document.querySelector('[data-stage="https/authorization"]').getAttribute("aria-label")`); !strings.HasSuffix(label, "explained: answered") {
		t.Errorf("the stage that answers says %q", label)
	}
	b.picture("explain-refused")
	b.press("Escape")
	b.until("!document.querySelector('#lit path') && !document.querySelector('#canvas .ends')")
}

func pageRoutes(t *testing.T, b *browser, s *server) {
	b.press("/")
	b.until("document.activeElement.name === 'text'")
	b.write("list configmaps")
	b.until("/^[0-9] of [0-9,]+$/.test(document.getElementById('routes-note').textContent)")
	b.until("document.querySelector('#routes details[open] tbody')")
	if text := b.text("[...document.querySelectorAll('#routes details[open] tbody td:nth-child(2)')].map(td => td.textContent).join(' ')"); !strings.Contains(text, "/api/v1/namespaces/{namespace}/configmaps") || strings.Contains(text, "secrets") {
		t.Errorf("found %q", text)
	}
	b.click("[data-only=never]")
	b.until("[...document.querySelectorAll('#routes details[open] tbody')].every(r => r.textContent.includes('never hit'))")
	b.click("[data-only=never]")
	b.click("#routes details[open] button[aria-expanded]")
	b.until("/Registered at/.test(document.querySelector('#routes tr.more').textContent)")
	b.picture("routes")
	b.eval("(() => { const el = document.getElementById('find').elements.text; el.value = ''; el.dispatchEvent(new Event('input', { bubbles: true })); el.blur(); })()", nil)
}

func pageKeys(t *testing.T, b *browser, s *server) {
	b.press("p")
	b.until("document.getElementById('pause').getAttribute('aria-pressed') === 'true' && document.getElementById('pills').textContent.includes('paused')")
	b.press("p")
	b.until("document.getElementById('pause').getAttribute('aria-pressed') === 'false' && document.getElementById('pills').textContent.includes('stream live')")
	b.press("?")
	b.until("document.getElementById('keys').open")
	b.picture("keys")
	b.click("#keys input[type=checkbox]")
	b.press("Escape")
	b.until("!document.getElementById('keys').open")
	for _, key := range []string{"p", "/", "e", "?"} { // they are off now
		b.press(key)
	}
	if got := b.text("document.getElementById('pause').getAttribute('aria-pressed') + document.getElementById('keys').open + document.activeElement.tagName"); got != "falsefalseBODY" && got != "falsefalseBUTTON" {
		t.Errorf("single keys are off, but %s", got)
	}
	b.click("#help")
	b.until("document.getElementById('keys').open")
	b.click("#keys input[type=checkbox]")
	b.click("#keys button")
	b.press("e")
	b.until("document.activeElement.name === 'path'")
	b.press("?") // typed, not done
	b.until("document.activeElement.value.includes('?') && !document.getElementById('keys').open")
	b.press("Escape")
	b.until("document.activeElement === document.body")
}

// status is the status and header of a GET of the serving side.
func status(t *testing.T, url string) (int, http.Header) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header
}

func pageFaults(t *testing.T, b *browser, s *server) {
	card := "#controls .card[data-control=faults] "
	b.click(card + "summary")
	set := func(name, value string) {
		b.eval(fmt.Sprintf("(() => { const el = document.querySelector(%q); el.value = %q; el.dispatchEvent(new Event('change', { bubbles: true })); })()", card+"[name=\""+name+"\"]", value), nil)
	}
	set("id", "no-maps")
	set("match.verb", "list")
	set("match.resource", "configmaps")
	set("note", "page test")
	b.click(card + "[role=switch]")
	b.until("document.getElementById('confirm').open && document.activeElement.textContent === 'Cancel'")
	text := b.text("document.getElementById('confirm').textContent")
	for _, want := range []string{"Switch on fault injection?", "no-maps", "answer 503", "verb list, resource configmaps", "100 %", "10m"} {
		if !strings.Contains(text, want) {
			t.Errorf("the dialog does not say %q: %s", want, text)
		}
	}
	b.picture("confirm")
	// Nothing happens without the second click.
	b.press("Escape")
	b.until("!document.getElementById('confirm').open")
	var is struct{ Active bool }
	if admin(t, s, "GET", "/admin/v1/faults", "", &is); is.Active {
		t.Fatal("a cancelled dialog switched faults on")
	}
	b.click(card + "[role=switch]")
	b.until("document.getElementById('confirm').open")
	b.click("#confirm .turn")
	b.until("document.querySelector('.banner[data-control=faults]') && /page test.*undoes itself in \\d/.test(document.querySelector('.banner').textContent)")
	b.until("document.getElementById('live').textContent === 'Fault injection on'")
	b.until("document.querySelector('" + card + "[role=switch]').getAttribute('aria-checked') === 'true'")
	maps := s.HTTP[0] + "/api/v1/namespaces/default/configmaps"
	if code, h := status(t, maps); code != 503 || h.Get("X-Apichain-Fault") != "no-maps" {
		t.Errorf("the fault is on, but a list gives %d %v", code, h)
	}
	b.eval("scrollTo(0, 0)", nil)
	b.picture("banner")
	b.click(".banner[data-control=faults] button")
	b.until("document.getElementById('confirm').open")
	b.click("#confirm .turn")
	b.until("!document.querySelector('.banner') && document.getElementById('live').textContent === 'Fault injection off'")
	if code, _ := status(t, maps); code != 200 {
		t.Errorf("the fault is undone, but a list gives %d", code)
	}
}

func pageDrain(t *testing.T, b *browser, s *server) {
	turn := "#controls .card[data-control=drain] [role=switch]"
	for _, c := range []struct {
		on, effect string
		ready      int
	}{{"true", "/readyz fails", 500}, {"false", "/readyz passes again", 200}} {
		b.click(turn)
		b.until("document.getElementById('confirm').open")
		if text := b.text("document.getElementById('confirm').textContent"); !strings.Contains(text, c.effect) {
			t.Errorf("the dialog says %q", text)
		}
		b.click("#confirm .turn")
		b.until("document.querySelector('" + turn + "').getAttribute('aria-checked') === '" + c.on + "'")
		if code, _ := status(t, s.HTTP[0]+"/readyz"); code != c.ready {
			t.Errorf("drain is %s, readyz gives %d", c.on, code)
		}
	}
	b.until("!document.querySelector('.banner')")
}

func pageLogLevel(t *testing.T, b *browser, s *server) {
	// Somebody else switches it on, and off: the page hears of both.
	admin(t, s, "PUT", "/admin/v1/loglevel", `{"rules":[{"match":{"user":["alice"]},"verbosity":6}],"expiresIn":"5m","note":"from elsewhere"}`, nil)
	b.until("document.querySelector('.banner[data-control=loglevel]') && document.getElementById('live').textContent === 'Log level on'")
	b.until("document.querySelector('#controls .card[data-control=loglevel]').textContent.includes('user alice')")
	admin(t, s, "DELETE", "/admin/v1/loglevel", "", nil)
	b.until("!document.querySelector('.banner')")
}

// pageStale: a change of what the viewer has not seen is refused, and can be sent again.
func pageStale(t *testing.T, b *browser, s *server) {
	b.window(1280, 900, 1, "light", "no-preference")
	b.press("p") // so that the page sees nothing
	b.click("#controls .card[data-control=drain] [role=switch]")
	b.until("document.getElementById('confirm').open")
	admin(t, s, "PUT", "/admin/v1/loglevel", `{"rules":[{"match":{},"verbosity":3}],"expiresIn":"5m"}`, nil)
	b.click("#confirm .turn")
	b.until("document.querySelector('#confirm [role=alert]').textContent.includes('changed meanwhile')")
	if code, _ := status(t, s.HTTP[0]+"/readyz"); code != 200 {
		t.Errorf("a stale change took effect: readyz gives %d", code)
	}
	b.click("#confirm .turn")
	b.until("!document.getElementById('confirm').open")
	if code, _ := status(t, s.HTTP[0]+"/readyz"); code != 500 {
		t.Errorf("sent again, drain is not on: readyz gives %d", code)
	}
	admin(t, s, "DELETE", "/admin/v1/drain", "", nil)
	admin(t, s, "DELETE", "/admin/v1/loglevel", "", nil)
}

// pageWidths: at each width, scheme and zoom the page does not scroll sideways, what can
// be pressed is large enough, and what can be read stands out from its ground.
func pageWidths(t *testing.T, b *browser, s *server) {
	b.eval("document.querySelectorAll('details').forEach(d => { d.open = true; })", nil)
	for _, c := range []struct {
		name   string
		width  int
		zoom   float64
		motion string
		least  int // of a target, in pixels
	}{
		{"phone", 320, 1, "reduce", 44}, {"tablet", 768, 1, "no-preference", 24}, {"laptop", 1024, 1, "no-preference", 24}, {"desk", 1280, 1, "no-preference", 24}, {"zoomed", 640, 2, "no-preference", 24}, {"wide", 1920, 1, "reduce", 24},
	} {
		for _, scheme := range []string{"light", "dark"} {
			b.window(c.width, 900, c.zoom, scheme, c.motion)
			b.until(fmt.Sprintf("Math.abs(document.getElementById('canvas').getBoundingClientRect().width - document.getElementById('picture').clientWidth) < 2 && innerWidth === %d", c.width))
			name := fmt.Sprintf("%s %s", c.name, scheme)
			if got := b.text("document.documentElement.scrollWidth"); got != fmt.Sprint(c.width) {
				t.Errorf("%s: the page is %s wide, the window %d: %s", name, got, c.width, b.text(`[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.tagName + "." + e.getAttribute("class") + " " + e.textContent.slice(0, 40)).join("; ")`))
			}
			least := c.least
			if c.width <= 640 {
				least = 44
			}
			for _, small := range list(b, fmt.Sprintf(pageTargets, least)) {
				t.Errorf("%s: a target below %d: %s", name, least, small)
			}
			for _, pale := range list(b, pageContrast) {
				t.Errorf("%s: %s", name, pale)
			}
			if c.motion == "reduce" && b.text("document.querySelectorAll('#dots g').length") != "0" {
				t.Errorf("%s: dots move", name)
			}
			b.picture(strings.ReplaceAll(name, " ", "-"))
		}
	}
}

func list(b *browser, expression string) (out []string) {
	b.t.Helper()
	b.eval(expression, &out)
	return out
}

// pageTargets are what can be pressed and is smaller than it may be. A label belongs to
// the box in it.
const pageTargets = `[...document.querySelectorAll("a, button, input, select, textarea, summary, [role=button]")].map(e => {
	const box = e.type === "checkbox" ? e.closest("label") : e, r = box.getBoundingClientRect();
	return r.width && r.right > 0 && e.checkVisibility() && !e.classList.contains("skip") && (r.width < %[1]d - .5 || r.height < %[1]d - .5) ? e.tagName + "." + e.getAttribute("class") + " " + Math.round(r.width) + "x" + Math.round(r.height) + " " + e.textContent.slice(0, 40) + " in " + (e.closest("section") || {}).id : "";
}).filter(Boolean).slice(0, 5)`

// pageContrast are texts with a contrast below 4.5 to what they stand on.
const pageContrast = `(() => {
	const parse = c => (c.match(/[\d.]+/g) || []).map(Number), light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	const out = new Set();
	for (const e of document.querySelectorAll("body *")) {
		if (e.closest("script, style, noscript, option, .vh, .sign, button:disabled") || !e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
		let under = e, ground = [];
		for (; under; under = under.parentElement) { ground = parse(getComputedStyle(under).backgroundColor); if (ground.length === 3 || ground[3] === 1) break; }
		const ink = parse(e.closest("svg") ? getComputedStyle(e).fill : getComputedStyle(e).color).slice(0, 3);
		const [a, b] = [light(ink), light(ground.slice(0, 3))], ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		if (!(ratio >= 4.5)) out.add("contrast " + ratio.toFixed(2) + " of " + e.tagName + "." + e.getAttribute("class") + " " + e.textContent.slice(0, 30));
	}
	return [...out].slice(0, 5);
})()`

// pageNames: what a screen reader is told. Everything that can be used has a name, tables
// and pictures too; there is one heading of level 1, and none is skipped after it.
func pageNames(t *testing.T, b *browser, s *server) {
	b.window(1280, 900, 1, "light", "reduce")
	var tree struct {
		Nodes []struct {
			Ignored    bool
			Role, Name struct{ Value any }
			Properties []struct {
				Name  string
				Value struct{ Value any }
			}
		}
	}
	b.must("Accessibility.getFullAXTree", nil, &tree)
	count := map[string]int{}
	last := 0.0
	for _, n := range tree.Nodes {
		role, _ := n.Role.Value.(string)
		name, _ := n.Name.Value.(string)
		if n.Ignored {
			continue
		}
		count[role]++
		switch role {
		case "button", "link", "textbox", "searchbox", "combobox", "checkbox", "switch", "spinbutton", "table", "image", "img", "dialog", "region", "navigation", "group":
			if strings.TrimSpace(name) == "" && role != "group" {
				t.Errorf("a %s has no name: %+v", role, n)
			}
		case "heading":
			for _, p := range n.Properties {
				if level, ok := p.Value.Value.(float64); ok && p.Name == "level" {
					if level > last+1 {
						t.Errorf("heading %q of level %v follows level %v", name, level, last)
					}
					last = level
					count[fmt.Sprintf("heading %v", level)]++
				}
			}
		}
	}
	for role, least := range map[string]int{"heading 1": 1, "banner": 1, "main": 1, "navigation": 1, "contentinfo": 1, "table": 8, "row": 50, "columnheader": 30, "button": 40, "switch": 3, "search": 1, "status": 1, "region": 12} {
		if count[role] < least || least == 1 && count[role] != 1 {
			t.Errorf("%d of %s, want %d", count[role], role, least)
		}
	}
}

// pageLinks: every link of the page leads to an answer of this API, and those of numbers
// to JSON.
func pageLinks(t *testing.T, b *browser, s *server) {
	b.eval(`document.querySelectorAll("button[aria-expanded=false]").forEach((e, i) => i % 10 || e.click())`, nil)
	links := list(b, `[...new Set([...document.querySelectorAll("main a, footer a")].map(a => a.getAttribute("href") || a.href.baseVal))]`)
	if len(links) < 60 {
		t.Errorf("%d links: %v", len(links), links)
	}
	for _, link := range links {
		if !strings.HasPrefix(link, "/admin/") && link != "/metrics" {
			t.Errorf("a link to %q", link)
			continue
		}
		resp, err := http.Get(s.Admin[0] + link)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if kind := resp.Header.Get("Content-Type"); err != nil || resp.StatusCode != 200 || strings.Contains(link, "pretty=true") && (kind != "application/json" || !strings.Contains(string(text), `"generation"`)) {
			t.Errorf("%s: %d %s %v", link, resp.StatusCode, kind, err)
		}
	}
}

// pageHostile: what a client says is text, and what cannot be seen in it is.
func pageHostile(t *testing.T, b *browser, s *server) {
	r, err := http.NewRequest("GET", s.HTTP[0]+"/%3Cimg%20src=x%20onerror=alert(1)%3E%E2%80%AEtxt", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "<script>alert(2)</script>")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	b.eval(fmt.Sprintf(`(() => {
		const el = document.getElementById("choose").elements.auditID;
		el.value = %q;
		el.dispatchEvent(new Event("input", { bubbles: true }));
		el.scrollIntoView();
	})()`, resp.Header.Get("Audit-Id")), nil)
	b.until("document.querySelectorAll('#requests tbody').length === 1")
	const row = `[...document.querySelectorAll("#requests tbody")].find(r => r.textContent.includes("<img src=x onerror=alert(1)>\\u{202e}txt"))`
	b.until(row)
	b.eval(row+".querySelector('button').click()", nil)
	b.until(`document.querySelector("#requests tr.more").textContent.includes("<script>alert(2)</script>")`)
	if got := b.text("document.images.length + document.querySelectorAll('script').length"); got != "1" {
		t.Errorf("%s images and scripts", got)
	}
	b.eval("scrollTo(0, 0)", nil)
}
