package interop

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// browser is one tab of a headless Chromium, driven over a pipe with its DevTools
// protocol: JSON messages, each ended by a zero byte.
type browser struct {
	t       *testing.T
	to      *os.File
	session string // of the tab
	done    chan struct{}

	mu      sync.Mutex
	next    int
	waiting map[int]chan message
	events  []message // since the last call of seen
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// openBrowser starts Chromium with an empty profile until the test ends. Without it the
// test is skipped, in CI failed.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is not installed: .ci/run installs it")
		}
		t.Skip("chromium is not installed: THE PAGE IS NOT TESTED")
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	commands, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{commands, answers} // its descriptors 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	commands.Close()
	answers.Close()
	b := &browser{t: t, to: to, done: make(chan struct{}), waiting: map[int]chan message{}}
	go b.listen(from)
	t.Cleanup(func() {
		_ = b.ask("", "Browser.close", nil, nil)
		<-b.done // the pipe ends with the browser
		to.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
		_ = cmd.Wait()
	})
	var made struct{ TargetID, SessionID string }
	b.must("Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	b.must("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &made)
	b.session = made.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "Audits", "Accessibility", "DOM"} {
		b.must(domain+".enable", nil, nil)
	}
	return b
}

// listen reads to the end of the pipe.
func (b *browser) listen(from *os.File) {
	defer close(b.done)
	defer from.Close()
	r := bufio.NewReaderSize(from, 1<<20)
	for {
		line, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(line[:len(line)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if answer := b.waiting[m.ID]; m.ID != 0 && answer != nil {
			delete(b.waiting, m.ID)
			answer <- m
		} else if m.Method != "" {
			b.events = append(b.events, m)
		}
		b.mu.Unlock()
	}
}

// ask sends one command and waits for its answer, at most a minute.
func (b *browser) ask(session, method string, params, result any) error {
	p, err := json.Marshal(params)
	if err != nil {
		return err
	}
	if params == nil {
		p = nil
	}
	b.mu.Lock()
	b.next++
	m := message{ID: b.next, Method: method, Params: p, SessionID: session}
	answer := make(chan message, 1)
	b.waiting[m.ID] = answer
	line, err := json.Marshal(m)
	if err == nil {
		_, err = b.to.Write(append(line, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m = <-answer:
	case <-b.done:
		return errors.New("the browser is gone")
	case <-time.After(time.Minute):
		return errors.New("no answer within a minute")
	}
	if m.Error != nil {
		return errors.New(m.Error.Message)
	}
	if result != nil {
		return json.Unmarshal(m.Result, result)
	}
	return nil
}

func (b *browser) must(method string, params, result any) {
	b.t.Helper()
	if err := b.ask(b.session, method, params, result); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// eval is the value of a JavaScript expression in the page, which may be a promise.
func (b *browser) eval(expression string, into any) {
	b.t.Helper()
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.must("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &got)
	if e := got.ExceptionDetails; e != nil {
		b.t.Fatalf("%s\n%s %s", expression, e.Text, e.Exception.Description)
	}
	if into != nil {
		if err := json.Unmarshal(got.Result.Value, into); err != nil {
			b.t.Fatalf("%s is %q: %v", expression, got.Result.Value, err)
		}
	}
}

func (b *browser) text(expression string) string {
	b.t.Helper()
	var s string
	b.eval("String("+expression+")", &s)
	return s
}

// until waits for an expression to be true, at most 20 s.
func (b *browser) until(expression string) {
	b.t.Helper()
	var ok bool
	b.eval(`new Promise(done => {
		const end = performance.now() + 20000;
		const look = () => { let is = false; try { is = !!(`+expression+`); } catch {} if (is || performance.now() > end) done(is); else setTimeout(look, 20); };
		look();
	})`, &ok)
	if !ok {
		b.picture("failed")
		b.t.Fatalf("never true: %s", expression)
	}
}

// open goes to a page and waits until it is loaded.
func (b *browser) open(url string) {
	b.t.Helper()
	var got struct{ ErrorText string }
	b.must("Page.navigate", map[string]any{"url": url}, &got)
	if got.ErrorText != "" {
		b.t.Fatalf("%s: %s", url, got.ErrorText)
	}
	b.until("document.readyState === 'complete'")
}

// window sets the size in CSS pixels, as zoom of zoom does too, and the preferences.
func (b *browser) window(width, height int, zoom float64, scheme, motion string) {
	b.t.Helper()
	b.must("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": zoom, "mobile": false}, nil)
	b.must("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}}}, nil)
	b.until(fmt.Sprintf("innerWidth === %d", width))
	// Two frames: what watches sizes has then drawn.
	b.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))", nil)
}

// press is a key pressed and released; text is what it types, "" for nothing.
func (b *browser) press(key string) {
	b.t.Helper()
	text := ""
	if len(key) == 1 {
		text = key
	} else if key == "Enter" {
		text = "\r"
	}
	down := map[string]any{"type": "keyDown", "key": key, "text": text}
	if codes := map[string]int{"Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}; codes[key] != 0 {
		down["windowsVirtualKeyCode"], down["code"] = codes[key], key
	}
	b.must("Input.dispatchKeyEvent", down, nil)
	b.must("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
}

// write types text into what has the focus.
func (b *browser) write(text string) {
	b.t.Helper()
	b.must("Input.insertText", map[string]any{"text": text}, nil)
}

// click presses the mouse on the middle of the first element of a selector.
func (b *browser) click(selector string) {
	b.t.Helper()
	quoted, _ := json.Marshal(selector)
	b.until("document.querySelector(" + string(quoted) + ")")
	var at struct{ X, Y float64 }
	b.eval(`(() => {
		const el = document.querySelector(`+string(quoted)+`);
		el.scrollIntoView({ block: 'center' });
		const r = el.getBoundingClientRect();
		return { x: r.x + r.width / 2, y: r.y + r.height / 2 };
	})()`, &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.must("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// picture keeps the whole page as an image, where ARTIFACTS names a directory.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("ARTIFACTS")
	if dir == "" {
		return
	}
	var got struct{ Data string }
	b.must("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &got)
	png, err := base64.StdEncoding.DecodeString(got.Data)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// seen are the events of these methods since the last call, and forgets all.
func (b *browser) seen(methods ...string) []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []message
	for _, m := range b.events {
		for _, method := range methods {
			if m.Method == method {
				out = append(out, m)
			}
		}
	}
	b.events = nil
	return out
}

// clean fails the test for whatever the page logged, threw, violated or asked elsewhere.
func (b *browser) clean(origin string) {
	b.t.Helper()
	for _, m := range b.seen("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Audits.issueAdded", "Network.requestWillBeSent") {
		if m.Method != "Network.requestWillBeSent" {
			b.t.Errorf("%s: %s", m.Method, m.Params)
			continue
		}
		var p struct{ Request struct{ URL string } }
		if err := json.Unmarshal(m.Params, &p); err != nil {
			b.t.Fatal(err)
		}
		if u := p.Request.URL; !strings.HasPrefix(u, origin+"/") && u != "data:," {
			b.t.Errorf("the page asked for %s", u)
		}
	}
}
