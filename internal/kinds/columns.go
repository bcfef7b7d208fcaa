package kinds

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"apichain/internal/tree"
)

// The columns of the Table form: what kinds.txt says of a column, made into a function that
// gives the cell of an object. Most cells are expressions over paths:
//
//	status.phase                  the value at a path as text, "" if there is none
//	spec.clusterIP|<none>         the same, with another text if there is none
//	count(data,binaryData)        how many members the maps and lists at the paths have
//	age(status.last|<none>)       how long ago the time there was, <unknown> if nothing else is said
//	date(...), labels(spec.selector)
//	int(spec.replicas)            the number at a path, 0 or the text if there is none
//	bool(spec.attach|true)        whether it is true there, or what stands instead if nothing is
//	join(spec.cidrs|<none>)       the texts of a list, with commas
//	each(spec.containers,name)    a field of each object of a list, with commas
//	selector(spec.selector)       the label selector there
//	ratio(status.ready,spec.all)  two numbers, 2/3
//	pair(roleRef,kind,name)       two texts of an object, Role/a, "" or the text if there is none
//	cond(Dangling|?)              the status of that condition
//	subjects(User)                the names of the subjects of that kind of a binding
//	modes(spec.accessModes)       access modes of a volume in short, in upstream's order
//
// and the others are functions of cells.go, by name. Expressions are parsed when the table is
// read, so that an error in one is found then, and a request only calls the function.
//
// The texts, <none>, <unknown> and 3d4h, are those of upstream's printers, because scripts
// match them. A cell is computed from an object as it is stored and never fails: a value of a
// wrong type is one that is not there.

// parseColumn reads what follows "col": NAME: TYPE[/FORMAT] [PRIORITY] = CELL -- what it
// shows, or the name of a common column alone.
func parseColumn(text string) (Column, error) {
	head, cell, ok := strings.Cut(text, " = ")
	if !ok {
		for _, c := range commonColumns() {
			if c.Name == text {
				return c, nil
			}
		}
		return Column{}, fmt.Errorf("there is no common column %q", text)
	}
	// The name may have spaces and even parentheses, Port(s); the colon ends it.
	name, typ, _ := strings.Cut(head, ": ")
	c := Column{Name: name}
	cell, c.Description, _ = strings.Cut(cell, " -- ")
	typ, priority, more := strings.Cut(typ, " ")
	c.Type, c.Format, _ = strings.Cut(typ, "/")
	var err error
	// The priority of nearly all columns is 0, and left out.
	if more {
		c.Priority, err = strconv.Atoi(priority)
	}
	if name == "" || c.Type == "" || err != nil {
		return c, fmt.Errorf("the column %q has no name, type or a priority that is no number", head)
	}
	// One cell depends on the whole list.
	if cell == "storageClassName" {
		c.InList, cell = markDefault, "metadata.name"
	}
	c.Cell, err = parseCell(cell)
	return c, err
}

// ListColumns returns the columns of a table of a list of objects, whose cells may depend on all of them.
func ListColumns(columns []Column, objs []map[string]any) []Column {
	columns = slices.Clone(columns)
	for i := range columns {
		if f := columns[i].InList; f != nil {
			columns[i].Cell = f(objs)
		}
	}
	return columns
}

// commonColumns returns the columns that are alike for many kinds.
func commonColumns() []Column {
	created := []string{"metadata", "creationTimestamp"}
	return []Column{
		{Name: "Name", Type: "string", Format: "name", Description: "name of the object", Cell: pathCell([]string{"metadata", "name"}, "")},
		{Name: "Created At", Type: "date", Description: "when the object was created", Cell: dateCell(created)},
		{Name: "Age", Type: "string", Description: "how long ago the object was created", Cell: ageCell(created, "<unknown>")},
	}
}

// ScaleColumns returns the columns of the scales of built-in kinds.
func ScaleColumns() []Column {
	common := commonColumns()
	name, age := common[0], common[2]
	// Upstream does not say that it is a name.
	name.Format = ""
	return []Column{
		name,
		{Name: "Desired", Type: "integer", Description: "how many are wanted", Cell: intCell([]string{"spec", "replicas"}, int64(0))},
		{Name: "Available", Type: "integer", Description: "how many there are", Cell: intCell([]string{"status", "replicas"}, int64(0))},
		age,
	}
}

// defaultColumns returns the columns of a kind that has none, Name and Created At: those of
// upstream's default table convertor.
func defaultColumns() []Column { return commonColumns()[:2] }

