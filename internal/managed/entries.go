package managed

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// The entries of metadata.managedFields. A stored list is a tree.Raw that was written here, and is taken apart without making a tree
// of it (scan.go); one that a client or a webhook sends is a tree. An entry keeps the text that it was read from for as long as it
// says what that says, so most entries of a write go from text to text.

// entry is an element of the list: what one manager owns.
type entry struct {
	manager, operation, version, subresource string
	// time is that of the last change in RFC 3339, "" for none, which differs from an empty one in nothing.
	time string
	// now says that the time is that at which the entry is written.
	now bool
	set fieldset.Set
	// id is what package patch tells entries apart by, "" until somebody asks (identify).
	id string
	// text is the entry as JSON in the form that is stored, "" once something has changed.
	text string
}

// The operations of entries.
const (
	opApply  = "Apply"
	opUpdate = "Update"
)

// identify sets id to the text that upstream makes of it: its order is that of conflicts. Who applies is the same whatever version
// it is in.
func (e *entry) identify() {
	// Fields stand in the order of upstream's struct and empty ones are left out, byte for byte: conflicts are sorted by this
	// text.
	b := append(make([]byte, 0, 96), '{')
	field := func(name, value string) {
		if value == "" {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = tree.AppendJSONString(append(b, name...), value)
	}
	field(`"manager":`, e.manager)
	field(`"operation":`, e.operation)
	// So an apply in a new version of the API goes on with the fields of the one before.
	if e.operation != opApply {
		field(`"apiVersion":`, e.version)
	}
	field(`"subresource":`, e.subresource)
	e.id = string(append(b, '}'))
}

// is reports whether another entry is of the same manager.
func (e *entry) is(o entry) bool {
	return e.manager == o.manager && e.operation == o.operation && e.subresource == o.subresource &&
		(e.operation == opApply || e.version == o.version)
}

// seconds returns the time in seconds since 1970, 0 for none.
func (e *entry) seconds() int64 {
	// It has no time before it is written, and is sorted by the one that it would get.
	if e.now {
		return time.Now().Unix()
	}
	// The order has seconds and not texts, since a client may have sent another time zone.
	t, err := time.Parse(time.RFC3339, e.time)
	if err != nil {
		return 0
	}
	return t.Unix()
}

// read returns the entries of metadata.managedFields, each manager once: of two that are the same the last one counts. The error says
// why it is no such list, in upstream's words. nil has no entries.
func read(v any) ([]entry, error) { return readInto(nil, v) }

// readInto is read into the room of into, which is empty, where that is enough.
func readInto(into []entry, v any) ([]entry, error) {
	// The fast way, of nearly all writes. What it does not take is read again as a tree, which has the words for what is
	// wrong.
	if raw, ok := v.(tree.Raw); ok {
		if entries, ok := scan(into, string(raw)); ok {
			return unique(entries), nil
		}
		v = tree.Expand(v)
	}
	list, _ := v.([]any)
	entries := slices.Grow(into, len(list))
	for i, item := range list {
		e := entry{
			manager: tree.Text(item, "manager"), operation: tree.Text(item, "operation"), version: tree.Text(item, "apiVersion"),
			subresource: tree.Text(item, "subresource"), time: tree.Text(item, "time"),
		}
		// The first fault is told, in the order in which upstream looks.
		switch typ := tree.Text(item, "fieldsType"); {
		case e.operation != opApply && e.operation != opUpdate:
			return nil, errors.New("operation must be `Apply` or `Update`")
		case e.version == "":
			return nil, errors.New("apiVersion must not be empty")
		case typ == "":
			return nil, fmt.Errorf("missing fieldsType in managed fields entry %d", i)
		case typ != "FieldsV1":
			return nil, fmt.Errorf("invalid fieldsType %q in managed fields entry %d", typ, i)
		}
		// An entry without fields is a good one: it owns nothing, and the next count drops it.
		if fields := tree.At(item, "fieldsV1"); fields != nil {
			set, err := fieldset.Parse(tree.AppendJSON(nil, fields))
			if err != nil {
				return nil, fmt.Errorf("error decoding versioned set from %v: error decoding set: %w", shown(item), err)
			}
			e.set = set
		}
		entries = append(entries, e)
	}
	return unique(entries), nil
}

// fewEntries is how many entries are searched one by one.
const fewEntries = 16

// unique leaves out those entries that one behind them stands for. Of many it sets the identities.
func unique(entries []entry) []entry {
	var seen map[string]bool // nil where there are few
	if len(entries) > fewEntries {
		seen = make(map[string]bool, len(entries))
	}
	// From the back, so that the last of several is met first; what is kept gathers at the end of the same slice.
	from := len(entries)
	for i := from - 1; i >= 0; i-- {
		e := entries[i]
		if seen != nil {
			e.identify()
		}
		// A nil map has nobody in it: the first half is for many entries, the second for few.
		if seen[e.id] || seen == nil && slices.ContainsFunc(entries[from:], e.is) {
			continue
		}
		if seen != nil {
			seen[e.id] = true
		}
		from--
		entries[from] = e
	}
	return entries[from:]
}

// shown returns an entry as upstream's errors show its struct.
func shown(item any) string {
	// The order of the seven is that of upstream's struct, the time as Go prints one.
	text := func(name string) string { return tree.Text(item, name) }
	// A time that is none is shown as it was sent.
	at := cmp.Or(text("time"), "<nil>")
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		at = t.UTC().Format("2006-01-02 15:04:05 -0700 MST")
	}
	return fmt.Sprintf("{%s %s %s %s %s %s %s}", text("manager"), text("operation"), text("apiVersion"), at, text("fieldsType"),
		tree.AppendJSON(nil, tree.At(item, "fieldsV1")), text("subresource"))
}

