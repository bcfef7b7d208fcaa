package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Conversations in the short form ("# form: short") are about what is said, not about how
// it goes over the wire:
//
//   - A request is its method and path, header lines, an empty line where there are any, and
//     the body. Behind the path may stand "(3 events)": so many lines are read of the answer,
//     and then it is broken off. {fill N} makes the body N bytes long.
//   - An answer is its status, the header lines that not every answer has, and the body, of
//     which JSON is laid out: what is longer than a line is spread over several, and nothing
//     else is changed.
//   - What differs between runs has names: {uid}, {uid-2}, {rev}, {rev-2} (of a
//     resourceVersion), {time}, {in-1h}, {age}, {token}, {continue}, {generated}. Equal values have
//     equal names, all through the file; a request may have any of them.
//   - Each protocol has a server of its own, since what is said changes it.

// expand makes a whole request of a short one. events is how many lines are read, 0 all.
func expand(text string) (whole string, events int) {
	line, rest, _ := strings.Cut(text, "\n")
	if target, n, ok := strings.Cut(strings.TrimSuffix(line, " events)"), " ("); ok {
		line = target
		events, _ = strconv.Atoi(n)
	}
	head := line + " HTTP/1.1\nHost: localhost\n"
	for rest != "" && rest[0] != '{' && rest[0] != '[' {
		line, rest, _ = strings.Cut(rest, "\n")
		if line == "" {
			break
		}
		head += line + "\n"
	}
	if i := strings.Index(rest, "{fill "); i >= 0 {
		number, behind, _ := strings.Cut(rest[i+len("{fill "):], "}")
		n, _ := strconv.Atoi(number)
		rest = rest[:i] + strings.Repeat("x", max(0, n-i-len(behind))) + behind
	}
	if rest != "" {
		head += "Content-Length: " + itoa(len(rest)) + "\n"
	}
	return head + "\n" + rest, events
}

// lineReader ends after some lines.
type lineReader struct {
	in   *bufio.Reader
	left int
	rest []byte
}

func (l *lineReader) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.left == 0 {
			return 0, io.EOF
		}
		l.left--
		line, err := l.in.ReadBytes('\n')
		if l.rest = line; len(line) == 0 {
			return 0, err
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// usual is the header lines that nearly every answer has.
func usual(line string) bool {
	return slices.Contains([]string{"Audit-Id: {audit-id}", "Cache-Control: no-cache, private", "Content-Length: {length}", "Content-Type: application/json", "Date: {date}", "Transfer-Encoding: chunked"}, line)
}

// writeShort writes an answer in the short form.
func (v *volatile) writeShort(out *strings.Builder, a wireAnswer) {
	_, status, _ := strings.Cut(a.status, " ")
	fmt.Fprintln(out, "< "+status)
	body := a.body
	for _, l := range slices.Sorted(slices.Values(a.header)) {
		name, value, _ := strings.Cut(l, ": ")
		shown := v.headerValue(name, value)
		switch {
		case name == "Content-Length" && (value == itoa(len(a.body)) || a.body == ""):
			shown = "{length}"
		case shown == "{audit-id}":
			body = strings.ReplaceAll(body, value, shown)
		}
		if l = name + ": " + v.named(shown); !usual(l) {
			fmt.Fprintln(out, "< "+l)
		}
	}
	if body == "" {
		return
	}
	body = v.named(v.shown.Replace(body))
	body, ended := strings.CutSuffix(body, "\n")
	fmt.Fprintln(out, "<")
	lines := strings.Split(body, "\n")
	for i, line := range lines {
		if json.Valid([]byte(line)) && len(lines) == 1 || strings.HasPrefix(line, `{"type":"`) {
			line = spread(line)
		}
		mark := "< "
		if i == len(lines)-1 && !ended {
			mark = "<|"
		}
		fmt.Fprintln(out, strings.TrimRight(mark+strings.ReplaceAll(line, "\n", "\n"+mark), " "))
	}
}

var (
	uidPattern       = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	timePattern      = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	tokenPattern     = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)
	continuePattern  = regexp.MustCompile(`"continue":"[^"]+"`)
	generatedPattern = regexp.MustCompile(`"generateName":"([^"]*)"`)
	agePattern       = regexp.MustCompile(`"\d+s"`)
	revPattern       = regexp.MustCompile(`(resourceVersion\\*"?: ?\\*"|current: |in record \(|ResourceVersion in the precondition \(|too old resource version: \d+ \()\d+`)
)

// learn takes note of what a request wants to be called.
func (v *volatile) learn(request string) {
	for _, m := range generatedPattern.FindAllStringSubmatch(request, -1) {
		v.bases = append(v.bases, m[1][:min(len(m[1]), 58)])
	}
}

// named puts names in the place of what differs between runs.
func (v *volatile) named(s string) string {
	for _, base := range v.bases {
		name := regexp.MustCompile(regexp.QuoteMeta(base) + "[" + "bcdfghjklmnpqrstvwxz2456789" + `]{5}\b`)
		s = name.ReplaceAllStringFunc(s, func(t string) string { return base + v.name("generated", t[len(base):]) })
	}
	s = uidPattern.ReplaceAllStringFunc(s, func(t string) string { return v.name("uid", t) })
	s = tokenPattern.ReplaceAllStringFunc(s, func(t string) string { return v.name("token", t) })
	s = continuePattern.ReplaceAllStringFunc(s, func(t string) string {
		return `"continue":"` + v.name("continue", t[len(`"continue":"`):len(t)-1]) + `"`
	})
	s = agePattern.ReplaceAllString(s, `"{age}"`)
	s = revPattern.ReplaceAllStringFunc(s, func(t string) string {
		i := strings.LastIndexFunc(t, func(r rune) bool { return r < '0' || r > '9' }) + 1
		return t[:i] + v.name("rev", t[i:])
	})
	return timePattern.ReplaceAllStringFunc(s, func(t string) string {
		at, err := time.Parse(time.RFC3339, t)
		for name, after := range map[string]time.Duration{"{time}": 0, "{in-1h}": time.Hour, "{in-10m}": 10 * time.Minute} {
			began, now := v.began.Add(after-time.Minute), time.Now().Add(after) // the server began before
			if err == nil && !at.Before(began) && !at.After(now) {
				return name
			}
		}
		return t
	})
}

