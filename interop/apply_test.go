package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	smdschema "sigs.k8s.io/structured-merge-diff/v6/schema"
	smd "sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/yaml"

	"apichain/internal/fieldset"
	"apichain/internal/fieldset/fieldsettest"
	"apichain/internal/patch"
	"apichain/internal/tree"
)

// Apply is compared with structured-merge-diff, which is what kube-apiserver applies with. Random managers apply, force and
// update a random object of a random schema in two versions, in the second of which fields c and d have each
// other's names. Now and then a version is not served any more, or a schema has become atomic or granular. After each step
// both must have the same object, owners and conflicts, or the same error.
//
// Where managers have several versions, upstream converts in the order of a Go map, and what it prunes depends on that
// where conversions lose something. Ours lose nothing. Of what is wrong in several places of an object
// upstream tells by chance, so texts are compared where there is one.

// smdState is what both have after some steps.
type smdState struct {
	smdWriter
	t       *testing.T
	schemas map[string]map[string]any
	ours    map[string]fieldset.Schema
	theirs  map[string]smd.ParseableType
	version map[*smdschema.Schema]string
	exclude map[string]fieldset.Set
	live    any // in version at
	at      string
	owners  patch.Owners
	managed fieldpath.ManagedFields
	configs map[string]any // what a manager applied last, in v1
	log     []string
	counts  map[string]int
}

// use takes schema as that of v1, and one with other names as that of v2. It reports whether the live object fits.
func (s *smdState) use(schema map[string]any) bool {
	before := *s
	s.schemas, s.ours = map[string]map[string]any{}, map[string]fieldset.Schema{}
	s.theirs, s.version = map[string]smd.ParseableType{}, map[*smdschema.Schema]string{}
	for version, schema := range map[string]map[string]any{"v1": schema, "v2": renamedSchema(schema)} {
		if before.schemas != nil && before.schemas[version] == nil {
			continue
		}
		text, err := yaml.Marshal(schema)
		if err != nil {
			s.t.Fatal(err)
		}
		parser, err := smd.NewParser(smd.YAMLObject(text))
		if err != nil {
			s.t.Fatalf("%v\n%s", err, text)
		}
		s.schemas[version], s.theirs[version] = schema, parser.Type("t0")
		s.version[&parser.Schema] = version
		if s.ours[version], err = fieldsettest.Schema(schema, "t0"); err != nil {
			s.t.Fatal(err)
		}
	}
	if _, err := s.theirs[s.at].FromUnstructured(s.live, smd.AllowDuplicates); err != nil {
		*s = before
		return false
	}
	return true
}

// swapped returns the name that a field has in the other version.
func swapped(name string) string {
	switch name {
	case "c":
		return "d"
	case "d":
		return "c"
	}
	return name
}

// renamed returns an object in the other version.
func renamed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[swapped(k)] = renamed(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = renamed(v[i])
		}
		return out
	}
	return v
}

// renamedSchema returns a schema with the names of the other version.
func renamedSchema(v map[string]any) map[string]any {
	out := tree.Copy(v).(map[string]any)
	for _, t := range tree.List(out, "types") {
		for _, f := range tree.List(t, "map", "fields") {
			tree.Object(f)["name"] = swapped(tree.Text(f, "name"))
		}
	}
	return out
}

// Convert and IsMissingVersionError make it upstream's converter.
func (s *smdState) Convert(o *smd.TypedValue, to fieldpath.APIVersion) (*smd.TypedValue, error) {
	t, ok := s.theirs[string(to)]
	if !ok {
		return nil, errGone
	}
	from := s.version[o.Schema()]
	if from == string(to) {
		return o, nil
	}
	return t.FromUnstructured(renamed(o.AsValue().Unstructured()))
}

var errGone = errors.New("gone")

func (s *smdState) IsMissingVersionError(err error) bool { return err == errGone }

// ourVersions are the same versions for us.
type ourVersions struct{ *smdState }

func (s ourVersions) Schema(version string) (fieldset.Schema, bool) {
	schema, ok := s.ours[version]
	return schema, ok
}

func (s ourVersions) Convert(o map[string]any, _, _ string) (map[string]any, error) {
	return renamed(o).(map[string]any), nil
}

func (s ourVersions) Reset(version string) *fieldset.Filter {
	if set := s.exclude[version]; !set.IsEmpty() {
		return fieldset.Exclude(set)
	}
	return nil
}

// asFloats returns v with its numbers as upstream has those of what is applied.
func asFloats(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = asFloats(v[k])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = asFloats(v[i])
		}
		return out
	}
	return v
}

