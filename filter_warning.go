package main

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of upstream's warning recorder, in characters of text.
const (
	warningsTotal = 4096
	warningCut    = 256
)

// warnings are the Warning header lines of one answer (RFC 7234, 5.5). They are kept on
// the exchange, under its lock, until the header is written: the 504 of the time limit
// carries them too, and a late warning harms nothing. The zero value drops everything.
type warnings struct {
	list    []warning
	runes   int32 // of all texts, each counted at most warningCut when cut
	enabled bool
	cut     bool // the total was passed: every text is cut to warningCut
}

// warning is one of them, as it was given.
type warning struct{ agent, text string }

// warningRecorder opens the record; in front of it warnings are dropped.
func warningRecorder() filter {
	return filter{brief: true, step: func(x *exchange, next handler) error {
		x.warnings.enabled = true
		x.because("the answer carries the warnings given from here on", "")
		return next(x)
	}}
}

// addLocked adds a warning, unless it is empty, no UTF-8 or was given before. The first that does
// not fit the total makes all of them short, those that are there too, so that a few long texts
// leave room for the others (upstream).
func (w *warnings) addLocked(agent, text string) {
	if !w.enabled || text == "" || !utf8.ValidString(text) || !utf8.ValidString(agent) {
		return
	}
	if agent == "" {
		agent = "-"
	}
	if slices.ContainsFunc(w.list, func(o warning) bool { return o.text == text }) {
		return
	}
	n := int32(utf8.RuneCountInString(text))
	if !w.cut && w.runes+n > warningsTotal {
		w.cut, w.runes = true, 0
		kept := w.list
		w.list = nil
		for _, o := range kept {
			w.takeLocked(o)
		}
	}
	w.takeLocked(warning{agent, text})
}

// takeLocked adds one warning within the bounds in force.
func (w *warnings) takeLocked(o warning) {
	n := int32(utf8.RuneCountInString(o.text))
	if w.cut {
		n = min(n, warningCut)
		if w.runes+n > warningsTotal {
			return
		}
	}
	w.runes += n
	w.list = append(w.list, o)
}

// headerLocked puts the lines into h.
func (w *warnings) headerLocked(h http.Header) {
	for _, o := range w.list {
		text := o.text
		if w.cut {
			text = firstRunes(text, warningCut)
		}
		h.Add("Warning", "299 "+agentToken(o.agent)+" "+quoteWarning(text))
	}
}

// firstRunes returns the first n characters of s, or all of it.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// agentToken keeps the agent one word: a space in it would end the field early.
func agentToken(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '"' || unicode.IsControl(r) {
			return '-'
		}
		return r
	}, s)
}

// quoteWarning returns the quoted-string form: quote and backslash escaped, no control characters.
func quoteWarning(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case !unicode.IsControl(r):
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
