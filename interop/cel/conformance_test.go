package cel

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cel.dev/expr"
	_ "cel.dev/expr/conformance/proto2" // what the files of tests name
	_ "cel.dev/expr/conformance/proto3"
	conformancetest "cel.dev/expr/conformance/test"
	theirs "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"

	ours "apichain/internal/cel"
)

// The language's conformance tests. Of each it is asked: does kube-apiserver's environment take the expression, and give what the
// test wants? If so, ours has to. If not, the test does not apply, and ours has to say or give what upstream does; every such test
// needs one of the reasons below.

// reasons say why tests do not apply, by a part of what upstream says, the name of a file, or the name of a test. The first that
// fits counts.
var reasons = []struct{ part, reason string }{
	{"math.", "the math extension is not on"},
	{"base64.", "the encoders extension is not on"},
	{"cel.bind", "cel.bind is not on"},
	{"cel.block", "cel.block is not on"},
	{"cel.index", "cel.block is not on"},
	{"proto.", "extensions of messages are not on"},
	{"network_ext", "the network extension of cel-go is not on: Kubernetes has its own"},
	{"TestAllTypes", "there are no messages of protocol buffers"},
	{"NestedTestAllTypes", "there are no messages of protocol buffers"},
	{"TestAllRequired", "there are no messages of protocol buffers"},
	{"GlobalEnum", "there are no enums"},
	{"Enum", "there are no enums"},
	{"expected type", "literals of lists and maps have to be of one type"},
	{"does not support field selection", "what has no fields is refused before it is evaluated"},
	{"google.protobuf.Duration\n", "version 2 of the strings extension formats in another way"},
	{"disable_macros", "macros cannot be switched off"},
	{"disable_check", "what is not checked is not evaluated"},
	{"container", "there are no containers"},
	{"unknown", "there are no unknowns"},
	{".reverse()", "version 3 of the strings extension is not on"},
	{"cel.iterVar", "cel.block is not on"},
	{".format(", "version 2 of the strings extension formats in another way"},
	{"invalid timestamp argument", "literals that cannot be read are refused before they are evaluated"},
	{"invalid duration argument", "literals that cannot be read are refused before they are evaluated"},
	{"no program", "upstream refuses it before it is evaluated"},
	{"map_value_repeat_key", "upstream takes the last of two keys"},
	{"map_null_entry_no_such_key", "upstream has an empty optional for a field of what has no fields"},
	{"map_present_key_invalid_field", "upstream has an empty optional for a field of what has no fields"},
	{"indexof_out_of_range", "version 2 of the strings extension has -1"},
	{"get_milliseconds", "upstream has all milliseconds of a duration"},
}

// expectedText returns a value of the tests in the form of theirText; ok is false for messages.
func expectedText(v *expr.Value) (text string, ok bool) {
	switch k := v.GetKind().(type) {
	case *expr.Value_NullValue:
		return "null", true
	case *expr.Value_BoolValue:
		return strconv.FormatBool(k.BoolValue), true
	case *expr.Value_Int64Value:
		return strconv.FormatInt(k.Int64Value, 10), true
	case *expr.Value_Uint64Value:
		return strconv.FormatUint(k.Uint64Value, 10) + "u", true
	case *expr.Value_DoubleValue:
		return doubleText(k.DoubleValue), true
	case *expr.Value_StringValue:
		return strconv.Quote(k.StringValue), true
	case *expr.Value_BytesValue:
		return "b" + strconv.Quote(string(k.BytesValue)), true
	case *expr.Value_TypeValue:
		return "type " + k.TypeValue, true
	case *expr.Value_ListValue:
		items := make([]string, len(k.ListValue.Values))
		for i, item := range k.ListValue.Values {
			if items[i], ok = expectedText(item); !ok {
				return "", false
			}
		}
		return "[" + strings.Join(items, ", ") + "]", true
	case *expr.Value_MapValue:
		entries := make([]string, len(k.MapValue.Entries))
		for i, e := range k.MapValue.Entries {
			key, ok := expectedText(e.Key)
			value, also := expectedText(e.Value)
			if !ok || !also {
				return "", false
			}
			entries[i] = key + ": " + value
		}
		slices.Sort(entries)
		return "{" + strings.Join(entries, ", ") + "}", true
	case *expr.Value_ObjectValue:
		m, err := k.ObjectValue.UnmarshalNew()
		if err != nil {
			return "", false
		}
		switch m := m.(type) {
		case *durationpb.Duration:
			return m.AsDuration().String(), true
		case *timestamppb.Timestamp:
			return m.AsTime().UTC().Format(time.RFC3339Nano), true
		}
	}
	return "", false
}