// write returns the list of the entries, which it sorts, as metadata.managedFields has it; nil for none. See Writer.ByText.
func write(entries []entry, byText bool) any {
	if len(entries) == 0 {
		return nil
	}
	// The order is part of what is stored: two lists are the same only entry by entry.
	if !slices.IsSortedFunc(entries, byOrder) {
		sort.Slice(entries, func(i, j int) bool { return byOrder(entries[i], entries[j]) < 0 })
	}
	var room [2048]byte // the text is copied once, and has its very size
	b := append(room[:0], '[')
	for i := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = entries[i].append(b, byText)
	}
	return tree.Raw(append(b, ']'))
}

// byOrder is the order of entries: who applies, then the oldest, then by name.
func byOrder(a, b entry) int {
	return cmp.Or(
		cmp.Compare(a.operation, b.operation), cmp.Compare(a.seconds(), b.seconds()), cmp.Compare(a.manager, b.manager),
		cmp.Compare(a.version, b.version), cmp.Compare(a.subresource, b.subresource))
}

// append appends the entry as JSON.
func (e *entry) append(b []byte, byText bool) []byte {
	// What has not changed goes out as the bytes that came in.
	if e.text != "" {
		return append(b, e.text...)
	}
	// Names are in the order of the alphabet, as in the rest of a stored object, which scan relies on.
	b = tree.AppendJSONString(append(b, `{"apiVersion":`...), e.version)
	b = append(b, `,"fieldsType":"FieldsV1","fieldsV1":`...)
	if byText {
		b = e.set.AppendJSONByText(b)
	} else {
		b = e.set.AppendJSON(b)
	}
	for _, f := range [...][2]string{{`,"manager":`, e.manager}, {`,"operation":`, e.operation}, {`,"subresource":`, e.subresource}} {
		if f[1] != "" {
			b = tree.AppendJSONString(append(b, f[0]...), f[1])
		}
	}
	switch {
	// The time is that at which the list is written, in UTC whatever zone others have been sent in.
	case e.now:
		b = append(time.Now().UTC().AppendFormat(append(b, `,"time":"`...), time.RFC3339), '"')
	case e.time != "":
		b = tree.AppendJSONString(append(b, `,"time":`...), e.time)
	}
	return append(b, '}')
}

// SameButTimes reports whether two lists say the same but for times, entry by entry in their order. Lists of which one is empty, and
// equal ones, are not: there is nothing to put back.
func SameButTimes(a, b any) bool {
	ra, isRaw := a.(tree.Raw)
	rb, alsoRaw := b.(tree.Raw)
	// Neither is parsed: this is asked with each write that changes nothing.
	if isRaw && alsoRaw {
		return ra != rb && sameTexts(string(ra), string(rb))
	}
	// Mixed forms, as when a webhook has sent one of them, are compared as trees.
	l, m := tree.List(a), tree.List(b)
	if len(l) == 0 || len(l) != len(m) || tree.Equal(l, m) {
		return false
	}
	for i := range l {
		if !tree.Equal(timeless(l[i]), timeless(m[i])) {
			return false
		}
	}
	return true
}

// sameTexts is SameButTimes for lists as they are written. The time is the last field of an entry, and what begins one is found nowhere
// else: within a text its quotes have backslashes, and in a set no field has a text.
func sameTexts(a, b string) bool {
	const time = `,"time":"`
	// What is before the first time, and what is behind its closing quote; a text without a time is all before.
	cut := func(s string) (before, after string) {
		before, after, found := strings.Cut(s, time)
		if found {
			_, after, _ = strings.Cut(after, `"`)
		}
		return before, after
	}
	for {
		if a == b {
			return true
		}
		// Where one of them has no time, the other's is passed over on its own.
		x, restA := cut(a)
		y, restB := cut(b)
		switch n := min(len(x), len(y)); {
		case x == y:
			if restA == "" && restB == "" {
				return true
			}
			a, b = restA, restB
		case len(x) < len(y) && x == y[:n] && restA != "":
			a, b = restA, b[n:]
		case len(y) < len(x) && y == x[:n] && restB != "":
			a, b = a[n:], restB
		default:
			return false
		}
	}
}

// timeless returns an entry without its time.
func timeless(item any) map[string]any {
	e := make(map[string]any, 8)
	for k, v := range tree.Object(item) {
		if k != "time" {
			e[k] = v
		}
	}
	return e
}

// isReset reports whether a list asks that nobody owns anything: it is there and has no entries, or one that says nothing.
func isReset(v any) bool {
	list, ok := tree.Expand(v).([]any)
	if !ok {
		return false
	}
	switch len(list) {
	case 0:
		return true
	case 1:
		for _, v := range tree.Object(list[0]) {
			// A client that decodes into structs sends one zero entry where it means none, hence empty texts count as nothing.
			if s, ok := v.(string); !ok || strings.TrimSpace(s) != s || s != "" {
				return false
			}
		}
		return true
	}
	return false
}
