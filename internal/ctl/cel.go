package ctl

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/cel"
	"apichain/internal/expression"
	"apichain/internal/field"
	"apichain/internal/flags"
	"apichain/internal/schema"
	"apichain/internal/tree"
)

// The subcommand cel evaluates an expression by hand, as a server would: nobody has to try it in a cluster. It asks no server.
//
//	apichain cel 'self.min <= self.max' --self object.yaml --schema crd.yaml#v1
//	true
//	# bool, static cost 5 of 10000000, cost 5 of 1000000
//
//	apichain cel 'self.min < ' --self object.yaml
//	ERROR: <input>:1:12: Syntax error: mismatched input '<EOF>' expecting ...
//	 | self.min <
//	 | ...........^
//
// Without an expression it looks at all rules of a definition: what each may cost and why it is refused, or with --self what each says of
// an object. Values are YAML, so that what is printed can be read by others.

// Limits that are shown beside costs.
const (
	ruleLimit = 10_000_000
	callLimit = expression.PerCall
)

// mostRead is how many bytes of a file or of an expression are read.
const mostRead = 16 << 20

// celCommand is one run of the subcommand.
type celCommand struct {
	ctx context.Context
	in  io.Reader
	out io.Writer
	// Files, "" for none.
	self, old, schema, object, params, namespace, request string
	json                                                  bool
	text                                                  string
}

// celFlags are the flags, with what they are for.
var celFlags = []struct {
	name, value, does string
	of                func(*celCommand) *string
}{
	{"self", "FILE", "the object or value that a rule is about", func(c *celCommand) *string { return &c.self }},
	{"old", "FILE", "what it replaces: oldSelf of a rule, oldObject of a policy", func(c *celCommand) *string { return &c.old }},
	{"schema", "CRD.yaml[#VERSION]", "a CRD: self has the type of its schema; the version that is stored if none is named",
		func(c *celCommand) *string { return &c.schema }},
	{"object", "FILE", "the object that a policy is about: the expression is one of a policy, and names object, oldObject, params,\n" +
		"        namespaceObject, request, Object{...} and JSONPatch{...}", func(c *celCommand) *string { return &c.object }},
	{"params", "FILE", "the parameters of a policy", func(c *celCommand) *string { return &c.params }},
	{"namespace-object", "FILE", "the namespace of the object", func(c *celCommand) *string { return &c.namespace }},
	{"request", "FILE", "the request, as an AdmissionReview has it", func(c *celCommand) *string { return &c.request }},
}

// CEL runs the subcommand cel with the arguments behind its name, and returns its exit code: 0, 1 where an expression has an error, a rule
// is refused or does not hold, 2 for wrong usage, and 130 when ctx ended. What is wrong is on errOut, wrong usage on one line.
func CEL(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	c := &celCommand{ctx: ctx, in: in, out: out}
	err := c.do(args)
	var wrong usageError
	var not negative
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, flag.ErrHelp):
		celHelp(out)
		return exitDone
	case errors.As(err, &wrong):
		fmt.Fprintln(errOut, "apichain: cel:", strings.Join(strings.Fields(err.Error()), " ")+"; see apichain cel --help")
		return exitUsage
	case errors.As(err, &not):
		return exitRefused
	}
	// An error of an expression has a line with a caret.
	fmt.Fprintln(errOut, err)
	return exitRefused
}

// celHelp writes what the subcommand does.
func celHelp(w io.Writer) {
	fmt.Fprint(w, `apichain cel: evaluate an expression in CEL, or look at the rules of a definition. No server is asked.

Usage:
  apichain cel EXPR|- [--self FILE] [--old FILE] [--schema CRD.yaml[#VERSION]] [--json]
        evaluate a rule; - reads it from the input; without --schema self may be anything
  apichain cel EXPR|- --object FILE [--old FILE] [--params FILE] [--namespace-object FILE] [--request FILE] [--json]
        evaluate an expression of a policy or a webhook's condition
  apichain cel --schema CRD.yaml[#VERSION] [--json]
        what each rule of the definition may cost, and what is wrong with it
  apichain cel --schema CRD.yaml[#VERSION] --self FILE [--old FILE] [--json]
        what each rule says of an object

Flags:
`)
	for _, f := range celFlags {
		fmt.Fprintf(w, "  --%s %s\n        %s\n", f.name, f.value, f.does)
	}
	fmt.Fprintf(w, `  --json
        print JSON

Exit codes:
  0    done: there is a value, all rules are good or hold
  %d    the expression has an error, a rule is refused or does not hold
  %d    wrong usage
  %d  interrupted
`, exitRefused, exitUsage, exitInterrupted)
}