// ourValue returns a value of the tests as ours.
func ourValue(v *expr.Value) ours.Value {
	switch k := v.GetKind().(type) {
	case *expr.Value_NullValue:
		return ours.NullValue
	case *expr.Value_BoolValue:
		return ours.BoolOf(k.BoolValue)
	case *expr.Value_Int64Value:
		return ours.IntOf(k.Int64Value)
	case *expr.Value_Uint64Value:
		return ours.UintOf(k.Uint64Value)
	case *expr.Value_DoubleValue:
		return ours.DoubleOf(k.DoubleValue)
	case *expr.Value_StringValue:
		return ours.StringOf(k.StringValue)
	case *expr.Value_BytesValue:
		return ours.BytesOf(k.BytesValue)
	case *expr.Value_ListValue:
		items := make([]ours.Value, len(k.ListValue.Values))
		for i, item := range k.ListValue.Values {
			items[i] = ourValue(item)
		}
		return ours.ListValue(items)
	case *expr.Value_MapValue:
		var keys, values []ours.Value
		for _, e := range k.MapValue.Entries {
			keys, values = append(keys, ourValue(e.Key)), append(values, ourValue(e.Value))
		}
		return ours.MapValue(keys, values)
	case *expr.Value_ObjectValue:
		if m, err := k.ObjectValue.UnmarshalNew(); err == nil {
			return ourMessage(m)
		}
	}
	return ours.Failf("a value of the tests that is none of ours: %v", v)
}

// ourMessage returns the messages that every environment knows as ours.
func ourMessage(m proto.Message) ours.Value {
	switch m := m.(type) {
	case *durationpb.Duration:
		return ours.DurationOf(m.AsDuration())
	case *timestamppb.Timestamp:
		return ours.TimestampOf(m.AsTime())
	case *wrapperspb.BoolValue:
		return ours.BoolOf(m.Value)
	case *wrapperspb.BytesValue:
		return ours.BytesOf(m.Value)
	case *wrapperspb.StringValue:
		return ours.StringOf(m.Value)
	case *wrapperspb.DoubleValue:
		return ours.DoubleOf(m.Value)
	case *wrapperspb.FloatValue:
		return ours.DoubleOf(float64(m.Value))
	case *wrapperspb.Int32Value:
		return ours.IntOf(int64(m.Value))
	case *wrapperspb.Int64Value:
		return ours.IntOf(m.Value)
	case *wrapperspb.UInt32Value:
		return ours.UintOf(uint64(m.Value))
	case *wrapperspb.UInt64Value:
		return ours.UintOf(m.Value)
	case *structpb.Struct:
		return ours.Of(m.AsMap(), nil)
	case *structpb.ListValue:
		return ours.Of(m.AsSlice(), nil)
	case *structpb.Value:
		return ours.Of(m.AsInterface(), nil)
	}
	if any, ok := m.(*anypb.Any); ok {
		return ours.Failf("unknown type: '%s'", any.MessageName())
	}
	return ours.Failf("unknown type: '%s'", m.ProtoReflect().Descriptor().FullName())
}

// ourType returns a declared type as ours.
func ourType(t *theirs.Type) *ours.Type {
	plain := plainType(t)
	if plain.Kind != ours.Null && plain.Kind != ours.Dyn && plain.Kind != ours.Any && t.IsAssignableType(types.NullType) {
		return ours.WrapperOf(plain)
	}
	return plain
}

// plainType is ourType of what is not null.
func plainType(t *theirs.Type) *ours.Type {
	switch t.Kind() {
	case theirs.StructKind:
		return ours.ObjectOf(t.TypeName())
	case theirs.AnyKind:
		return ours.AnyType
	case theirs.BoolKind:
		return ours.BoolType
	case theirs.IntKind:
		return ours.IntType
	case theirs.UintKind:
		return ours.UintType
	case theirs.DoubleKind:
		return ours.DoubleType
	case theirs.StringKind:
		return ours.StringType
	case theirs.BytesKind:
		return ours.BytesType
	case theirs.TimestampKind:
		return ours.TimestampType
	case theirs.DurationKind:
		return ours.DurationType
	case theirs.ListKind:
		return ours.ListOf(ourType(t.Parameters()[0]))
	case theirs.MapKind:
		return ours.MapOf(ourType(t.Parameters()[0]), ourType(t.Parameters()[1]))
	case theirs.TypeKind:
		if len(t.Parameters()) == 0 {
			return ours.TypeType
		}
		return ours.TypeOf(ourType(t.Parameters()[0]))
	case theirs.NullTypeKind:
		return ours.NullType
	}
	return ours.DynType
}

