package managed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/fieldset"
	"apichain/internal/patch"
	"apichain/internal/tree"
)

// parsed reads JSON.
func parsed(t testing.TB, text string) map[string]any {
	t.Helper()
	obj, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return obj
}

// entryText writes an entry; fields and more are JSON.
func entryText(manager, operation, version, at, fields string) string {
	if at != "" {
		at = `,"time":"` + at + `"`
	}
	return `{"apiVersion":"` + version + `","fieldsType":"FieldsV1","fieldsV1":` + fields + `,"manager":"` + manager + `","operation":"` + operation + `"` + at + `}`
}

// masked is a list with NOW in the place of each time of this year and the next.
func masked(v any) string {
	text := string(tree.AppendJSON(nil, v))
	for _, e := range tree.List(v) {
		at := tree.Text(e, "time")
		if when, err := time.Parse(time.RFC3339, at); err == nil && time.Since(when) < time.Hour {
			text = strings.ReplaceAll(text, at, "NOW")
		}
	}
	return text
}

// listOf returns the list of an object.
func listOf(obj map[string]any) any { return tree.At(obj, "metadata", "managedFields") }

// emptyMap is the config map that there is before a create.
func emptyMap() map[string]any { return map[string]any{"metadata": map[string]any{}} }

// writerOf returns a writer of config maps.
func writerOf(manager string) *Writer {
	return &Writer{Manager: manager, Version: "v1", Kind: "ConfigMap", Versions: oneVersion{}, Empty: emptyMap}
}

const old = "2020-01-01T00:00:00Z"

// TestUpdate: who owns what after an update, beginning with which list.
func TestUpdate(t *testing.T) {
	mine := entryText("me", "Update", "v1", old, `{"f:data":{".":{},"f:a":{}}}`)
	for _, tt := range []struct {
		name, live, next, subresource string
		stored, sent                  string // lists; "" for none
		want                          string
	}{
		{name: "create", next: `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"b","labels":{"l":"1"}},"data":{"a":"1"}}`,
			want: `[` + entryText("me", "Update", "v1", "NOW", `{"f:data":{".":{},"f:a":{}},"f:metadata":{"f:labels":{".":{},"f:l":{}}}}`) + `]`},
		{name: "create of nothing", next: `{"metadata":{"name":"a"}}`, want: `null`},
		{name: "create with a list", next: `{"metadata":{"name":"a"},"data":{"b":"1"}}`, sent: `[` + entryText("you", "Update", "v1", old, `{"f:data":{"f:a":{}}}`) + `]`,
			want: `[` + entryText("you", "Update", "v1", old, `{"f:data":{"f:a":{}}}`) + `,` + entryText("me", "Update", "v1", "NOW", `{"f:data":{".":{},"f:b":{}}}`) + `]`},
		{name: "no change", live: `{"data":{"a":"1"}}`, next: `{"data":{"a":"1"}}`, stored: `[` + mine + `]`, want: `[` + mine + `]`},
		{name: "another one changes", live: `{"data":{"a":"1"}}`, next: `{"data":{"a":"2"}}`, stored: `[` + entryText("you", "Update", "v1", old, `{"f:data":{".":{},"f:a":{}}}`) + `]`,
			want: `[` + entryText("you", "Update", "v1", old, `{"f:data":{}}`) + `,` + entryText("me", "Update", "v1", "NOW", `{"f:data":{"f:a":{}}}`) + `]`},
		{name: "once more", live: `{"data":{"a":"1"}}`, next: `{"data":{"a":"1","b":"1"}}`, stored: `[` + mine + `]`,
			want: `[` + entryText("me", "Update", "v1", "NOW", `{"f:data":{".":{},"f:a":{},"f:b":{}}}`) + `]`},
		{name: "all removed", live: `{"data":{"a":"1"}}`, next: `{}`, stored: `[` + mine + `]`, want: `null`},
		{name: "nobody owns", live: `{"data":{"a":"1"}}`, next: `{"data":{"a":"2"}}`, want: `null`},
		{name: "reset", live: `{"data":{"a":"1"}}`, next: `{"data":{"a":"2"}}`, stored: `[` + mine + `]`, sent: `[]`, want: `null`},
		{name: "reset by an empty entry", live: `{"data":{"a":"1"}}`, next: `{"data":{"a":"2"}}`, stored: `[` + mine + `]`, sent: `[{}]`, want: `null`},
		{name: "a bad list", live: `{"data":{"a":"1"}}`, next: `{"data":{"a":"1"}}`, stored: `[` + mine + `]`, sent: `[{"manager":"x"}]`, want: `[` + mine + `]`},
		{name: "a list below a subresource", live: `{"data":{"a":"1"}}`, next: `{"data":{"a":"1"}}`, subresource: "status", stored: `[` + mine + `]`, sent: `[]`, want: `[` + mine + `]`},
		{name: "what is stored cannot be read", live: `{"data":{"a":"1"}}`, next: `{"data":{"a":"2"}}`, stored: `[{"manager":"x"}]`, want: `null`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var live map[string]any
			if tt.live != "" {
				live = parsed(t, tt.live)
				tree.Set(live, "u", "metadata", "uid")
				if tt.stored != "" {
					tree.Set(live, tree.Raw(tt.stored), "metadata", "managedFields")
				}
			}
			next := parsed(t, tt.next)
			if live != nil {
				tree.Set(next, "u", "metadata", "uid")
			}
			if tt.sent != "" {
				list, _, _ := tree.ParseJSON([]byte(tt.sent))
				tree.Set(next, list, "metadata", "managedFields")
			}
			w := writerOf("me")
			w.Subresource = tt.subresource
			before := string(tree.AppendJSON(nil, live))
			w.Update(live, next)
			if got := masked(listOf(next)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			if got := string(tree.AppendJSON(nil, live)); live != nil && got != before {
				t.Errorf("the old object has become %s", got)
			}
		})
	}
}