// plain returns an object as text, in which the empty one and none are the same.
func plain(v any) string {
	if m, ok := v.(map[string]any); v == nil || ok && len(m) == 0 {
		return "null"
	}
	text, err := json.Marshal(asFloats(v))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// integers writes the large ones as messages show numbers of keys: where one is the default of a key upstream shows the
// digits.
var integers = strings.NewReplacer("1099511627776", "1.099511627776e+12", "123456789", "1.23456789e+08", "1000000", "1e+06")

// outcome is what a step came to, as text.
func (s *smdState) outcome(object any, err error, owners map[string]string) string {
	var b strings.Builder
	if err != nil {
		text := integers.Replace(err.Error())
		if strings.Contains(text, "errors:\n") {
			text = "several errors"
		}
		return "error " + text
	}
	fmt.Fprintf(&b, "object %s\n", plain(object))
	for _, name := range slices.Sorted(maps.Keys(owners)) {
		fmt.Fprintf(&b, "owner %s %s\n", name, owners[name])
	}
	return b.String()
}

// step has a manager do something, and reports whether it was done.
func (s *smdState) step(fail func(got, want string)) bool {
	version := s.one("v1", "v2")
	if s.theirs[version].Schema == nil {
		return false
	}
	live := s.live
	if version != s.at {
		live = renamed(live)
	}
	manager, op := s.one("m1", "m2", "m3"), s.one("apply", "apply", "force", "update")
	var object any
	switch {
	case op == "update":
		object = s.changed(live, s.ours[version], 6)
	case s.configs[manager] != nil && s.IntN(4) > 0:
		if object = s.configs[manager]; version == "v2" {
			object = renamed(object)
		}
		if s.IntN(3) > 0 {
			object = s.changed(object, s.ours[version], 6)
		}
	case s.IntN(2) == 0:
		object = s.changed(live, s.ours[version], 6)
	default:
		object = s.value(s.ours[version], 6)
	}
	config, ok := object.(map[string]any)
	if !ok {
		return false
	}
	was, _ := live.(map[string]any)
	s.log = append(s.log, fmt.Sprintf("%s %s %s %s", op, manager, version, tree.AppendJSON(nil, object)))
	var merged map[string]any
	var owners patch.Owners
	var err error
	if op == "update" {
		merged = config
		if err = patch.Validate(config, s.ours[version], true); err == nil {
			owners, err = patch.UpdateOwners(was, config, version, manager, s.owners, ourVersions{s})
		}
	} else {
		merged, owners, err = patch.Apply(was, config, version, manager, op == "force", s.owners, ourVersions{s})
	}
	noop := ""
	if err == nil && op != "update" && (merged == nil || plain(merged) == "null" && plain(was) == "null") {
		merged, noop = was, "nothing changed\n"
	}
	texts := map[string]string{}
	for name, o := range owners {
		texts[name] = fmt.Sprint(o.Version, o.Applied, string(o.Set.AppendJSON(nil)))
	}
	var conflicts *patch.Conflicts
	if errors.As(err, &conflicts) {
		noop, err = fmt.Sprint("conflicts ", ourConflicts(conflicts)), errors.New("")
	}
	got := noop + s.outcome(merged, err, texts)
	want, next, managed := s.theirStep(op, manager, version, live, config)
	// What is by chance is tried again.
	for try := 0; got != want && try < 30; try++ {
		want, next, managed = s.theirStep(op, manager, version, live, config)
	}
	// A list or map as the key of an element is refused, and shown otherwise. Of several faults upstream finds one by chance.
	// Where it prunes all fields of an element before it takes back the element it fails, and we may come through.
	s.counts[op]++
	first, _, _ := strings.Cut(want, " ")
	s.counts[first]++
	switch failed := strings.HasPrefix(want, "error "); {
	case failed && strings.Contains(want, "may not have a null element"):
		return true
	case failed && err != nil && (strings.Contains(got, "={") || strings.Contains(got, "=[") ||
		strings.HasSuffix(got, "several errors") || strings.HasSuffix(want, "several errors")):
		return true
	case got != want:
		fail(got, want)
		return false
	case err != nil:
		return true
	}
	s.live, s.at, s.owners, s.managed = next, version, owners, managed
	if op != "update" {
		if s.configs[manager] = object; version == "v2" {
			s.configs[manager] = renamed(object)
		}
	}
	return true
}

// ourConflicts are the conflicts as text, and in order.
func ourConflicts(c *patch.Conflicts) []string {
	var all []string
	for _, one := range c.Conflicts {
		one.Each(func(path string) bool {
			all = append(all, one.Manager+" "+path)
			return true
		})
	}
	return all
}

// theirConflicts are upstream's, whose managers come by chance and whose paths do not.
func theirConflicts(c merge.Conflicts) []string {
	var all []string
	slices.SortStableFunc(c, func(a, b merge.Conflict) int { return strings.Compare(a.Manager, b.Manager) })
	for _, one := range c {
		all = append(all, one.Manager+" "+one.Path.String())
	}
	return all
}

// theirStep does the step upstream, and returns what it came to, the object, and the owners as they are read from FieldsV1.
func (s *smdState) theirStep(op, manager, version string, live any, config map[string]any) (string, any, fieldpath.ManagedFields) {
	of := s.theirs[version]
	l, err := of.FromUnstructured(live, smd.AllowDuplicates)
	if err != nil {
		return s.outcome(nil, err, nil), nil, nil
	}
	reset := map[fieldpath.APIVersion]fieldpath.Filter{}
	for v, set := range s.exclude {
		x := &fieldpath.Set{}
		if err := x.FromJSON(bytes.NewReader(set.AppendJSON(nil))); err != nil {
			s.t.Fatal(err)
		}
		reset[fieldpath.APIVersion(v)] = fieldpath.NewExcludeSetFilter(x)
	}
	updater := (&merge.UpdaterBuilder{Converter: s, IgnoreFilter: reset}).BuildUpdater()
	var out *smd.TypedValue
	var managed fieldpath.ManagedFields
	if op == "update" {
		next, err := of.FromUnstructured(config, smd.AllowDuplicates)
		if err != nil {
			return s.outcome(nil, err, nil), nil, nil
		}
		out, managed, err = updater.Update(l, next, fieldpath.APIVersion(version), s.managed.Copy(), manager)
		if err != nil {
			return s.outcome(nil, err, nil), nil, nil
		}
	} else {
		next, err := of.FromUnstructured(asFloats(config))
		if err != nil {
			return s.outcome(nil, err, nil), nil, nil
		}
		out, managed, err = updater.Apply(l, next, fieldpath.APIVersion(version), s.managed.Copy(), manager, op == "force")
		if conflicts, ok := err.(merge.Conflicts); ok {
			return fmt.Sprint("conflicts ", theirConflicts(conflicts)) + s.outcome(nil, errors.New(""), nil), nil, nil
		}
		if err != nil {
			return s.outcome(nil, err, nil), nil, nil
		}
	}
	noop, object := "nothing changed\n", live
	if out != nil {
		noop, object = "", out.AsValue().Unstructured()
	}
	if op != "update" && plain(object) == "null" && plain(live) == "null" {
		noop = "nothing changed\n"
	}
	texts := map[string]string{}
	for name, o := range managed {
		text, err := o.Set().ToJSON()
		if err != nil {
			s.t.Fatal(err)
		}
		set := &fieldpath.Set{}
		if err := set.FromJSON(bytes.NewReader(text)); err != nil {
			s.t.Fatal(err)
		}
		managed[name] = fieldpath.NewVersionedSet(set, o.APIVersion(), o.Applied())
		texts[name] = fmt.Sprint(o.APIVersion(), o.Applied(), smdText(s.t, o.Set()))
	}
	return noop + s.outcome(object, nil, texts), object, managed
}

// relate changes how the elements of some map or list of a schema are related, but not whether an object is atomic as a
// whole: of one of which somebody owned a part before upstream leaves nothing.
func (s *smdState) relate(schema map[string]any) map[string]any {
	out := tree.Copy(schema).(map[string]any)
	types := tree.List(out, "types")
	one := types[1+s.IntN(len(types)-3)]
	for _, sort := range []string{"map", "list"} {
		if m := tree.Object(one, sort); m != nil {
			other := map[string]string{"map": "separable", "list": "associative"}[sort]
			if m["elementRelationship"] == other {
				other = "atomic"
			}
			m["elementRelationship"] = other
		}
	}
	return out
}

// TestApplyByBoth compares steps of apply and update. APICHAIN_APPLIES says how many.
func TestApplyByBoth(t *testing.T) {
	steps, _ := environment(t, "APICHAIN_APPLIES", 2000)
	counts := map[string]int{}
	for seed, done := uint64(0), 0; done < steps; seed++ {
		s := &smdState{smdWriter: smdWriter{rand.New(rand.NewPCG(seed, 16))}, t: t, at: "v1", configs: map[string]any{}, counts: counts}
		s.use(s.schema())
		if s.IntN(4) == 0 {
			set, _ := fieldset.Of(s.value(s.ours["v1"], 1), s.ours["v1"])
			other, _ := fieldset.Of(s.value(s.ours["v2"], 1), s.ours["v2"])
			s.exclude = map[string]fieldset.Set{"v1": set, "v2": other}
		}
		for range 12 {
			switch s.IntN(30) {
			case 0:
				if s.use(s.relate(s.schemas["v1"])) {
					s.log = append(s.log, "schema "+string(tree.AppendJSON(nil, s.schemas["v1"])))
					counts["schemas"]++
				}
			case 1:
				if other := map[string]string{"v1": "v2", "v2": "v1"}[s.at]; s.IntN(4) == 0 {
					delete(s.theirs, other)
					delete(s.ours, other)
					s.log = append(s.log, other+" is gone")
					counts["gone"]++
				}
			}
			if s.step(func(got, want string) {
				schema, _ := yaml.Marshal(s.schemas["v1"])
				t.Fatalf("seed %d\n%s\nexclude %s\n%s\ncame to\n%s\nwant\n%s", seed, schema, s.exclude, strings.Join(s.log, "\n"), got, want)
			}) {
				done++
			}
		}
	}
	t.Log(counts)
	for _, what := range []string{"apply", "force", "update", "object", "nothing", "conflicts", "error", "schemas", "gone"} {
		if counts[what] < steps/400 {
			t.Errorf("too few of %s", what)
		}
	}
}