// conformancePair returns the environments of a test, with its bindings for both.
func conformancePair(t *testing.T, env *ours.Env, test *conformancetest.SimpleTest) (p *pair, their map[string]any, our []ours.Value) {
	p, their = &pair{}, map[string]any{}
	var options []theirs.EnvOption
	for _, d := range test.TypeEnv {
		if d.GetIdent() == nil {
			continue
		}
		typ, err := types.ProtoAsType(d.GetIdent().Type)
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, theirs.Variable(d.Name, typ))
		p.variables = append(p.variables, ours.Variable{Name: d.Name, Type: ourType(typ)})
	}
	set, err := base().Extend(environment.VersionedOptions{IntroducedVersion: version.MajorMinor(1, 0), EnvOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	p.theirs, p.ours = set.StoredExpressionsEnv(), env.With(p.variables, nil)
	for _, v := range p.variables {
		b := test.Bindings[v.Name]
		if b == nil {
			our = append(our, ours.Failf("no such attribute(s): %s", v.Name))
			continue
		}
		value, err := theirs.ProtoAsValue(p.theirs.CELTypeAdapter(), b.GetValue())
		if err != nil {
			t.Fatal(err)
		}
		their[v.Name] = value
		our = append(our, ourValue(b.GetValue()))
	}
	return p, their, our
}

// TestConformance runs all of them.
func TestConformance(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(folder(t, "cel.dev/expr"), "tests/simple/testdata/*.textproto"))
	if len(files) < 25 {
		t.Fatalf("%d files", len(files))
	}
	env := libraries()
	total, passed, unexplained := 0, 0, 0
	skipped := map[string]int{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file conformancetest.SimpleTestFile
		if err := prototext.Unmarshal(text, &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, section := range file.Section {
			for _, test := range section.Test {
				total++
				where := file.Name + "/" + section.Name + "/" + test.Name
				verdict, why := conform(t, env, where, test)
				switch {
				case verdict == "":
					passed++
				case verdict == "differs":
					unexplained++
					t.Errorf("%s: %s\n%s", where, test.Expr, why)
				default:
					reason := explain(file.Name, test, why)
					if reason == "" {
						unexplained++
						t.Errorf("%s does not apply, and no reason is known: %s\n%s", where, test.Expr, brief(why))
						continue
					}
					skipped[reason]++
					if strings.Contains(reason, os.Getenv("CEL_REASON")) && os.Getenv("CEL_REASON") != "" {
						t.Logf("%s: %s\n%s", where, test.Expr, brief(why))
					}
				}
			}
		}
	}
	var lines []string
	for reason, n := range skipped {
		lines = append(lines, fmt.Sprintf("%5d %s", n, reason))
	}
	slices.Sort(lines)
	t.Logf("%d tests, %d pass, %d unexplained; of the others:\n%s", total, passed, unexplained, strings.Join(lines, "\n"))
}

// explain returns the reason why a test does not apply.
func explain(file string, test *conformancetest.SimpleTest, why string) string {
	text := file + "\n" + test.Name + "\n" + test.Expr + "\n" + why
	if test.DisableMacros {
		text += "\ndisable_macros"
	}
	if test.DisableCheck {
		text += "\ndisable_check"
	}
	if test.Container != "" {
		text += "\ncontainer"
	}
	for _, r := range reasons {
		if strings.Contains(text, r.part) {
			return r.reason
		}
	}
	return ""
}

// conform runs a test: "" it passes, "differs" ours is not upstream's, anything else: it does not apply, for what upstream says.
func conform(t *testing.T, env *ours.Env, where string, test *conformancetest.SimpleTest) (verdict, why string) {
	p, their, our := conformancePair(t, env, test)
	_, issues := p.theirs.Compile(test.Expr)
	_, err := p.ours.Check(test.Expr)
	switch {
	case issues.Err() != nil && err == nil:
		return "differs", "theirs: " + issues.String()
	case issues.Err() == nil && err != nil:
		return "differs", "ours: " + err.Error()
	case err != nil && issues.String() != err.Error():
		return "differs", "theirs: " + issues.String() + "\nours: " + err.Error()
	case err != nil:
		return "does not apply", issues.String()
	case test.CheckOnly:
		return "", ""
	}
	made, ok := p.programs(t, test.Expr)
	if !ok {
		if test.GetEvalError() != nil {
			return "", ""
		}
		return "does not apply", "no program"
	}
	theirAnswer, ourAnswer := made.evalBoth(their, our)
	if theirAnswer != ourAnswer {
		return "differs", "theirs: " + theirAnswer + "\nours: " + ourAnswer
	}
	answer := ourAnswer[:max(0, strings.LastIndex(ourAnswer, " for "))]
	want, ok := "true", true
	switch m := test.ResultMatcher.(type) {
	case *conformancetest.SimpleTest_Value:
		want, ok = expectedText(m.Value)
	case *conformancetest.SimpleTest_TypedResult:
		if m.TypedResult.Result == nil {
			return "", ""
		}
		want, ok = expectedText(m.TypedResult.Result)
	case *conformancetest.SimpleTest_EvalError, *conformancetest.SimpleTest_AnyEvalErrors:
		if strings.HasPrefix(answer, "error: ") {
			return "", ""
		}
		return "does not apply", "upstream evaluates it: " + answer
	case *conformancetest.SimpleTest_Unknown, *conformancetest.SimpleTest_AnyUnknowns:
		return "does not apply", "unknown"
	}
	if !ok || answer != want {
		return "does not apply", fmt.Sprintf("upstream has %s for %s (%v)", answer, want, ok)
	}
	return "", ""
}