// name is the name of a value of a kind: each other value has another.
func (v *volatile) name(kind, value string) string {
	key := kind + " " + value
	if v.etags[key] == "" {
		n := 1
		for k := range v.etags {
			if strings.HasPrefix(k, kind+" ") {
				n++
			}
		}
		name := "{" + kind + "}"
		if n > 1 {
			name = fmt.Sprintf("{%s-%d}", kind, n)
		}
		v.etags[key] = name
		v.holders = append(v.holders, name, value)
		v.values = strings.NewReplacer(v.holders...)
	}
	return v.etags[key]
}

// spreadAt is the longest JSON text that stays on one line.
const spreadAt = 140

// spread lays out JSON: the members of what is too long stand below each other. Nothing is
// decoded, so what is written differently stays different.
func spread(text string) string {
	var out bytes.Buffer
	spreadTo(&out, []byte(text), "")
	return out.String()
}

func spreadTo(out *bytes.Buffer, text []byte, indent string) {
	dec := json.NewDecoder(bytes.NewReader(text))
	open, _ := dec.Token()
	delim, nested := open.(json.Delim)
	if len(text)+len(indent) <= spreadAt || !nested {
		out.Write(text)
		return
	}
	inner := indent + " "
	out.WriteString(delim.String() + "\n" + inner)
	begin := out.Len() - len(inner) // of the line
	for first := true; dec.More(); first = false {
		start := dec.InputOffset()
		var key []byte
		if delim == '{' {
			_, _ = dec.Token()
			key = append(bytes.TrimLeft(text[start:dec.InputOffset()], ", \n"), ':')
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return
		}
		if !first {
			out.WriteByte(',')
			if out.Len()-begin+len(key)+len(value) > spreadAt {
				out.WriteString("\n" + inner)
				begin = out.Len() - len(inner)
			}
		}
		out.Write(key)
		spreadTo(out, value, inner)
		if i := bytes.LastIndexByte(out.Bytes(), '\n') + 1; i > begin {
			begin = i
		}
	}
	out.WriteByte(delim.String()[0] + 2)
}

// TestConversationsShort: the short form loses nothing that counts.
func TestConversationsShort(t *testing.T) {
	v := newVolatile(t, startProgram(t, nil))
	const a, b = "01234567-89ab-4cde-8f01-23456789abcd", "11234567-89ab-4cde-8f01-23456789abcd"
	now := time.Now().UTC().Format(time.RFC3339)
	v.learn(`{"generateName":"w-"}`)
	for _, c := range []struct{ text, want string }{
		{`{"uid":"` + a + `"}`, `{"uid":"{uid}"}`},
		{`{"uid":"` + b + `","was":"` + a + `"}`, `{"uid":"{uid-2}","was":"{uid}"}`},
		{`{"resourceVersion":"12"}`, `{"resourceVersion":"{rev}"}`},
		{`{"resourceVersion":"13","size":12}`, `{"resourceVersion":"{rev-2}","size":12}`},
		{`resourceVersion: "13"`, `resourceVersion: "{rev-2}"`},
		{"Too large resource version: 99, current: 12", "Too large resource version: 99, current: {rev}"},
		{`{"at":"` + now + `"}`, `{"at":"{time}"}`},
		{`{"at":"2001-01-01T00:00:00Z"}`, `{"at":"2001-01-01T00:00:00Z"}`},
		{`{"generateName":"w-","name":"w-bcdfg"}`, `{"generateName":"w-","name":"w-{generated}"}`},
		{`{"generateName":"w-","name":"w-aeiou"}`, `{"generateName":"w-","name":"w-aeiou"}`},
	} {
		if got := v.named(c.text); got != c.want {
			t.Errorf("%s: got %s, want %s", c.text, got, c.want)
		}
	}
	if got := v.values.Replace("/x?resourceVersion={rev-2}"); got != "/x?resourceVersion=13" {
		t.Error(got)
	}
	long := strings.Repeat("x", spreadAt)
	for text, want := range map[string]string{
		`{"a":1,"b":[1,2]}`: `{"a":1,"b":[1,2]}`,
		`{"a":{"b":"` + long + `","c":1.50},"d":["\u003c",{}]}`: "{\n \"a\":{\n  \"b\":\"" + long + "\",\n  \"c\":1.50},\"d\":[\"\\u003c\",{}]}",
		`["` + long + `",null]`:                                 "[\n \"" + long + "\",\n null]",
	} {
		if got := spread(text); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"GET /a (2 events)":             "GET /a HTTP/1.1\nHost: localhost\n\n",
		"GET /a\nAccept: x":             "GET /a HTTP/1.1\nHost: localhost\nAccept: x\n\n",
		"PUT /a\nX: y\n\nkind: A\nb: 1": "PUT /a HTTP/1.1\nHost: localhost\nX: y\nContent-Length: 12\n\nkind: A\nb: 1",
		"PUT /a\n{\"a\":\"{fill 12}\"}": "PUT /a HTTP/1.1\nHost: localhost\nContent-Length: 12\n\n{\"a\":\"xxxx\"}",
	} {
		if got, _ := expand(text); got != want {
			t.Errorf("%s: got\n%q\nwant\n%q", text, got, want)
		}
	}
}
