package admin

import (
	"bytes"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Text is the form of the API for people: tables with aligned columns and, for one struct,
// a line for each value. It is not stable; programs read JSON. Source: the contract, Forms
// and section 4.
//
// What a value looks like follows from its key, which says its unit (ageMs, bytesOut,
// uptimeSeconds), and its type: times are shown as ages, durations and sizes in a unit that
// keeps them short, null and nothing as -. Strings of clients are in these tables, so every
// control character is escaped: a user agent cannot break a line, colour a terminal or move
// the cursor. Cells are cut at 60 characters unless ?wide=true.

// columns are those of a table: each is HEADING=key, or HEADING=key.key for what is further
// in.
type columns []string

// The columns of each table, in order. Keys that are not in the shape of the row are found
// by a test.
var (
	indexColumns  = columns{"PATH=path", "METHODS=methods", "SUMMARY=summary"}
	serverColumns = columns{
		"POS=position", "SERVER=id", "DELEGATE=delegate", "TAKEN=taken", "DECLINED=declined",
		"CONTAINER=routes.container", "EXACT=routes.exact", "PREFIX=routes.prefix", "GROUPS=groups",
	}
	filterColumns = columns{
		"LISTENER=listener", "POS=position", "NAME=name", "ENABLED=enabled", "PASSED=passed", "REJECTED=rejected",
		"P50=timeNs.p50", "P99=timeNs.p99", "OFF-REASON=offReason", "WHY=why",
	}
	routeColumns = columns{
		"SERVER=server", "KIND=kind", "METHOD=method", "PATTERN=pattern", "OPERATION=operation",
		"HITS=hits", "LAST=lastHit", "SHADOWED-BY=shadowedBy", "REGISTERED=registeredAt",
	}
	hookColumns = columns{
		"PHASE=phase", "ORDER=order", "NAME=name", "SERVER=server", "STATE=state", "TOOK=durationMs",
		"ERROR=error", "REGISTERED=registeredAt",
	}
	inFlightColumns = columns{
		"LISTENER=listener", "VERB=verb", "RESOURCE=resource", "NAMESPACE=namespace", "USER=user", "AGE=ageMs",
		"FILTER=filter", "ROUTE-SERVER=server", "OUT=bytesOut", "AUDIT-ID=auditID",
	}
	requestColumns = columns{
		"AGE=receivedAt", "LISTENER=listener", "VERB=verb", "RESOURCE=resource", "NAMESPACE=namespace", "USER=user",
		"STATUS=status", "ENDED=ended", "IN=endedIn", "TOOK=durationMs", "FILTERS=filtersMs", "LONGEST-FILTER=longest",
		"HANDLER=handlerMs", "WEBHOOKS=webhooksMs", "CONVERSION=conversionMs", "RULES=rulesMs", "PROXY=proxyMs", "WRITE=writeMs", "OUT=bytesOut", "AUDIT-ID=auditID",
	}
	eventColumns = columns{
		"SINCE-START=sinceStartMs", "PHASE=phase", "KIND=kind", "NAME=name", "TOOK=durationMs", "DETAIL=detail", "ERROR=error",
	}
	blockerColumns  = columns{"KIND=kind", "AGE=ageMs", "WHAT=what", "AUDIT-ID=auditID"}
	listenerColumns = columns{
		"LISTENER=listener", "ADDRESS=address", "PROTOCOLS=protocols", "INHERITED=inherited", "NEW=connections.new",
		"ACTIVE=connections.active", "IDLE=connections.idle", "ACCEPTED=connections.accepted", "TLS=tls.minVersion",
	}
	watchColumns = columns{
		"RESOURCE=resource", "NAMESPACE=namespace", "SELECTOR=selector", "USER=user", "AGE=ageSeconds",
		"SENT=sentRevision", "CURRENT=currentRevision", "LAG=lag", "EVENTS=events", "OUT=bytes",
		"LAST-SEND=lastSend", "STATE=state", "AUDIT-ID=auditID",
	}
	stockColumns   = columns{"RESOURCE=resource", "OBJECTS=objects", "BYTES=bytes", "WARNINGS=warnings"}
	pluginColumns  = columns{"POS=position", "PLUGIN=name", "ENABLED=enabled", "DOES=does", "IDLE=idle"}
	backendColumns = columns{
		"KIND=kind", "NAME=name", "STATE=state", "ADDRESS=address", "TRUST=trust", "CALLS=calls", "FAILURES=failures", "REFUSED=refused",
		"OPEN=failedOpen", "CLOSED=failedClosed", "LAST=lastCall", "STATUS=lastStatus", "P50=timeNs.p50", "P99=timeNs.p99", "DETAIL=detail",
	}
	ownerColumns = columns{
		"PATH=path", "MANAGER=manager", "OPERATION=operation", "APIVERSION=apiVersion", "SUBRESOURCE=subresource", "CHANGED=changed",
	}
	optionColumns  = columns{"GROUP=group", "OPTION=name", "VALUE=value", "SOURCE=source"}
	stepColumns    = columns{"POS=position", "STAGE=stage", "NAME=name", "DECISION=decision", "WHY=why"}
	missColumns    = columns{"NEAR-MISS=route", "LACKS=lacks.what", "WANT=lacks.want", "GOT=lacks.got", "REGISTERED=registeredAt"}
	logRuleColumns = columns{"RULE=id", "VERBOSITY=verbosity", "HITS=hits", "MATCH=match"}
	faultColumns   = columns{
		"RULE=id", "PERCENT=percent", "COUNT=count", "MATCHED=matched", "HITS=hits", "LAST=lastHit", "MATCH=match", "ACTION=action",
	}
)

// replyTable answers with rows, structs of one type, as a table.
func (ans *answer) replyTable(cols columns, rows []any) *Error {
	var b bytes.Buffer
	ans.writeTable(&b, cols, rows)
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

// replyPairs answers with one struct, a line for each of its values.
func (ans *answer) replyPairs(v any) *Error {
	var b bytes.Buffer
	ans.writePairs(&b, "", reflect.ValueOf(v))
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

// controlLines returns a line for each control that is on: who set it, how long it stays
// and why.
func (ans *answer) controlLines() []byte {
	var b []byte
	for _, c := range ans.controls() {
		note := ""
		if c.Note != "" {
			note = " (" + ans.shorten(c.Note) + ")"
		}
		left := ShortDuration(time.Time(c.ExpiresAt).Sub(ans.at))
		b = fmt.Appendf(b, "control %s is on: set by %s, %s left%s\n", c.Control, ans.shorten(c.SetBy), left, note)
	}
	return b
}

// writePairs writes a struct as lines of key and value; keys of structs in it are paths,
// such as process.pid. Lists of structs are left out: who calls writes them as tables.
// Times stand in full here, not as ages, since there is room.
func (ans *answer) writePairs(b *bytes.Buffer, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		key, f := prefix+v.Type().Field(i).Tag.Get("json"), v.Field(i)
		t, isTime := f.Interface().(Time)
		// Time comes first, since it is a struct; an embedded struct has no key of its own.
		switch {
		case isTime:
			fmt.Fprintf(b, "%-22s  %s\n", key, ans.shorten(t.String()))
		case v.Type().Field(i).Anonymous:
			ans.writePairs(b, prefix, f)
		case f.Kind() == reflect.Struct:
			ans.writePairs(b, key+".", f)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			// A table of its own, below.
		default:
			fmt.Fprintf(b, "%-22s  %s\n", key, ans.cell(key, f))
		}
	}
}

// writeTable writes rows, structs of one type, in aligned columns under their headings.
// Counts stand to the right, all else to the left; lines have no space at their end.
func (ans *answer) writeTable(b *bytes.Buffer, cols columns, rows []any) {
	lines := make([][]string, len(rows)+1)
	widths, right := make([]int, len(cols)), make([]bool, len(cols))
	for i, col := range cols {
		heading, path, _ := strings.Cut(col, "=")
		lines[0] = append(lines[0], heading)
		for j, row := range rows {
			v := valueAt(reflect.ValueOf(row), path)
			lines[j+1] = append(lines[j+1], ans.cell(path, v))
			// Asked of the rows and not of their type: a column of nulls stands to the left.
			right[i] = right[i] || isCount(path, v)
		}
		// Characters and not bytes. A terminal gives some of them two places; those lines are a
		// little off, which is not worth a table of Unicode.
		for _, line := range lines {
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
	}
	// The space behind a column belongs to it, so it is trimmed at the end of a line only.
	for _, line := range lines {
		var s strings.Builder
		for i, cell := range line {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if right[i] {
				cell, space = space+cell, ""
			}
			s.WriteString(cell + space + "  ")
		}
		b.WriteString(strings.TrimRight(s.String(), " ") + "\n")
	}
}

// valueAt returns the value that the JSON keys of path lead to, and the zero Value where
// one of them is null.
func valueAt(v reflect.Value, path string) reflect.Value {
	for key := range strings.SplitSeq(path, ".") {
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if !v.IsValid() {
			break
		}
		for _, f := range reflect.VisibleFields(v.Type()) {
			if f.Tag.Get("json") == key {
				v = v.FieldByIndex(f.Index)
				break
			}
		}
	}
	return v
}

// isCount reports whether a value is a number that people compare digit by digit. Sizes and
// times are shown with a unit, which would not line up.
func isCount(path string, v reflect.Value) bool {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return !isSize(path) && !isNanoseconds(path)
	}
	return false
}

// isSize reports whether a key is that of a number of bytes.
func isSize(key string) bool {
	return strings.HasPrefix(key, "bytes") || strings.HasSuffix(key, "Bytes")
}

// isNanoseconds reports whether a path leads to one of a filter's Percentiles, whose unit
// is in the key of the struct.
func isNanoseconds(path string) bool { return strings.HasPrefix(path, "timeNs.") }

// maxAuditID is the most bytes of an audit ID in text. It is the client's and may be long;
// it is not cut at 60 as other cells are, so that a UUID with a prefix stays whole. Source:
// the contract, Nothing secret.
const maxAuditID = 64

// cell returns one value, short: times as ages, durations and sizes with a unit, - for null
// and for nothing. path is that of its keys.
func (ans *answer) cell(path string, v reflect.Value) string {
	if !v.IsValid() {
		return "-"
	}
	if v.Kind() == reflect.Slice {
		return ans.shorten(joinList(v))
	}
	switch v := v.Interface().(type) {
	case Match:
		return ans.shorten(v.String())
	case FaultAction:
		return ans.shorten(v.String())
	}
	s := scalarOf(v)
	// The order matters: null before the units, which would show it as 0.
	switch t, isTime := v.Interface().(Time); {
	case s.null:
		return "-"
	case isTime:
		return ShortDuration(ans.at.Sub(time.Time(t)))
	case s.isNumber && strings.HasSuffix(path, "Ms"):
		return ShortDuration(time.Duration(s.number * float64(time.Millisecond)))
	case s.isNumber && strings.HasSuffix(path, "Seconds"):
		return ShortDuration(time.Duration(s.number * float64(time.Second)))
	case s.isNumber && isNanoseconds(path):
		return ShortDuration(time.Duration(s.number))
	case s.isNumber && isSize(path):
		return shortSize(s.number)
	case path == "auditID":
		s.text = truncate(s.text, maxAuditID)
	}
	return ans.shorten(s.text)
}

// joinList returns the scalars of a list with commas. An empty text is "", since it means
// something there: the core group.
func joinList(v reflect.Value) string {
	texts := make([]string, v.Len())
	for i := range texts {
		if texts[i] = scalarOf(v.Index(i)).text; texts[i] == "" {
			texts[i] = `""`
		}
	}
	return strings.Join(texts, ",")
}

// shorten returns a text as a cell has it: - for nothing, with control characters escaped,
// and cut at 60 characters unless ?wide=true.
func (ans *answer) shorten(s string) string {
	if s == "" {
		return "-"
	}
	// Escaped before it is cut: an escape takes more room than what it stands for, and half
	// of one would be wrong.
	s = Printable(s)
	wide, _ := strconv.ParseBool(ans.query.Get("wide"))
	if runes := []rune(s); !wide && len(runes) > 60 {
		return string(runes[:59]) + "…"
	}
	return s
}

// Printable returns s with what is not printable escaped as in a Go string: control
// characters, line breaks, and marks that change the direction of writing. Quotes and
// backslashes stay as they are, so the result cannot be read back.
func Printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// ShortDuration returns d with its two largest units at most: 412µs, 59.9s, 1m33s, 5h12m,
// 3d3h. It cuts and does not round from a second on, so that no age is shown before it is
// reached; below 0 is 0.
func ShortDuration(d time.Duration) string {
	d = max(d, 0)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return d.Round(100 * time.Nanosecond).String()
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64) + "s"
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", m, s)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", h, m)
	}
	return fmt.Sprintf("%dd%dh", h/24, h%24)
}

// shortSize returns n bytes in the largest unit that leaves at least one, rounded to whole
// ones: 18KiB.
func shortSize(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return strconv.FormatFloat(n, 'f', 0, 64) + units[i]
}