// TestApply: what becomes of an object to which something is applied, and how it is refused.
func TestApply(t *testing.T) {
	config := `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"a":"2"}}`
	yours := `[` + entryText("you", "Update", "v1", old, `{"f:data":{".":{},"f:a":{}}}`) + `]`
	mine := entryText("me", "Apply", "v1", old, `{"f:data":{".":{},"f:a":{}}}`)
	for _, tt := range []struct {
		name, manager, live, stored, config string
		force                               bool
		data, want, err                     string
	}{
		{name: "create", config: config, data: `{"a":"2"}`, want: `[` + entryText("me", "Apply", "v1", "NOW", `{"f:data":{".":{},"f:a":{}}}`) + `]`},
		{name: "conflict", live: `{"data":{"a":"1"}}`, stored: yours, config: config, err: `Apply failed with 1 conflict: conflict with "you" using v1: .data.a`},
		{name: "force", live: `{"data":{"a":"1"}}`, stored: yours, config: config, force: true, data: `{"a":"2"}`,
			want: `[` + entryText("me", "Apply", "v1", "NOW", `{"f:data":{".":{},"f:a":{}}}`) + `,` + entryText("you", "Update", "v1", old, `{"f:data":{}}`) + `]`},
		{name: "the same of two", live: `{"data":{"a":"2"}}`, stored: yours, config: config, data: `{"a":"2"}`,
			want: `[` + entryText("me", "Apply", "v1", "", `{"f:data":{".":{},"f:a":{}}}`) + `,` + entryText("you", "Update", "v1", old, `{"f:data":{".":{},"f:a":{}}}`) + `]`},
		{name: "again", live: `{"data":{"a":"2"}}`, stored: `[` + mine + `]`, config: config, data: `{"a":"2"}`, want: `[` + mine + `]`},
		{name: "less", live: `{"data":{"a":"2","b":"1"}}`, stored: `[` + entryText("me", "Apply", "v1", old, `{"f:data":{".":{},"f:a":{},"f:b":{}}}`) + `]`, config: config,
			data: `{"a":"2"}`, want: `[` + entryText("me", "Apply", "v1", "NOW", `{"f:data":{".":{},"f:a":{}}}`) + `]`},
		{name: "before", live: `{"data":{"a":"2","b":"1"}}`, config: config, data: `{"a":"2","b":"1"}`,
			want: `[` + entryText("me", "Apply", "v1", "", `{"f:data":{".":{},"f:a":{}}}`) + `,` + entryText("before-first-apply", "Update", "v1", "NOW", `{"f:data":{".":{},"f:a":{},"f:b":{}}}`) + `]`},
		{name: "before, a conflict", live: `{"data":{"a":"1"}}`, config: config, err: `Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a`},
		{name: "another version", config: strings.Replace(config, `"v1"`, `"apps/v1"`, 1), err: `invalid object type: apps/v1, Kind=ConfigMap`},
		{name: "no version at all", config: strings.Replace(config, `"v1"`, `"a/b/c"`, 1), err: `invalid object type: /, Kind=`},
		{name: "no kind", config: `{}`, err: `invalid object type: /, Kind=`},
		{name: "a list", config: strings.Replace(config, `"name":"a"`, `"managedFields":[]`, 1), err: `metadata.managedFields must be nil`},
		{name: "a bad list is stored", live: `{}`, stored: `[{"operation":"x"}]`, config: config, err: "failed to decode managed fields: operation must be `Apply` or `Update`"},
		{name: "kubectl goes over", manager: "kubectl", config: config, force: false, stored: yours,
			live: `{"data":{"a":"1"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\"}}"}}}`,
			data: `{"a":"2"}`, want: `[` + entryText("kubectl", "Apply", "v1", "NOW", `{"f:data":{".":{},"f:a":{}}}`) + `,` + entryText("you", "Update", "v1", old, `{"f:data":{}}`) + `]`},
		{name: "kubectl, of what it has not noted", manager: "kubectl", config: config, stored: yours,
			live: `{"data":{"a":"1"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"data\":{\"a\":\"7\"}}"}}}`,
			err:  `Apply failed with 1 conflict: conflict with "you" using v1: .data.a`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var live map[string]any
			if tt.live != "" {
				live = parsed(t, tt.live)
				tree.Set(live, "u", "metadata", "uid")
				tree.Set(live, "a", "metadata", "name")
				live["kind"], live["apiVersion"] = "ConfigMap", "v1"
				if tt.stored != "" {
					tree.Set(live, tree.Raw(tt.stored), "metadata", "managedFields")
				}
			}
			manager := tt.manager
			if manager == "" {
				manager = "me"
			}
			before := string(tree.AppendJSON(nil, live))
			next, err := writerOf(manager).Apply(live, parsed(t, tt.config), tt.force)
			if tt.err != "" || err != nil {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("\n got %v\nwant %s", err, tt.err)
				}
				return
			}
			if got := string(tree.AppendJSON(nil, next["data"])); got != tt.data {
				t.Errorf("data %s, want %s", got, tt.data)
			}
			if got := masked(listOf(next)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			if got := string(tree.AppendJSON(nil, live)); live != nil && got != before {
				t.Errorf("the old object has become %s", got)
			}
			noted := tree.Text(next, "metadata", "annotations", lastApplied)
			if want := tt.config + "\n"; manager == kubectl && !tree.Equal(parsed(t, noted), parsed(t, want)) {
				t.Errorf("kubectl has noted %q", noted)
			}
		})
	}
}

