package main

import (
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// newTestLog is the program's log with flags, and what it writes.
func newTestLog(t testing.TB, args ...string) (*slog.Logger, *lines) {
	t.Helper()
	o, _, wrong := parseFlags(t, args...)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	out := &lines{}
	return o.logging.logger(out), out
}

// TestLogLevels: -v decides what is logged; errors and what happens to the process always are.
func TestLogLevels(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		for v, debug := range map[string]bool{"0": false, "2": false, "3": false, "4": true, "10": true} {
			log, out := newTestLog(t, "--logging-format="+format, "-v="+v)
			log.Debug("of a client")
			if out.has("of a client") != debug {
				t.Errorf("%s, -v %s: a client's mistake is logged: %v, want %v", format, v, !debug, debug)
			}
			log.Info("of the process")
			log.Warn("of the process")
			log.Error("of the process")
			if n := strings.Count(out.String(), "of the process"); n != 3 {
				t.Errorf("%s, -v %s: %d of 3 lines are logged", format, v, n)
			}
		}
	}
	o, _, _ := parseFlags(t)
	if o.logging.format != "text" || o.logging.verbosity != 2 {
		t.Errorf("without flags: %+v", o.logging)
	}
}

// forgeries are texts with which a client might try to write a line, or an attribute, of its own.
var forgeries = []string{
	"x\ntime=2026-01-01T00:00:00Z level=ERROR msg=forged",
	"x\r\nlevel=ERROR msg=forged",
	`x" level=ERROR msg="forged`,
	"x level=ERROR msg=forged",
	`x","level":"ERROR","msg":"forged`,
	"x\u2028level=ERROR msg=forged",
	"x\u0085level=ERROR",
	"x\x1b[2K\x1b[1Alevel=ERROR",
	"x\x00level=ERROR",
	"x\xff\xfelevel=ERROR",
	"{\"msg\":\"forged\"}",
}

// TestLogIsNotForged: whatever a client sends is one attribute of one line, in both forms.
func TestLogIsNotForged(t *testing.T) {
	for _, text := range forgeries {
		log, out := newTestLog(t, "--logging-format=text")
		log.Info("request", slogText("path", text))
		line := out.String()
		if strings.Count(line, "\n") != 1 || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\x00\x1b\u2028\u0085") || !utf8.ValidString(line) {
			t.Errorf("text, %q: %q, want one printable line", text, line)
		}
		if i := strings.Index(line, "path="); i < 0 || !strings.HasPrefix(line[i:], `path="`) && strings.ContainsAny(line[i:], " ") {
			t.Errorf("text, %q: %q, want one quoted attribute", text, line)
		}
		log, out = newTestLog(t, "--logging-format=json")
		log.Info("request", slogText("path", text))
		var got map[string]any
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil || strings.Count(out.String(), "\n") != 1 || len(got) != 4 || got["msg"] != "request" || got["level"] != "INFO" {
			t.Errorf("json, %q: %q (%v)", text, out, err)
		}
		if got["path"] != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) {
			t.Errorf("json, %q: came back as %q", text, got["path"])
		}
	}
	if got := slogText("k", strings.Repeat("x", 1<<20)).Value.String(); len(got) > 2100 {
		t.Errorf("a text of 1 MiB takes %d bytes of a line", len(got))
	}
	if got := slogText("k", "short").Value.String(); got != "short" {
		t.Errorf("got %q", got)
	}
}

// TestForgedRequests: the same of whole requests, through the program's own lines.
func TestForgedRequests(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		log := &lines{}
		p := newTestProgramLog(t, log, "-v=10", "--logging-format="+format)
		for _, text := range forgeries {
			escaped := url.PathEscape(text)
			for _, listener := range []string{"http", "https"} {
				p.through(listener, "GET", "/"+escaped+"?"+url.QueryEscape(text)+"="+url.QueryEscape(text), "User-Agent: "+text, "Authorization: Bearer "+text, "Host: "+text, "Origin: "+text)
			}
		}
		if log.String() == "" {
			t.Fatal("nothing was logged")
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(log.String(), "\n"), "\n") {
			var got map[string]any
			switch {
			case strings.ContainsAny(line, "\r\x00\x1b"):
				t.Errorf("%s: %q has a control character", format, line)
			case format == "json" && (json.Unmarshal([]byte(line), &got) != nil || got["msg"] == "forged"):
				t.Errorf("json: %q", line)
			case format == "text" && (!strings.HasPrefix(line, "time=20") || strings.HasPrefix(line, "time=2026-01-01T00:00:00Z")):
				t.Errorf("text: %q", line)
			}
		}
	}
}