// do reads the arguments and does what they ask for.
func (c *celCommand) do(args []string) error {
	f := flag.NewFlagSet("cel", flag.ContinueOnError)
	for _, x := range celFlags {
		f.StringVar(x.of(c), x.name, "", "")
	}
	f.BoolVar(&c.json, "json", false, "")
	words, err := flags.Words(f, args)
	isPolicy := c.object+c.params+c.namespace+c.request != ""
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError(err.Error())
	case len(words) > 1:
		return usageError(fmt.Sprintf("%q is a word too many: quote the expression", words[1]))
	case isPolicy && (c.self != "" || c.schema != ""):
		return usageError("--self and --schema are of rules, --object, --params, --namespace-object and --request of policies")
	case len(words) == 0 && c.schema == "":
		return usageError("an expression or --schema is missing")
	case len(words) == 0:
		return c.rules()
	}
	if c.text = words[0]; c.text == "-" {
		b, err := io.ReadAll(io.LimitReader(c.in, mostRead))
		if err != nil {
			return err
		}
		c.text = strings.TrimSuffix(string(b), "\n")
	}
	if isPolicy {
		return c.policy()
	}
	return c.rule()
}

// read reads a file of YAML or JSON; "" is nil.
func read(name string) (any, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError(err.Error())
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostRead))
	if err != nil {
		return nil, usageError(err.Error())
	}
	v, _, err := tree.ParseYAMLObject(b)
	if err != nil {
		return nil, usageError(name + ": " + err.Error())
	}
	return v, nil
}

// readObject is read for what must be an object.
func readObject(name string) (map[string]any, error) {
	v, err := read(name)
	if err != nil || v == nil {
		return nil, err
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, usageError(name + " has no object")
	}
	return obj, nil
}

// definition reads the CRD of --schema, and the schema of its version.
func (c *celCommand) definition() (crd map[string]any, s *schema.Schema, err error) {
	name, version, _ := strings.Cut(c.schema, "#")
	if crd, err = readObject(name); err != nil {
		return nil, nil, err
	}
	if kind := tree.Text(crd, "kind"); kind != "CustomResourceDefinition" {
		return nil, nil, usageError(fmt.Sprintf("%s: %q is no CustomResourceDefinition", name, kind))
	}
	versions := tree.List(crd, "spec", "versions")
	i := slices.IndexFunc(versions, func(v any) bool {
		return tree.Text(v, "name") == version || version == "" && tree.True(tree.At(v, "storage"))
	})
	if i < 0 {
		return nil, nil, usageError(fmt.Sprintf("%s: there is no version %q", name, version))
	}
	// Of a version that is named the others are not looked at: the definition is one that has it alone, and was never stored.
	if version != "" {
		tree.Set(versions[i].(map[string]any), true, "storage")
		tree.Set(crd, versions[i:i+1], "spec", "versions")
	}
	delete(crd, "status")
	schema.DefaultCRD(crd)
	if s, err = schema.Compile(tree.Object(versions[i], "schema", "openAPIV3Schema")); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return crd, s, nil
}

// rule evaluates a rule.
func (c *celCommand) rule() error {
	var s *schema.Schema
	var err error
	if c.schema != "" {
		if _, s, err = c.definition(); err != nil {
			return err
		}
	}
	env, typ := schema.RuleEnv(s)
	values := make([]cel.Value, 2)
	for i, name := range [...]string{c.self, c.old} {
		v, err := read(name)
		if err != nil {
			return err
		}
		values[i] = cel.Of(v, typ)
		if name == "" {
			values[i] = cel.Failf("--%s is not given", [...]string{"self", "old"}[i])
		}
	}
	return c.evaluate(env, values)
}

// policy evaluates an expression of a policy.
func (c *celCommand) policy() error {
	var in expression.Input
	for _, f := range [...]struct {
		name string
		into *map[string]any
	}{{c.object, &in.Object}, {c.old, &in.Old}, {c.params, &in.Params}, {c.namespace, &in.Namespace}} {
		var err error
		if *f.into, err = readObject(f.name); err != nil {
			return err
		}
	}
	request, err := readObject(c.request)
	if err != nil {
		return err
	}
	if request != nil {
		in.Request = func() map[string]any { return request }
	}
	in.Authorizer = cel.Failf("there is nobody to ask what is authorized")
	in.Resource = in.Authorizer
	return c.evaluate(expression.ByHand(&in))
}

