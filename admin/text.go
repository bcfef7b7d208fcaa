package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// columns are what text answers show, by endpoint: heading and JSON key. Text is for
// people and not stable. Source: the contract, section 4.
var columns = map[string][][2]string{
	"/admin/":             {{"PATH", "path"}, {"METHODS", "methods"}, {"SUMMARY", "summary"}},
	"/admin/v1/servers":   {{"POS", "position"}, {"SERVER", "id"}, {"DELEGATE", "delegate"}, {"TAKEN", "taken"}, {"DECLINED", "declined"}, {"WEB-SERVICES", "webServices"}},
	"/admin/v1/routes":    {{"SERVER", "server"}, {"KIND", "kind"}, {"METHOD", "method"}, {"PATTERN", "pattern"}, {"OPERATION", "operation"}, {"HITS", "hits"}, {"LAST", "lastHit"}, {"REGISTERED", "registeredAt"}},
	"/admin/v1/hooks":     {{"PHASE", "phase"}, {"ORDER", "order"}, {"NAME", "name"}, {"SERVER", "server"}, {"STATE", "state"}, {"TOOK", "durationMs"}, {"ERROR", "error"}, {"REGISTERED", "registeredAt"}},
	"/admin/v1/inflight":  {{"LISTENER", "listener"}, {"VERB", "verb"}, {"RESOURCE", "resource"}, {"NAMESPACE", "namespace"}, {"USER", "user"}, {"AGE", "ageMs"}, {"FILTER", "filter"}, {"ROUTE-SERVER", "server"}, {"OUT", "bytesOut"}, {"AUDIT-ID", "auditID"}},
	"/admin/v1/timeline":  {{"SINCE-START", "sinceStartMs"}, {"PHASE", "phase"}, {"KIND", "kind"}, {"NAME", "name"}, {"TOOK", "durationMs"}, {"DETAIL", "detail"}, {"ERROR", "error"}},
	"/admin/v1/listeners": {{"LISTENER", "listener"}, {"ADDRESS", "address"}, {"PROTOCOLS", "protocols"}, {"INHERITED", "inherited"}, {"CONNECTIONS", "connections"}},
	"/admin/v1/options":   {{"GROUP", "group"}, {"OPTION", "name"}, {"VALUE", "value"}, {"SOURCE", "source"}},
}

// filterColumns are those of the chain, one line for each filter.
var filterColumns = [][2]string{{"POS", "position"}, {"NAME", "name"}, {"ENABLED", "enabled"}, {"PASSED", "passed"}, {"REJECTED", "rejected"}, {"OFF-REASON", "offReason"}, {"WHY", "why"}}

// writeText writes the rows in aligned columns.
func (ans *answer) writeText(path string, rows []any) *Error {
	wide := ans.query.Get("wide") == "true"
	if path == "/admin/v1/chain" {
		for i, row := range rows {
			c := row.(Chain)
			if i > 0 {
				fmt.Fprintln(ans.w)
			}
			fmt.Fprintf(ans.w, "listener %s\n", c.Listener)
			ans.table(filterColumns, boxed(c.Filters), wide)
		}
		return nil
	}
	ans.table(columns[path], rows, wide)
	return nil
}

func (ans *answer) table(cols [][2]string, rows []any, wide bool) {
	lines := make([][]string, 1, len(rows)+1)
	for _, c := range cols {
		lines[0] = append(lines[0], c[0])
	}
	for _, row := range rows {
		f := fieldsOf(row)
		var line []string
		for _, c := range cols {
			line = append(line, ans.cell(c[1], f[c[1]], wide))
		}
		lines = append(lines, line)
	}
	widths := make([]int, len(cols))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b bytes.Buffer
	for _, line := range lines {
		for i, cell := range line {
			b.WriteString(cell)
			if i < len(line)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, _ = io.Copy(ans.w, &b)
}

// cell is one value, short: ages and sizes with units, - for nothing, control
// characters escaped, cut at 60 characters unless wide.
func (ans *answer) cell(key string, v any, wide bool) string {
	s := show(v)
	switch n, isNumber := v.(json.Number); {
	case v == nil || s == "" || s == "[]" || s == "{}":
		return "-"
	case isNumber && strings.HasSuffix(key, "Ms"):
		f, _ := n.Float64()
		return shortDuration(time.Duration(f * float64(time.Millisecond)))
	case isNumber && strings.HasPrefix(key, "bytes"):
		f, _ := n.Int64()
		return shortSize(f)
	case key == "lastHit":
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return shortDuration(ans.at.Sub(t))
		}
	}
	if list, ok := v.([]any); ok {
		parts := make([]string, len(list))
		for i := range list {
			parts[i] = show(list[i])
		}
		s = strings.Join(parts, ",")
	}
	if m, ok := v.(map[string]any); ok && key == "connections" {
		s = fmt.Sprintf("%s new, %s active, %s idle", show(m["new"]), show(m["active"]), show(m["idle"]))
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
	if r := []rune(s); !wide && len(r) > 60 {
		s = string(r[:59]) + "…"
	}
	return s
}

func shortDuration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return strconv.FormatFloat(max(0, d.Seconds()*1000), 'f', 1, 64) + "ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
	return d.Truncate(time.Second).String()
}

func shortSize(n int64) string {
	const units = "KMGTP"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + "B"
	}
	f, i := float64(n)/1024, 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return strconv.FormatFloat(f, 'f', 0, 64) + units[i:i+1] + "iB"
}

// writePairs writes one object as a line for each key.
func (ans *answer) writePairs(v any) *Error {
	f := fieldsOf(v)
	for _, key := range keysOf(Build{}) {
		if m, ok := f[key].(map[string]any); ok {
			for _, k := range keysOf(Process{}) {
				fmt.Fprintf(ans.w, "%-22s %s\n", key+"."+k, ans.cell(k, m[k], true))
			}
			continue
		}
		fmt.Fprintf(ans.w, "%-22s %s\n", key, ans.cell(key, f[key], true))
	}
	return nil
}
