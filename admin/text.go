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

// Text is for people and not stable. Source: the contract, "Forms" and section 4.

// columns of a table: each is HEADING=key, or HEADING=key.key for what is further in.
type columns []string

var (
	indexColumns    = columns{"PATH=path", "METHODS=methods", "SUMMARY=summary"}
	serverColumns   = columns{"POS=position", "SERVER=id", "DELEGATE=delegate", "TAKEN=taken", "DECLINED=declined", "CONTAINER=routes.container", "EXACT=routes.exact", "PREFIX=routes.prefix", "GROUPS=groups"}
	filterColumns   = columns{"LISTENER=listener", "POS=position", "NAME=name", "ENABLED=enabled", "PASSED=passed", "REJECTED=rejected", "P50=timeNs.p50", "P99=timeNs.p99", "OFF-REASON=offReason", "WHY=why"}
	routeColumns    = columns{"SERVER=server", "KIND=kind", "METHOD=method", "PATTERN=pattern", "OPERATION=operation", "HITS=hits", "LAST=lastHit", "SHADOWED-BY=shadowedBy", "REGISTERED=registeredAt"}
	hookColumns     = columns{"PHASE=phase", "ORDER=order", "NAME=name", "SERVER=server", "STATE=state", "TOOK=durationMs", "ERROR=error", "REGISTERED=registeredAt"}
	inFlightColumns = columns{"LISTENER=listener", "VERB=verb", "RESOURCE=resource", "NAMESPACE=namespace", "USER=user", "AGE=ageMs", "FILTER=filter", "ROUTE-SERVER=server", "OUT=bytesOut", "AUDIT-ID=auditID"}
	requestColumns  = columns{"AGE=receivedAt", "LISTENER=listener", "VERB=verb", "RESOURCE=resource", "NAMESPACE=namespace", "USER=user", "STATUS=status", "ENDED=ended", "IN=endedIn", "TOOK=durationMs", "FILTERS=filtersMs", "LONGEST-FILTER=longest", "HANDLER=handlerMs", "WRITE=writeMs", "OUT=bytesOut", "AUDIT-ID=auditID"}
	eventColumns    = columns{"SINCE-START=sinceStartMs", "PHASE=phase", "KIND=kind", "NAME=name", "TOOK=durationMs", "DETAIL=detail", "ERROR=error"}
	blockerColumns  = columns{"KIND=kind", "AGE=ageMs", "WHAT=what", "AUDIT-ID=auditID"}
	listenerColumns = columns{"LISTENER=listener", "ADDRESS=address", "PROTOCOLS=protocols", "INHERITED=inherited", "NEW=connections.new", "ACTIVE=connections.active", "IDLE=connections.idle", "ACCEPTED=connections.accepted", "TLS=tls.minVersion"}
	watchColumns    = columns{"RESOURCE=resource", "NAMESPACE=namespace", "SELECTOR=selector", "USER=user", "AGE=ageSeconds", "SENT=sentRevision", "CURRENT=currentRevision", "LAG=lag", "EVENTS=events", "OUT=bytes", "LAST-SEND=lastSend", "STATE=state", "AUDIT-ID=auditID"}
	stockColumns    = columns{"RESOURCE=resource", "OBJECTS=objects", "BYTES=bytes", "WARNINGS=warnings"}
	optionColumns   = columns{"GROUP=group", "OPTION=name", "VALUE=value", "SOURCE=source"}
)