// evaluate evaluates the expression and prints what comes of it.
func (c *celCommand) evaluate(env *cel.Env, values []cel.Value) error {
	checked, err := env.Check(c.text)
	var program *cel.Program
	if err == nil {
		program, err = checked.Program()
	}
	if err != nil {
		return c.failed(err, nil)
	}
	static := checked.Estimate()
	v, cost := program.Eval(values, cel.Limit{Cost: callLimit, Done: c.ctx.Done()})
	told := map[string]any{
		"type": checked.Type().String(), "cost": int64(cost),
		"staticCost": map[string]any{"min": bounded(static.Min), "max": bounded(static.Max)},
	}
	if err := v.Err(); err != nil {
		return c.failed(err, told)
	}
	t, err := v.Tree()
	if err != nil { // a value of a library, or a type
		t = v.String()
	}
	if c.json {
		told["value"] = t
		return c.printJSON(told)
	}
	_, err = fmt.Fprintf(c.out, "%s\n# %s, static cost %s of %d, cost %d of %d\n", strings.TrimSuffix(string(tree.AppendYAML(nil, t)), "\n"),
		checked.Type().String(), between(static), ruleLimit, cost, uint64(callLimit))
	return err
}

// bounded returns a cost as JSON: what is too large for a number there is as large as there may be.
func bounded(n uint64) int64 { return int64(min(n, 1<<53-1)) }

// between shows a range.
func between(r cel.Range) string {
	most := strconv.FormatUint(r.Max, 10)
	if r.Min == r.Max {
		return most
	}
	return strconv.FormatUint(r.Min, 10) + " to " + most
}

// failed says that the expression has an error; told, unless it is nil, is what is known beside.
func (c *celCommand) failed(err error, told map[string]any) error {
	if c.ctx.Err() != nil || !c.json {
		return err
	}
	if told == nil {
		told = map[string]any{}
	}
	told["error"] = err.Error()
	if err := c.printJSON(told); err != nil {
		return err
	}
	return negative("")
}

func (c *celCommand) printJSON(v any) error {
	_, err := c.out.Write(append(tree.AppendJSON(nil, v), '\n'))
	return err
}

// rules looks at the rules of a definition.
func (c *celCommand) rules() error {
	crd, s, err := c.definition()
	if err != nil {
		return err
	}
	if c.self != "" {
		return c.verdicts(s)
	}
	rules, errs := schema.ExplainCRD(crd)
	var list []any
	for _, r := range rules {
		row := map[string]any{"path": r.Path, "rule": r.Rule, "cost": bounded(r.Cost), "times": bounded(r.Times)}
		if r.Fault != "" {
			row["error"] = r.Fault
		}
		list = append(list, row)
	}
	if c.json {
		err = c.printJSON(map[string]any{"rules": list, "errors": texts(errs)})
	} else {
		fmt.Fprintf(c.out, "%12s %12s  %s\n", "COST", "TIMES", "RULE")
		for _, r := range rules {
			fmt.Fprintf(c.out, "%12d %12d  %s: %s\n", r.Cost, r.Times, r.Path, oneLine(r.Rule))
		}
		for _, e := range errs {
			_, err = fmt.Fprintln(c.out, e.String())
		}
	}
	if err == nil && len(errs) > 0 {
		err = negative("")
	}
	return err
}

// verdicts says what each rule of a schema says of an object.
func (c *celCommand) verdicts(s *schema.Schema) error {
	obj, err := readObject(c.self)
	if err != nil {
		return err
	}
	old, err := readObject(c.old)
	if err != nil {
		return err
	}
	s.SetDefaults(obj)
	asked, errs, warnings := s.ExplainRules(obj, old)
	if c.json {
		list := []any{}
		for _, a := range asked {
			row := map[string]any{"path": a.Path, "rule": a.Rule, "cost": int64(a.Cost), "holds": a.Holds}
			if a.Error != "" {
				row["error"] = a.Error
			}
			list = append(list, row)
		}
		err = c.printJSON(map[string]any{"rules": list, "errors": texts(errs), "warnings": words(warnings)})
	} else {
		for _, a := range asked {
			verdict := "holds"
			if a.Error != "" {
				verdict = "error"
			} else if !a.Holds {
				verdict = "fails"
			}
			fmt.Fprintf(c.out, "%s %8d  %s: %s\n", verdict, a.Cost, cmp.Or(a.Path, "object"), oneLine(a.Rule))
		}
		for _, e := range errs {
			fmt.Fprintln(c.out, e.String())
		}
		for _, w := range warnings {
			_, err = fmt.Fprintln(c.out, "warning:", w)
		}
	}
	if err == nil && len(errs) > 0 {
		err = negative("")
	}
	return err
}

// oneLine returns a rule on one line.
func oneLine(rule string) string { return strings.Join(strings.Fields(rule), " ") }

// texts returns errors as they are told.
func texts(errs []field.Error) []any {
	all := []any{}
	for _, e := range errs {
		all = append(all, e.String())
	}
	return all
}

func words(list []string) []any {
	all := []any{}
	for _, s := range list {
		all = append(all, s)
	}
	return all
}
