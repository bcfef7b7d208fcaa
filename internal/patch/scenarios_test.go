package patch

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"apichain/internal/fieldset"
	"apichain/internal/fieldset/fieldsettest"
	"apichain/internal/tree"
)

// testdata/merge.txt has what structured-merge-diff does in each scenario of its own tests, as it was seen there: each step
// and what comes of it. Lines that begin with the same word are of the same form:
//
//	schema ID JSON                schema in upstream's form
//	test NAME                     a scenario begins: no object, no owners
//	type VERSION ID:TYPE          the schema of a version from now on; deduced for none
//	reset VERSION JSON            fields that nobody owns: {"exclude":SET}
//	gone VERSION, served VERSION  whether it is served from now on
//	convert VERSION JSON -> JSON  what becomes of an object in a version, if it does not stay as it is
//	live JSON                     the object before the step, if it is not the last result
//	apply|force|update MANAGER VERSION JSON
//	result JSON, noop             the object after it
//	owner MANAGER VERSION Apply|Update SET
//	conflict MANAGER PATH         instead of these two
//	invalid TEXT                  instead of any of these

// scenario is a scenario while it runs.
type scenario struct {
	t       *testing.T
	schemas map[string]map[string]any
	types   map[string]fieldset.Schema
	reset   map[string]*fieldset.Filter
	gone    map[string]bool
	becomes map[string]string
	live    map[string]any
	owners  Owners
	// step is the line of the last step, and got what came of it, in the words of the file.
	step string
	got  []string
	want []string
}

func (s *scenario) Schema(version string) (fieldset.Schema, bool) {
	schema := s.types[version]
	return schema, schema != nil && !s.gone[version]
}

func (s *scenario) Convert(obj map[string]any, _, to string) (map[string]any, error) {
	out, ok := s.becomes[to+" "+string(tree.AppendJSON(nil, obj))]
	if !ok {
		return obj, nil
	}
	if text, ok := strings.CutPrefix(out, "error "); ok {
		return nil, errors.New(text)
	}
	return s.object(out), nil
}

func (s *scenario) Reset(version string) *fieldset.Filter { return s.reset[version] }

func (s *scenario) object(text string) map[string]any {
	if text == "null" {
		return nil
	}
	obj, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return obj
}

func (s *scenario) set(text string) fieldset.Set {
	set, err := fieldset.Parse([]byte(text))
	if err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return set
}

// run does a step and puts what comes of it into got.
func (s *scenario) run(op, manager, version, text string) {
	config := s.object(text)
	before := string(tree.AppendJSON(nil, object(s.live)))
	var owners Owners
	var err error
	merged := config
	if manager == "-" {
		if schema := s.types["-"]; op == "apply" {
			err = Validate(config, schema, false)
		}
	} else if op == "update" {
		owners, err = UpdateOwners(s.live, config, version, manager, s.owners, s)
	} else {
		merged, owners, err = Apply(s.live, config, version, manager, op == "force", s.owners, s)
	}
	if now := string(tree.AppendJSON(nil, object(s.live))); now != before || string(tree.AppendJSON(nil, object(config))) !=
		string(tree.AppendJSON(nil, object(s.object(text)))) {
		s.t.Errorf("an object was changed: %s to %s", before, now)
	}
	var conflicts *Conflicts
	var invalid *Invalid
	switch {
	case errors.As(err, &conflicts):
		for _, c := range conflicts.Conflicts {
			c.Each(func(path string) bool {
				s.got = append(s.got, fmt.Sprintf("conflict %s %v", c.Manager, path))
				return true
			})
		}
		slices.Sort(s.got)
	case errors.As(err, &invalid):
		s.got = append(s.got, "invalid "+invalid.Error())
	case err != nil:
		s.got = append(s.got, "error "+err.Error())
	default:
		if merged != nil || op == "update" {
			s.live = merged
			s.got = append(s.got, "result "+string(tree.AppendJSON(nil, object(merged))))
		} else {
			s.got = append(s.got, "noop")
		}
		s.owners = owners
		for _, name := range slices.Sorted(maps.Keys(owners)) {
			o := owners[name]
			how := map[bool]string{true: "Apply", false: "Update"}[o.Applied]
			s.got = append(s.got, fmt.Sprintf("owner %s %s %s %s", name, o.Version, how, o.Set.AppendJSON(nil)))
		}
	}
}