// TestConflicts: several conflicts are told by manager.
func TestConflicts(t *testing.T) {
	live := parsed(t, `{"data":{"a":"1","b":"1"},"metadata":{"uid":"u"}}`)
	tree.Set(live, tree.Raw(`[`+entryText("z", "Apply", "v1", old, `{"f:data":{"f:a":{}}}`)+`,`+entryText("a", "Update", "v1", old, `{"f:data":{"f:a":{},"f:b":{}}}`)+
		`,{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:b":{}}},"manager":"a","operation":"Update","subresource":"status"}]`), "metadata", "managedFields")
	_, err := writerOf("me").Apply(live, parsed(t, `{"kind":"ConfigMap","apiVersion":"v1","data":{"a":"2","b":"2"}}`), false)
	want := "Apply failed with 4 conflicts: conflicts with \"a\" with subresource \"status\" using v1:\n- .data.b\nconflicts with \"a\" using v1:\n- .data.a\n- .data.b\nconflicts with \"z\":\n- .data.a"
	if err == nil || err.Error() != want {
		t.Fatalf("\n got %v\nwant %s", err, want)
	}
	if c := err.(*Conflict).Causes[3]; c != (Cause{`conflict with "z"`, ".data.a"}) {
		t.Errorf("the last cause is %v", c)
	}
}