// parseCell reads the expression of a cell.
func parseCell(text string) (func(map[string]any) any, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, errors.New("a column has no cell")
	}
	if name, list, ok := strings.Cut(text, "("); ok {
		list, ok = strings.CutSuffix(list, ")")
		list, empty, given := strings.Cut(list, "|")
		var paths [][]string
		for _, p := range strings.Split(list, ",") {
			paths = append(paths, strings.Split(p, "."))
		}
		if f := expression(name, paths, empty, given); ok && f != nil {
			return f, nil
		}
		return nil, fmt.Errorf("%q is no cell", text)
	}
	// Names are looked up first: no object has a top-level field of such a name, and a word
	// that is none is a path of one step.
	if f := namedCell(text); f != nil {
		return f, nil
	}
	// A bar cannot be in the name of a field, so what is behind it is the other text.
	path, empty, _ := strings.Cut(text, "|")
	return pathCell(strings.Split(path, "."), empty), nil
}

// expression returns the cell of an expression with these paths, and with empty behind a bar if one
// is given; nil if there is none of that name that takes as many paths.
func expression(name string, paths [][]string, empty string, given bool) func(map[string]any) any {
	path := paths[0]
	switch {
	case name == "count":
		return countCell(paths)
	case name == "ratio" && len(paths) == 2:
		return ratioCell(path, paths[1])
	case name == "each" && len(paths) == 2:
		return eachCell(path, paths[1][0], empty)
	case name == "pair" && len(paths) == 3:
		return pairCell(path, paths[1][0], paths[2][0], empty)
	case len(paths) != 1:
		return nil
	}
	switch name {
	case "age":
		if !given {
			empty = "<unknown>"
		}
		return ageCell(path, empty)
	case "date":
		return dateCell(path)
	case "labels":
		return labelsCell(path)
	case "int":
		if given {
			return intCell(path, empty)
		}
		return intCell(path, int64(0))
	case "bool":
		return boolCell(path, empty == "true")
	case "join":
		return joinCell(path, empty)
	case "selector":
		return selectorCell(path)
	case "cond":
		return conditionCell(path[0], empty)
	case "subjects":
		return subjectsCell(path[0])
	case "modes":
		return func(obj map[string]any) any { return accessModes(tree.List(obj, path...)) }
	}
	return nil
}

// pathCell returns a cell that shows the value at path, or empty where there is none.
func pathCell(path []string, empty string) func(map[string]any) any {
	return func(obj map[string]any) any {
		if s := cellText(tree.At(obj, path...)); s != "" {
			return s
		}
		return empty
	}
}

// cellText returns a scalar as text, and "" for null and for collections.
func cellText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}

// countCell returns a cell that shows how many members the maps and lists at the paths have
// together.
func countCell(paths [][]string) func(map[string]any) any {
	return func(obj map[string]any) any {
		n := 0
		for _, p := range paths {
			switch v := tree.At(obj, p...).(type) {
			case map[string]any:
				n += len(v)
			case []any:
				n += len(v)
			}
		}
		return int64(n)
	}
}

// ageCell returns a cell that shows how long ago the time at path was, or empty where there is none.
func ageCell(path []string, empty string) func(map[string]any) any {
	return func(obj map[string]any) any {
		v := tree.At(obj, path...)
		if v == nil {
			return empty
		}
		return ageText(v, time.Now())
	}
}

// ageText returns how long before now the time v was, as HumanDuration has it, or <unknown>
// for what is no time and for the zero time.
func ageText(v any, now time.Time) string {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.IsZero() {
		return "<unknown>"
	}
	return HumanDuration(now.Sub(t))
}

// dateCell returns a cell that shows the time at path in UTC. The client computes the age from
// it, so an absent time is shown as the zero one and not as a text.
func dateCell(path []string) func(map[string]any) any {
	return func(obj map[string]any) any {
		t, _ := time.Parse(time.RFC3339, tree.Text(obj, path...))
		return t.UTC().Format(time.RFC3339)
	}
}

// labelsCell returns a cell that shows the map at path as a label selector, keys in order.
func labelsCell(path []string) func(map[string]any) any {
	return func(obj map[string]any) any {
		var pairs []string
		for k, v := range tree.Object(obj, path...) {
			pairs = append(pairs, k+"="+cellText(v))
		}
		slices.Sort(pairs)
		return joinOr(pairs, "<none>")
	}
}

// intCell returns a cell that shows the number at path, or absent where there is none.
func intCell(path []string, absent any) func(map[string]any) any {
	return func(obj map[string]any) any {
		if n, ok := tree.At(obj, path...).(int64); ok {
			return n
		}
		return absent
	}
}

// ratioCell returns a cell that shows the numbers at two paths, 0 for one that is not there.
func ratioCell(part, whole []string) func(map[string]any) any {
	return func(obj map[string]any) any { return ratio(number(obj, part...), number(obj, whole...)) }
}

// ratio returns two numbers as a part of a whole: 2/3.
func ratio(part, whole int64) string {
	return strconv.FormatInt(part, 10) + "/" + strconv.FormatInt(whole, 10)
}