// check compares what came of the last step with what the file says.
func (s *scenario) check() {
	// The empty object and none are the same to us.
	for _, list := range [][]string{s.got, s.want} {
		if len(list) > 0 && (list[0] == "result {}" || list[0] == "noop" && len(s.live) == 0) {
			list[0] = "result null"
		}
	}
	if !slices.Equal(s.got, s.want) {
		s.t.Errorf("%s\ngot  %s\nwant %s", s.step, strings.Join(s.got, "\n     "), strings.Join(s.want, "\n     "))
	}
	s.got, s.want = nil, nil
}

// line takes one line of the file.
func (s *scenario) line(line string) {
	word, rest, _ := strings.Cut(line, " ")
	first, last, _ := strings.Cut(rest, " ")
	switch word {
	case "result", "noop", "owner", "conflict", "invalid":
		if word == "result" {
			line = "result " + string(tree.AppendJSON(nil, object(s.object(rest))))
		}
		s.want = append(s.want, line)
		return
	}
	if s.step != "" {
		s.check()
	}
	switch word {
	case "type":
		s.types[first] = s.schema(last)
		s.gone[first] = false
	case "reset":
		var filter struct{ Exclude json.RawMessage }
		if err := json.Unmarshal([]byte(last), &filter); err != nil || filter.Exclude == nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		s.reset[first] = fieldset.Exclude(s.set(string(filter.Exclude)))
	case "gone", "served":
		s.gone[first] = word == "gone"
	case "convert":
		from, to, _ := strings.Cut(last, " -> ")
		s.becomes[first+" "+string(tree.AppendJSON(nil, object(s.object(from))))] = to
	case "live":
		s.live = s.object(rest)
	case "apply", "force", "update":
		s.step = line
		version, text, _ := strings.Cut(last, " ")
		s.run(word, first, version, text)
	default:
		s.t.Fatalf("what is %q?", line)
	}
}

// schema returns the schema that a line of type names.
func (s *scenario) schema(name string) fieldset.Schema {
	if name == "deduced" {
		return fieldset.Deduced()
	}
	id, kind, _ := strings.Cut(name, ":")
	schema, err := fieldsettest.Schema(s.schemas[id], kind)
	if err != nil {
		s.t.Fatal(err)
	}
	return schema
}

// TestScenarios: in each scenario of structured-merge-diff's merge tests, objects, owners, conflicts and refusals are what
// they are there, after each step.
func TestScenarios(t *testing.T) {
	f, err := os.Open("testdata/merge.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	schemas := map[string]map[string]any{}
	tests := map[string][]string{}
	name, lines := "", bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "#":
		case "schema":
			id, text, _ := strings.Cut(rest, " ")
			if schemas[id], _, err = tree.ParseJSONObject([]byte(text)); err != nil {
				t.Fatal(err)
			}
		case "test":
			name = rest
		default:
			tests[name] = append(tests[name], lines.Text())
		}
	}
	if err := lines.Err(); err != nil || len(tests) != 317 {
		t.Fatalf("%d scenarios: %v", len(tests), err)
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			s := &scenario{
				t: t, schemas: schemas, types: map[string]fieldset.Schema{}, reset: map[string]*fieldset.Filter{},
				gone: map[string]bool{}, becomes: map[string]string{},
			}
			for _, line := range tests[name] {
				s.line(line)
			}
			s.check()
		})
	}
}