// TestOrder: who applies comes first, then the oldest, then by name.
func TestOrder(t *testing.T) {
	want := []string{
		entryText("z", "Apply", "v1", "", `{"f:a":{}}`), entryText("b", "Apply", "v1", old, `{"f:a":{}}`), entryText("c", "Apply", "v1", old, `{"f:a":{}}`),
		entryText("b", "Update", "v1", "2019-01-01T00:00:00Z", `{"f:a":{}}`), entryText("a", "Update", "v1", old, `{"f:a":{}}`), entryText("a", "Update", "v2", old, `{"f:a":{}}`),
	}
	shuffled := slices.Clone(want)
	slices.Reverse(shuffled)
	entries, err := read(tree.Raw(`[` + strings.Join(shuffled, ",") + `]`))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(write(entries, false).(tree.Raw)); got != `[`+strings.Join(want, ",")+`]` {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// TestCapped: upstream's cases, with ten in the place of its three by seven more that are younger.
func TestCapped(t *testing.T) {
	hour := func(n int) string {
		return time.Date(2020, 1, 1, n, 0, 0, 0, time.UTC).Format(time.RFC3339)
	}
	list := func(words string) []string {
		var out []string
		for _, w := range strings.Fields(words) {
			part := strings.Split(w, "/") // name/version/hour/fields
			var n int
			_, _ = fmt.Sscan(part[2], &n)
			var fields []string
			for _, f := range strings.Split(part[3], "") {
				fields = append(fields, `"f:`+f+`":{}`)
			}
			out = append(out, entryText(part[0], "Update", part[1], hour(n), `{`+strings.Join(fields, ",")+`}`))
		}
		for i := range 7 {
			out = append(out, entryText("young", "Update", fmt.Sprint("y", i), hour(20), `{"f:y":{}}`))
		}
		return out
	}
	for _, tt := range []struct{ name, in, want string }{
		{"few", "m1/v1/1/a m2/v1/2/b m3/v1/3/c", "m1/v1/1/a m2/v1/2/b m3/v1/3/c"},
		{"one version", "m1/v1/1/a m2/v1/2/b m3/v1/3/c m4/v1/4/d", "ancient-changes/v1/2/ab m3/v1/3/c m4/v1/4/d"},
		{"one version, and ancient", "ancient-changes/v1/2/ab m3/v1/3/c m4/v1/4/d m5/v1/5/e", "ancient-changes/v1/3/abc m4/v1/4/d m5/v1/5/e"},
		{"two versions", "m1/v1/1/a m2/v2/2/b m3/v1/3/c m4/v1/4/d m5/v1/5/e", "m2/v2/2/b ancient-changes/v1/4/acd m5/v1/5/e"},
		{"three versions", "m2/v2/2/b ancient-changes/v1/4/acd m5/v1/5/e m6/v3/6/f m7/v2/7/g", "ancient-changes/v1/5/acde m6/v3/6/f ancient-changes/v2/7/bg"},
		{"two ancient", "ancient-changes/v1/5/acde m6/v3/6/f ancient-changes/v2/7/bg m8/v3/8/h", "ancient-changes/v1/5/acde ancient-changes/v2/7/bg ancient-changes/v3/8/fh"},
		{"nothing to merge", "ancient-changes/v1/5/acde m6/v3/6/f ancient-changes/v2/7/bg m8/v4/8/h", "ancient-changes/v1/5/acde m6/v3/6/f ancient-changes/v2/7/bg m8/v4/8/h"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			entries, err := read(tree.Raw(`[` + strings.Join(list(tt.in), ",") + `]`))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := string(write(capped(entries), false).(tree.Raw)), `[`+strings.Join(list(tt.want), ",")+`]`; got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// TestRead: what is no list of owners, and why.
func TestRead(t *testing.T) {
	for list, want := range map[string]string{
		`[{}]`:                     "operation must be `Apply` or `Update`",
		`[{"operation":"Update"}]`: "apiVersion must not be empty",
		`[{"operation":"Update","apiVersion":"v1"}]`:                        "missing fieldsType in managed fields entry 0",
		`[{"operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV2"}]`: `invalid fieldsType "FieldsV2" in managed fields entry 0`,
		`[{"operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1"}]`: "<nil>",
		`[]`: "<nil>",
	} {
		v, _, _ := tree.ParseJSON([]byte(list))
		for _, form := range []any{v, tree.Raw(list)} {
			if _, err := read(form); fmt.Sprint(err) != want {
				t.Errorf("%s: %v, want %s", list, err, want)
			}
		}
	}
	v, _, _ := tree.ParseJSON([]byte(`[{"operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"x":{}}}]`))
	if _, err := read(v); err == nil || !strings.HasPrefix(err.Error(), "error decoding versioned set from ") {
		t.Errorf("a set that is none: %v", err)
	}
	// Of two that are the same the last one counts.
	twice := `[` + entryText("a", "Update", "v1", old, `{"f:a":{}}`) + `,` + entryText("b", "Update", "v1", old, `{"f:a":{}}`) + `,` + entryText("a", "Update", "v1", "", `{"f:b":{}}`) + `]`
	entries, _ := read(tree.Raw(twice))
	if len(entries) != 2 || entries[1].manager != "a" || !entries[1].set.Has(fieldset.Fields("b")) {
		t.Errorf("twice: %v", entries)
	}
}

// TestSameButTimes: lists that differ in nothing but times are found, as texts and as trees.
func TestSameButTimes(t *testing.T) {
	one := func(at string) string { return entryText("a", "Update", "v1", at, `{"f:a":{}}`) }
	two := func(at string) string {
		return entryText("b", "Update", "v1", at, `{"f:time":{},"k:{\"time\":\"x\"}":{}}`)
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{`[` + one(old) + `]`, `[` + one(old) + `]`, false},
		{`[` + one(old) + `]`, `[` + one("2021-01-01T00:00:00Z") + `]`, true},
		{`[` + one(old) + `]`, `[` + one("") + `]`, true},
		{`[` + one("") + `,` + two(old) + `]`, `[` + one(old) + `,` + two("") + `]`, true},
		{`[` + one(old) + `,` + two(old) + `]`, `[` + one("2021-01-01T00:00:00Z") + `,` + two("2022-01-01T00:00:00Z") + `]`, true},
		{`[` + one(old) + `,` + two(old) + `]`, `[` + two("2021-01-01T00:00:00Z") + `,` + one(old) + `]`, false},
		{`[` + one(old) + `]`, `[` + two(old) + `]`, false},
		{`[` + one(old) + `]`, `[` + one(old) + `,` + two(old) + `]`, false},
		{`[]`, `[` + one(old) + `]`, false},
	} {
		a, _, _ := tree.ParseJSON([]byte(tt.a))
		b, _, _ := tree.ParseJSON([]byte(tt.b))
		for _, form := range [][2]any{{a, b}, {tree.Raw(tt.a), tree.Raw(tt.b)}, {a, tree.Raw(tt.b)}, {tree.Raw(tt.b), tree.Raw(tt.a)}} {
			if got := SameButTimes(form[0], form[1]); got != tt.want {
				t.Errorf("%T %s\n%T %s: %v", form[0], tt.a, form[1], tt.b, got)
			}
		}
	}
}

// TestScale: owners of replicas go to the Scale and come back.
func TestScale(t *testing.T) {
	paths := ScalePaths{"apps/v1": {"spec", "replicas"}, "apps/v0": nil}
	parent := tree.Raw(`[` + entryText("k", "Apply", "apps/v1", old, `{"f:spec":{"f:replicas":{},"f:x":{}}}`) + `,` + entryText("u", "Update", "apps/v1", old, `{"f:spec":{"f:replicas":{}}}`) +
		`,` + entryText("v", "Update", "apps/v0", old, `{"f:spec":{"f:y":{}}}`) + `,` + entryText("gone", "Update", "apps/v7", old, `{"f:spec":{"f:y":{}}}`) + `]`)
	scale, err := paths.ToScale(parent)
	want := `[` + entryText("k", "Apply", "autoscaling/v1", old, `{"f:spec":{"f:replicas":{}}}`) + `,` + entryText("u", "Update", "autoscaling/v1", old, `{"f:spec":{"f:replicas":{}}}`) + `]`
	if got := fmt.Sprint(scale); err != nil || got != want {
		t.Fatalf("%v\n got %s\nwant %s", err, got, want)
	}
	// Another manager has taken it.
	taken := tree.Raw(`[{"apiVersion":"autoscaling/v1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:replicas":{}}},"manager":"h","operation":"Update","subresource":"scale","time":"` + old + `"}]`)
	back, err := paths.FromScale(parent, taken, "apps/v1")
	want = `[` + entryText("k", "Apply", "apps/v1", old, `{"f:spec":{"f:x":{}}}`) +
		`,{"apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:replicas":{}}},"manager":"h","operation":"Update","subresource":"scale"},` +
		entryText("v", "Update", "apps/v0", old, `{"f:spec":{"f:y":{}}}`) + `]`
	if got := fmt.Sprint(back); err != nil || got != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	// Who updates has one entry more then, without a time, which is the one that the next write loses; who applies keeps the time.
	u := entryText("u", "Update", "apps/v1", old, `{"f:spec":{"f:replicas":{},"f:x":{}}}`)
	taken = tree.Raw(`[` + entryText("k", "Apply", "autoscaling/v1", old, `{"f:spec":{"f:replicas":{}}}`) + `,` +
		entryText("u", "Update", "autoscaling/v1", old, `{"f:spec":{"f:replicas":{}}}`) + `]`)
	back, err = paths.FromScale(tree.Raw(`[`+entryText("k", "Apply", "apps/v1", "2020-01-02T00:00:00Z", `{"f:spec":{"f:x":{}}}`)+`,`+u+`]`), taken, "apps/v1")
	want = `[` + entryText("k", "Apply", "apps/v1", "2020-01-02T00:00:00Z", `{"f:spec":{"f:replicas":{}}}`) + `,` +
		entryText("u", "Update", "apps/v1", "", `{"f:spec":{"f:replicas":{}}}`) + `,` + entryText("u", "Update", "apps/v1", old, `{"f:spec":{"f:x":{}}}`) + `]`
	if got := fmt.Sprint(back); err != nil || got != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	if _, err := paths.ToScale(tree.Raw(`[{}]`)); err == nil {
		t.Error("a bad list is shown")
	}
	if _, err := paths.FromScale(parent, tree.Raw(`[{}]`), "apps/v1"); err == nil {
		t.Error("a bad list is taken")
	}
}

// TestReorder: what a write of the Scale has left in the order of texts comes into that of elements with the next write, even if it is
// about something else.
func TestReorder(t *testing.T) {
	const byText, byElement = `{"f:data":{"k:{\"p\":443}":{},"k:{\"p\":80}":{}}}`, `{"f:data":{"k:{\"p\":80}":{},"k:{\"p\":443}":{}}}`
	entries, ok := scan(nil, `[`+entryText("a", "Apply", "v1", old, byText)+`,`+entryText("b", "Apply", "v1", old, byElement)+`]`)
	if !ok || entries[0].text != "" || entries[1].text == "" {
		t.Fatalf("%v %v", ok, entries)
	}
	want := `[` + entryText("a", "Apply", "v1", old, byElement) + `,` + entryText("b", "Apply", "v1", old, byElement) + `]`
	if got := fmt.Sprint(write(entries, false)); got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
}

// FuzzScan: what is taken apart as text is what the reader of trees makes of it.
func FuzzScan(f *testing.F) {
	f.Add(`[` + entryText("a", "Update", "v1", old, `{"f:a":{".":{},"k:{\"b\":\"}\"}":{}}}`) + `]`)
	f.Add(`[{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{},"manager":"\"","operation":"Apply"}]`)
	f.Add(`[` + entryText("a\x90", "Update", "v1", "2\x90", `{"f:\x90":{}}`) + `]`)
	f.Fuzz(func(t *testing.T, text string) {
		entries, ok := scan(nil, text)
		if !ok {
			return
		}
		v, _, err := tree.ParseJSON([]byte(text))
		if err != nil {
			return // it is written here, and so JSON
		}
		want, err := read(v)
		if got := unique(entries); err != nil || len(got) != len(want) {
			t.Fatalf("%s: %d entries, as a tree %d, %v", text, len(got), len(want), err)
		}
		for i, e := range unique(entries) {
			if e.id != want[i].id || e.time != want[i].time || !e.set.Equal(want[i].set) {
				t.Fatalf("%s: %v, want %v", text, e, want[i])
			}
		}
	})
}

// FuzzWriter: whatever is stored, sent and applied, the list that comes out is the stored one or read again as it was
// written, the object that was there stays as it is, and who applies the same again is in nobody's way.
func FuzzWriter(f *testing.F) {
	mine, yours := entryText("me", "Update", "v1", old, `{"f:data":{".":{},"f:a":{}}}`), entryText("you", "Apply", "v1", "", `{"f:data":{"f:b":{}}}`)
	const config = `{"kind":"ConfigMap","apiVersion":"v1","data":{"a":"2"}}`
	f.Add(`[`+mine+`]`, `[]`, `{"data":{"a":"1"},"metadata":{"uid":"u"}}`, config)
	f.Add(`[`+mine+`,`+yours+`]`, `[`+yours+`,`+mine+`]`, `{"data":{"a":"1","b":"1"},"metadata":{"uid":"u"}}`, config)
	f.Add(`[{"operation":"x"}]`, `[{}]`, `{"metadata":{"uid":"u"}}`, `{}`)
	f.Add(`[`+strings.ReplaceAll(mine, `"me"`, `"m\\e"`)+`]`, `null`,
		`{"data":{"a":"1"},"metadata":{"annotations":{"`+lastApplied+`":"{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\"}}"}}}`, config)
	f.Fuzz(func(t *testing.T, stored, sent, object, body string) {
		list, _, err := tree.ParseJSON([]byte(stored))
		given, _, errSent := tree.ParseJSON([]byte(sent))
		live, _, errLive := tree.ParseJSONObject([]byte(object))
		applied, _, errBody := tree.ParseJSONObject([]byte(body))
		_, isList := list.([]any)
		if err != nil || errSent != nil || errLive != nil || errBody != nil || !isList {
			return
		}
		had := tree.Raw(tree.AppendJSON(nil, list))
		put(live, had)
		before := string(tree.AppendJSON(nil, live))
		written := func(what string, next map[string]any) {
			if after := string(tree.AppendJSON(nil, live)); after != before {
				t.Fatalf("%s: %s has become %s", what, before, after)
			}
			v := tree.At(next, "metadata", "managedFields")
			if v == nil || v == any(had) {
				return
			}
			texts, err := read(v)
			trees, errTrees := read(tree.Expand(v))
			if err != nil || errTrees != nil || textOf(write(texts, false)) != textOf(v) || len(texts) != len(trees) {
				t.Errorf("%s: %v is read as %v and %v: %v %v", what, v, texts, trees, err, errTrees)
			}
		}
		for _, manager := range []string{"me", kubectl} {
			w := writerOf(manager)
			next := tree.Copy(applied).(map[string]any)
			put(next, given)
			w.Update(live, next)
			written("update", next)
			for _, force := range []bool{false, true} {
				if next, err := w.Apply(live, applied, force); err == nil {
					written("apply", next)
					// What kubectl notes may be in what it applies.
					if _, err := w.Apply(next, applied, false); err != nil && manager != kubectl {
						t.Errorf("%s on %s; the same again: %v", body, before, err)
					}
				}
			}
		}
	})
}

// TestAgain: what is counted in short is what is counted in full, whoever owns what and changes what.
func TestAgain(t *testing.T) {
	short := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 15))
		object := func() map[string]any {
			data := map[string]any{}
			for _, name := range []string{"a", "b", "c"} {
				if r.IntN(4) > 0 {
					data[name] = fmt.Sprint(r.IntN(2))
				}
			}
			return map[string]any{"metadata": map[string]any{"name": "x"}, "data": data}
		}
		var list []string
		for _, manager := range []string{"me", "you"} {
			var fields []string
			for _, name := range []string{".", "f:a", "f:b", "f:c"} {
				if r.IntN(2) == 0 {
					fields = append(fields, `"`+name+`":{}`)
				}
			}
			version, operation := []string{"v1", "v1", "v1", "v2"}[r.IntN(4)], []string{"Update", "Update", "Apply"}[r.IntN(3)]
			if len(fields) > 0 {
				list = append(list, entryText(manager, operation, version, old, `{"f:data":{`+strings.Join(fields, ",")+`}}`))
			}
		}
		entriesOf := func() []entry {
			entries, err := read(parsed(t, `{"l":[`+strings.Join(list, ",")+`]}`)["l"])
			if err != nil {
				t.Fatal(err)
			}
			return entries
		}
		w, live, next := writerOf("me"), object(), object()
		if r.IntN(2) == 0 {
			next = tree.Copy(live).(map[string]any)
			tree.Set(next, "2", "data", "a")
		}
		got := entriesOf()
		if !w.again(live, next, got, "me") {
			continue
		}
		short++
		want, err := w.count(live, next, entriesOf(), "me")
		if err != nil || masked(parsed(t, `{"l":`+textOf(write(got, false))+`}`)["l"]) != masked(parsed(t, `{"l":`+textOf(write(want, false))+`}`)["l"]) {
			t.Fatalf("seed %d: %v to %v with %s is\n%s, want\n%s %v", seed, live, next, list, write(got, false), write(want, false), err)
		}
	}
	if short < 100 {
		t.Errorf("%d of 2000 were counted in short", short)
	}
}

// textOf returns a list as text.
func textOf(list any) string { return string(tree.AppendJSON(nil, list)) }

// TestManyEntries: of many entries each manager counts once, by its last one, and those of updates become few, which own all of it.
func TestManyEntries(t *testing.T) {
	var b strings.Builder
	const n = 3000
	for i := range n {
		fmt.Fprintf(&b, ",%s", entryText(fmt.Sprint("m", i%(n/3)), "Update", fmt.Sprint("v", i%2), old, fmt.Sprintf(`{"f:x%d":{}}`, i)))
	}
	entries, err := read(tree.Raw("[" + b.String()[1:] + "]"))
	if err != nil || len(entries) != n/3 || entries[0].manager != "m0" || !entries[0].set.Has(fieldset.Fields(fmt.Sprint("x", n-n/3))) {
		t.Fatal(len(entries), err)
	}
	entries = capped(entries)
	owned := 0
	for _, e := range entries {
		owned += e.set.Len()
	}
	if len(entries) != maxUpdaters || owned != n/3 {
		t.Errorf("%d entries own %d fields", len(entries), owned)
	}
}

// TestLongConflict: a long name that is in each of many conflicts is told as often as there is room for, and all are counted.
func TestLongConflict(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	var paths []fieldset.Path
	for i := range 1000 {
		paths = append(paths, fieldset.Fields(long, fmt.Sprint(i)))
	}
	c := conflict([]patch.Conflict{{Manager: `{"manager":"a"}`, Set: fieldset.New(paths...)}, {Manager: `{"manager":"b"}`, Set: fieldset.New(paths[0])}})
	if !strings.HasPrefix(c.Message, "Apply failed with 1001 conflicts: conflicts with \"a\":\n- ."+long+".0\n") ||
		len(c.Message) > mostText+2*len(long) || len(c.Causes) < 100 {
		t.Errorf("%d causes, %d bytes", len(c.Causes), len(c.Message))
	}
}

// TestNoVersion: what is no version is told as nothing.
func TestNoVersion(t *testing.T) {
	_, err := writerOf("me").Apply(nil, parsed(t, `{"kind":"ConfigMap","apiVersion":"a/b/c"}`), false)
	if err != Refusal("invalid object type: /, Kind=") {
		t.Error(err)
	}
}