// number returns the integer at path, 0 if there is none.
func number(obj any, path ...string) int64 {
	n, _ := tree.At(obj, path...).(int64)
	return n
}

// pairCell returns a cell that shows two texts of the object at path, or empty where there is none.
func pairCell(path []string, first, second, empty string) func(map[string]any) any {
	return func(obj map[string]any) any {
		if o := tree.Object(obj, path...); o != nil {
			return tree.Text(o, first) + "/" + tree.Text(o, second)
		}
		return empty
	}
}

// conditionCell returns a cell that shows the status of a condition, or empty where there is none.
func conditionCell(typ, empty string) func(map[string]any) any {
	return func(obj map[string]any) any {
		if c := statusCondition(obj, typ); c != nil {
			return tree.Text(c, "status")
		}
		return empty
	}
}

// boolCell returns a cell that shows the boolean at path, or absent where there is none.
func boolCell(path []string, absent bool) func(map[string]any) any {
	return func(obj map[string]any) any {
		if b, ok := tree.At(obj, path...).(bool); ok {
			return b
		}
		return absent
	}
}

// joinCell returns a cell that shows the texts of the list at path, or empty where there are none.
func joinCell(path []string, empty string) func(map[string]any) any {
	return func(obj map[string]any) any { return joinOr(tree.Strings(tree.List(obj, path...)), empty) }
}

// eachCell returns a cell that shows a field of each object of the list at path, or empty where it
// has none.
func eachCell(path []string, field, empty string) func(map[string]any) any {
	return func(obj map[string]any) any {
		var texts []string
		for _, e := range tree.List(obj, path...) {
			texts = append(texts, tree.Text(e, field))
		}
		return joinOr(texts, empty)
	}
}

// selectorCell returns a cell that shows the label selector at path as kubectl takes it, <none> for
// one that is empty, in the order of the keys.
func selectorCell(path []string) func(map[string]any) any {
	return func(obj map[string]any) any {
		type term struct{ key, text string }
		var terms []term
		for k, v := range tree.Object(obj, append(slices.Clip(path), "matchLabels")...) {
			terms = append(terms, term{k, k + "=" + cellText(v)})
		}
		for _, e := range tree.List(obj, append(slices.Clip(path), "matchExpressions")...) {
			key, values := tree.Text(e, "key"), tree.Strings(tree.List(e, "values"))
			slices.Sort(values)
			switch list := strings.Join(values, ","); tree.Text(e, "operator") {
			case "In":
				terms = append(terms, term{key, key + " in (" + list + ")"})
			case "NotIn":
				terms = append(terms, term{key, key + " notin (" + list + ")"})
			case "Exists":
				terms = append(terms, term{key, key})
			case "DoesNotExist":
				terms = append(terms, term{key, "!" + key})
			}
		}
		sort.Slice(terms, func(i, j int) bool {
			return cmp.Or(cmp.Compare(terms[i].key, terms[j].key), cmp.Compare(terms[i].text, terms[j].text)) < 0
		})
		var texts []string
		for _, t := range terms {
			texts = append(texts, t.text)
		}
		return joinOr(texts, "<none>")
	}
}

// joinOr returns the elements with commas between them, or empty where there are none.
//
//go:noinline
func joinOr(list []string, empty string) string {
	if len(list) == 0 {
		return empty
	}
	return strings.Join(list, ",")
}

// HumanDuration returns a duration in at most two units, the finer the shorter it is: 119s,
// 5m30s, 3d4h, 2y10d. These are the steps of kubectl. Clocks differ, so a time up to a second
// ahead is 0s; one further ahead is <invalid>.
func HumanDuration(d time.Duration) string {
	two := func(n int, unit string, rest int, small string) string {
		if rest == 0 {
			return strconv.Itoa(n) + unit
		}
		return strconv.Itoa(n) + unit + strconv.Itoa(rest) + small
	}
	seconds, minutes, hours := int(d/time.Second), int(d/time.Minute), int(d/time.Hour)
	days := hours / 24
	// The second unit is dropped where it would say little about the first: 7h5m but 8h,
	// 7d5h but 8d. A year has 365 days.
	switch {
	case seconds < -1:
		return "<invalid>"
	case seconds < 0:
		return "0s"
	case seconds < 120:
		return strconv.Itoa(seconds) + "s"
	case minutes < 10:
		return two(minutes, "m", seconds%60, "s")
	case minutes < 180:
		return strconv.Itoa(minutes) + "m"
	case hours < 8:
		return two(hours, "h", minutes%60, "m")
	case hours < 48:
		return strconv.Itoa(hours) + "h"
	case days < 8:
		return two(days, "d", hours%24, "h")
	case days < 2*365:
		return strconv.Itoa(days) + "d"
	case days < 8*365:
		return two(days/365, "y", days%365, "d")
	}
	return strconv.Itoa(days/365) + "y"
}
