package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzConversation: whatever is read can be written as it was, but for spaces at the end
// of a line, since -update writes what it has read.
func FuzzConversation(f *testing.F) {
	files, err := filepath.Glob("testdata/conversations/*.http")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, file string) {
		c, err := parseConversation(file)
		if err != nil {
			return
		}
		var got []string
		for _, s := range c.steps {
			for line := range strings.SplitSeq(s.text, "\n") {
				if s.kind != '#' {
					line = string(s.kind) + " " + line
				}
				got = append(got, strings.TrimRight(line, " "))
			}
		}
		want := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
		for i, line := range want {
			if line != "" && line[0] != '#' {
				line = line[:1] + " " + strings.TrimPrefix(line[1:], " ")
			}
			want[i] = strings.TrimRight(line, " ")
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// TestConversationsNotice: what is not as it should be stays in the text, and so differs.
func TestConversationsNotice(t *testing.T) {
	r := startProgram(t, nil)
	v := newVolatile(t, r)
	const id, other = "01234567-89ab-4cde-8f01-23456789abcd", "11234567-89ab-4cde-8f01-23456789abcd"
	tag, tag2 := `"`+strings.Repeat("A1", 64)+`"`, `"`+strings.Repeat("B2", 64)+`"`
	now := time.Now().UTC()
	for _, c := range []struct{ name, value, want string }{
		{"Audit-Id", id, "{audit-id}"},
		{"Audit-Id", id, id}, // again
		{"Audit-Id", "01234567-89ab-1cde-8f01-23456789abcd", "01234567-89ab-1cde-8f01-23456789abcd"},
		{"X-Other", other, other},
		{"Date", now.Format(http.TimeFormat), "{date}"},
		{"Date", now.Add(-time.Hour).Format(http.TimeFormat), now.Add(-time.Hour).Format(http.TimeFormat)},
		{"Date", now.Add(time.Hour).Format(http.TimeFormat), now.Add(time.Hour).Format(http.TimeFormat)},
		{"Date", now.Format(time.RFC3339), now.Format(time.RFC3339)},
		{"Etag", tag, "{etag}"},
		{"Etag", tag2, "{etag-2}"},
		{"Etag", tag, "{etag}"},
		{"Etag", "W/" + tag, "W/" + tag},
		{"Etag", strings.ToLower(tag), strings.ToLower(tag)},
		{"Location", "https://" + r.publicAddress(), "https://{address}"},
		{"Location", "https://127.0.0.1:1", "https://127.0.0.1:1"},
	} {
		if got := v.headerValue(c.name, c.value); got != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.name, c.value, got, c.want)
		}
	}
	if got, want := v.values.Replace("W/{etag-2} {address}"), "W/"+tag2+" "+r.publicAddress(); got != want {
		t.Errorf("in a request: got %q, want %q", got, want)
	}
	const head = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct{ method, wire, body, left string }{
		{"GET", head + "Content-Length: 2\r\n\r\nokHTTP", "ok", "HTTP"},
		{"GET", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP", "ok", "HTTP"},
		{"GET", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\nHTTP", "ok", "HTTP"},
		{"GET", head + "\r\nok", "ok", ""},
		{"HEAD", head + "Content-Length: 2\r\n\r\nHTTP", "", "HTTP"},
		{"GET", "HTTP/1.1 304 Not Modified\r\n\r\nHTTP", "", "HTTP"},
		{"GET", head + "Content-Length: 3\r\n\r\nok", "ok", "cut"},
		{"GET", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "ok", "cut"},
		{"GET", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nok", "ok", "cut"},
		{"GET", head + "Content-Le", "", "EOF"},
		{"GET", "", "", "EOF"},
	} {
		in := bufio.NewReader(strings.NewReader(c.wire))
		a, err := readAnswer(in, c.method, 0)
		rest, _ := io.ReadAll(in)
		left := string(rest)
		switch {
		case err != nil:
			left = err.Error()
		case a.cut:
			left = "cut"
		}
		if a.body != c.body || left != c.left {
			t.Errorf("%s %q: got %q, then %q; want %q, %q", c.method, c.wire, a.body, left, c.body, c.left)
		}
	}
}