// replyTable answers with rows, structs of one type, in aligned columns; whole numbers
// stand to the right.
func (ans *answer) replyTable(cols columns, rows []any) *Error {
	var b bytes.Buffer
	ans.table(&b, cols, rows)
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

// replyTimeline answers with the events and, while a stop waits, what it waits for.
func (ans *answer) replyTimeline(t Timeline, events []any) *Error {
	var b bytes.Buffer
	ans.table(&b, eventColumns, events)
	if t.WaitingFor != "" {
		fmt.Fprintf(&b, "\nwaiting for %s, at most until %s\n", t.WaitingFor, t.Deadline)
		ans.table(&b, blockerColumns, boxed(t.BlockedBy))
	}
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

// replyPairs answers with one struct, a line for each of its values.
func (ans *answer) replyPairs(v any) *Error {
	var b bytes.Buffer
	ans.pairs(&b, "", reflect.ValueOf(v))
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

// controlLines say what is on, how long still and why.
func (ans *answer) controlLines() []byte {
	var b []byte
	for _, c := range ans.controls() {
		note := ""
		if c.Note != "" {
			note = " (" + ans.short(c.Note) + ")"
		}
		b = fmt.Appendf(b, "control %s is on: set by %s, %s left%s\n", c.Control, ans.short(c.SetBy), ShortDuration(time.Time(c.ExpiresAt).Sub(ans.at)), note)
	}
	return b
}

func (ans *answer) pairs(b *bytes.Buffer, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		key, f := prefix+v.Type().Field(i).Tag.Get("json"), v.Field(i)
		t, isTime := f.Interface().(Time)
		switch {
		case isTime:
			fmt.Fprintf(b, "%-22s  %s\n", key, ans.short(t.String()))
		case v.Type().Field(i).Anonymous:
			ans.pairs(b, prefix, f)
		case f.Kind() == reflect.Struct:
			ans.pairs(b, key+".", f)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct: // a table of its own
		default:
			fmt.Fprintf(b, "%-22s  %s\n", key, ans.cell(key, f))
		}
	}
}

func (ans *answer) table(b *bytes.Buffer, cols columns, rows []any) {
	lines := make([][]string, len(rows)+1)
	widths, right := make([]int, len(cols)), make([]bool, len(cols))
	for i, col := range cols {
		heading, path, _ := strings.Cut(col, "=")
		lines[0] = append(lines[0], heading)
		for j, row := range rows {
			v := valueAt(reflect.ValueOf(row), path)
			lines[j+1] = append(lines[j+1], ans.cell(path, v))
			if v.Kind() == reflect.Pointer {
				v = v.Elem()
			}
			right[i] = right[i] || v.IsValid() && v.CanInterface() && isCount(v.Kind()) && !isSize(path) && !strings.HasPrefix(path, "timeNs.")
		}
		for _, line := range lines {
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
	}
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

// valueAt is the value that the JSON keys of path lead to; the zero Value behind null.
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

func isCount(k reflect.Kind) bool {
	return k == reflect.Int || k == reflect.Int64 || k == reflect.Uint64
}

func isSize(key string) bool {
	return strings.HasPrefix(key, "bytes") || strings.HasSuffix(key, "Bytes")
}

// mostAuditID is the most bytes of an audit ID, which is the client's, in text. Source: the
// contract, Nothing secret.
const mostAuditID = 64

// cell is one value, short: times as ages, durations and sizes with a unit, - for null
// and for none, control characters escaped, cut at 60 characters unless ?wide=true.
func (ans *answer) cell(path string, v reflect.Value) string {
	if !v.IsValid() {
		return "-"
	}
	if v.Kind() == reflect.Slice {
		texts := make([]string, v.Len())
		for i := range texts {
			if texts[i] = scalarOf(v.Index(i)).text; texts[i] == "" {
				texts[i] = `""`
			}
		}
		return ans.short(strings.Join(texts, ","))
	}
	switch v := v.Interface().(type) {
	case Match:
		return ans.short(v.String())
	case FaultAction:
		return ans.short(v.String())
	}
	s := scalarOf(v)
	switch t, isTime := v.Interface().(Time); {
	case s.null:
		return "-"
	case isTime:
		return ShortDuration(ans.at.Sub(time.Time(t)))
	case s.isNumber && strings.HasSuffix(path, "Ms"):
		return ShortDuration(time.Duration(s.number * float64(time.Millisecond)))
	case s.isNumber && strings.HasSuffix(path, "Seconds"):
		return ShortDuration(time.Duration(s.number * float64(time.Second)))
	case s.isNumber && strings.HasPrefix(path, "timeNs."):
		return ShortDuration(time.Duration(s.number))
	case s.isNumber && isSize(path):
		return shortSize(s.number)
	case path == "auditID":
		s.text = cut(s.text, mostAuditID)
	}
	return ans.short(s.text)
}

func (ans *answer) short(s string) string {
	if s == "" {
		return "-"
	}
	s = Printable(s)
	wide, _ := strconv.ParseBool(ans.query.Get("wide"))
	if runes := []rune(s); !wide && len(runes) > 60 {
		return string(runes[:59]) + "…"
	}
	return s
}

// Printable is s with control characters escaped.
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

// ShortDuration is d with its two largest units at most; below 0 is 0.
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

// shortSize is n bytes in the largest unit that leaves at least one.
func shortSize(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return strconv.FormatFloat(n, 'f', 0, 64) + units[i]
}
