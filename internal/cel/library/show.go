package library

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/cel"
)

// Show returns a value as a text that tells all of it, for tests and for people: what it is and what it has. An error begins with
// "error: ".
func Show(v cel.Value) string {
	switch ref := v.Ref().(type) {
	case amount:
		return fmt.Sprintf("quantity %v %d", ref.Float(), ref.Sign())
	case address:
		return "ip " + ref.String()
	case network:
		return "cidr " + ref.String()
	case location:
		return "url " + ref.String()
	case *version:
		return fmt.Sprintf("semver %d.%d.%d %d", ref.major, ref.minor, ref.patch, len(ref.before))
	case *namedFormat:
		return "format " + ref.name
	}
	switch v.Kind() {
	case cel.Error:
		return fmt.Sprintf("error: %v", v.Err())
	case cel.Null:
		return "null"
	case cel.Bool, cel.Int:
		return cel.Convert(v, cel.StringType).Str()
	case cel.Uint:
		return strconv.FormatUint(v.Uint(), 10) + "u"
	case cel.Double:
		return "double " + strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case cel.String:
		return strconv.Quote(v.Str())
	case cel.Bytes:
		return "b" + strconv.Quote(string(v.Bytes()))
	case cel.Timestamp, cel.Duration:
		return v.Type().TypeName() + " " + cel.Convert(v, cel.StringType).Str()
	case cel.List:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = Show(v.At(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case cel.Map, cel.Object:
		var entries []string
		v.Entries(func(key, value cel.Value) bool {
			entries = append(entries, Show(key)+": "+Show(value))
			return true
		})
		slices.Sort(entries)
		return "{" + strings.Join(entries, ", ") + "}"
	}
	if value, ok := v.Optional(); ok {
		return "optional(" + Show(value) + ")"
	} else if v.IsOptional() {
		return "optional.none()"
	}
	return v.Type().TypeName()
}
