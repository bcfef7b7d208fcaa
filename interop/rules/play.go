package rules

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Server is one that is asked.
type Server struct {
	URL, Token string
	HTTP       *http.Client
}

// verbs are those of steps about objects of a definition. json, merge and apply are patches, make is an apply of an object that
// is not there, meta a merge patch of metadata, status and mergestatus write the subresource, define writes the definition.
var verbs = []string{"create", "make", "update", "merge", "json", "apply", "meta", "status", "mergestatus", "define"}

// builtIn is a kind of the server whose objects are written by a verb of its own: the first creates, and each further PUTs if its
// first word is "over".
type builtIn struct {
	path, apiVersion, kind string
	wrap                   func(body map[string]any) map[string]any // the object's fields
}

// nothing matches no request, so that no policy here is in anybody's way.
var nothing = map[string]any{"resourceRules": []any{map[string]any{
	"apiGroups": []any{"none.example.com"}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"things"}}}}

// What policies have in common, and bindings.
var (
	judging  = map[string]any{"matchConstraints": nothing}
	mutating = map[string]any{"matchConstraints": nothing, "reinvocationPolicy": "Never"}
	bound    = map[string]any{"policyName": "p"}
)

const (
	admissionV1 = "admissionregistration.k8s.io/v1"
	admission   = "/apis/" + admissionV1 + "/"
	devices     = "/apis/resource.k8s.io/v1/"
)

// spec lays a body over what each spec of the kind has.
func spec(common map[string]any) func(map[string]any) map[string]any {
	return func(body map[string]any) map[string]any {
		s := maps.Clone(common)
		maps.Copy(s, body)
		return map[string]any{"spec": s}
	}
}

// hooks makes each map of a list, or the one, into a webhook of a configuration.
func hooks(body map[string]any) map[string]any {
	list, ok := body["webhooks"].([]any)
	if !ok {
		list = []any{body}
	}
	all := make([]any, len(list))
	for i, x := range list {
		h := map[string]any{
			"name": fmt.Sprintf("hook%d.example.com", i), "admissionReviewVersions": []any{"v1"}, "sideEffects": "None",
			"clientConfig": map[string]any{"url": "https://127.0.0.1:9/"}, "rules": nothing["resourceRules"],
		}
		if m, ok := x.(map[string]any); ok {
			maps.Copy(h, m)
		}
		all[i] = h
	}
	return map[string]any{"webhooks": all}
}

// builtIns are those kinds by their verbs.
var builtIns = map[string]builtIn{
	"vap":   {admission + "validatingadmissionpolicies", admissionV1, "ValidatingAdmissionPolicy", spec(judging)},
	"vapb":  {admission + "validatingadmissionpolicybindings", admissionV1, "ValidatingAdmissionPolicyBinding", spec(bound)},
	"map":   {admission + "mutatingadmissionpolicies", admissionV1, "MutatingAdmissionPolicy", spec(mutating)},
	"mapb":  {admission + "mutatingadmissionpolicybindings", admissionV1, "MutatingAdmissionPolicyBinding", spec(bound)},
	"vwc":   {admission + "validatingwebhookconfigurations", admissionV1, "ValidatingWebhookConfiguration", hooks},
	"mwc":   {admission + "mutatingwebhookconfigurations", admissionV1, "MutatingWebhookConfiguration", hooks},
	"class": {devices + "deviceclasses", "resource.k8s.io/v1", "DeviceClass", spec(map[string]any{})},
	"claim": {devices + "namespaces/default/resourceclaims", "resource.k8s.io/v1", "ResourceClaim", spec(map[string]any{})},
	"claimtemplate": {devices + "namespaces/default/resourceclaimtemplates", "resource.k8s.io/v1", "ResourceClaimTemplate",
		func(body map[string]any) map[string]any { return map[string]any{"spec": map[string]any{"spec": body}} }},
	"slice": {devices + "resourceslices", "resource.k8s.io/v1", "ResourceSlice", spec(map[string]any{
		"driver": "d.example.com", "allNodes": true, "pool": map[string]any{"name": "p", "generation": 1.0, "resourceSliceCount": 1.0}})},
}

// player plays one definition.
type player struct {
	*Server
	d          *Definition
	head       map[string]any
	generation int
	made       int    // objects
	path       string // of the last
}

// Play asks a server all that a definition has, and returns what it answers as the comparison has it: first of the definition, if
// there is one, then a text a step. Steps are left out after a definition that is refused. An error is one of the connection.
func (s *Server) Play(ctx context.Context, d *Definition) (answers []string, err error) {
	p := &player{Server: s, d: d, head: d.Head}
	if d.Head != nil {
		answer, err := p.define(ctx, d.Head, "POST")
		if answers = append(answers, answer); err != nil || p.generation == 0 {
			return answers, err
		}
	}
	for _, step := range d.Steps {
		answer, err := p.step(ctx, step)
		if err != nil {
			return answers, fmt.Errorf("%s: %w", step, err)
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// collection is the path of the objects.
func (p *player) collection() string { return "/apis/" + p.d.Group() + "/v1/" + p.d.Plural() }

// define writes the definition and waits until it is in force.
func (p *player) define(ctx context.Context, head map[string]any, method string) (string, error) {
	o := p.d.Object(head, p.generation+1)
	path := definitions
	if method == "PUT" {
		path += "/" + p.d.Plural() + "." + p.d.Group()
		live, err := p.live(ctx, path)
		if err != nil {
			return "", err
		}
		o["metadata"] = live["metadata"]
	}
	r, err := p.ask(ctx, method, path, "application/json", o)
	if err != nil || r.code >= 300 {
		return r.told(), err
	}
	p.generation++
	p.head = head
	return r.told(), p.await(ctx)
}

// await waits until lists have the column of this generation.
func (p *player) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		r, err := p.ask(ctx, "GET", p.collection()+"?limit=1", "", nil)
		if err != nil {
			return err
		}
		var table struct{ ColumnDefinitions []struct{ Name string } }
		_ = json.Unmarshal(r.body, &table)
		for _, c := range table.ColumnDefinitions {
			if c.Name == column(p.generation) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not served: %d %.300s", p.collection(), r.code, r.body)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// step asks one thing.
func (p *player) step(ctx context.Context, s Step) (string, error) {
	body, _ := s.Body.(map[string]any)
	if s.Verb == "define" {
		return p.define(ctx, body, "PUT")
	}
	if b, ok := builtIns[s.Verb]; ok {
		return p.builtIn(ctx, b, s, body)
	}
	method, path, kind, o, err := p.write(ctx, s, body)
	if err != nil {
		return "", err
	}
	r, err := p.ask(ctx, method, path, kind, o)
	if err != nil || r.code >= 300 || strings.Contains(path, "dryRun") {
		return r.told(), err
	}
	if r.code == http.StatusCreated {
		p.made++
		p.path = p.collection() + "/" + r.of("name")
	}
	return r.told(), p.settle(ctx, r.of("resourceVersion"))
}

// write returns the request that a step about an object is: method, path with query, content type and body. What replaces an object is
// laid over it as it is now, for which the server is asked.
func (p *player) write(ctx context.Context, s Step, body map[string]any) (method, path, kind string, o any, err error) {
	method, path, kind = "PATCH", p.path+p.query(s), "application/merge-patch+json"
	switch s.Verb {
	case "create", "make":
		name := fmt.Sprint("o", p.made+1)
		m := p.object(nil, body)
		meta, _ := m["metadata"].(map[string]any)
		m["metadata"] = meta
		if meta == nil {
			m["metadata"] = map[string]any{"name": name}
		} else if meta["name"] == nil {
			meta["name"] = name
		}
		o, method, path, kind = m, "POST", p.collection()+p.query(s), "application/json"
		if s.Verb == "make" {
			method, path, kind = "PATCH", p.collection()+"/"+name+p.query(s, "fieldManager=maker"), "application/apply-patch+yaml"
		}
	case "update", "status":
		live, err := p.live(ctx, p.path)
		if err != nil {
			return "", "", "", nil, err
		}
		method, kind = "PUT", "application/json"
		if o = p.object(live, body); s.Verb == "status" {
			live["status"], o, path = s.Body, live, p.path+"/status"+p.query(s)
		}
	case "merge":
		o = body
		if p.head["root"] == nil {
			o = map[string]any{"spec": body}
		}
	case "mergestatus":
		o, path = map[string]any{"status": body}, p.path+"/status"+p.query(s)
	case "meta":
		o = map[string]any{"metadata": body}
	case "json":
		o, kind = s.Body, "application/json-patch+json"
	case "apply":
		m := p.object(nil, body)
		m["metadata"] = map[string]any{"name": p.path[strings.LastIndex(p.path, "/")+1:]}
		o, kind, path = m, "application/apply-patch+yaml", p.path+p.query(s, "fieldManager=maker", "force=true")
	}
	return method, path, kind, o, nil
}

// settle waits until the server's cache has the object as it was written: kube-apiserver tries a write on what its cache has
// first, and warns of that attempt as well, even if it then has to be done again on the object as it is.
func (p *player) settle(ctx context.Context, version string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		r, err := p.ask(ctx, "GET", p.path+"?resourceVersion=0", "", nil)
		if err != nil || r.of("resourceVersion") == version {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is never seen at %s: %d %.300s", p.path, version, r.code, r.body)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// object is an object with a body, over one that is there or a new one.
func (p *player) object(live, body map[string]any) map[string]any {
	o := map[string]any{}
	if p.head["root"] == nil {
		maps.Copy(o, live)
		if o["spec"] = body; body == nil {
			delete(o, "spec")
		}
	} else {
		maps.Copy(o, body)
		if live != nil {
			o["metadata"] = live["metadata"]
		}
	}
	o["apiVersion"], o["kind"] = p.d.Group()+"/v1", p.d.Kind()
	return o
}

// builtIn writes an object of the server's own kinds.
func (p *player) builtIn(ctx context.Context, b builtIn, s Step, body map[string]any) (string, error) {
	o := b.wrap(body)
	if whole, ok := body["whole"].(map[string]any); ok {
		o = maps.Clone(whole)
	}
	o["apiVersion"], o["kind"] = b.apiVersion, b.kind
	if slices.Contains(s.Words, "over") {
		live, err := p.live(ctx, p.path)
		if err != nil {
			return "", err
		}
		o["metadata"] = live["metadata"]
		r, err := p.ask(ctx, "PUT", p.path+p.query(s), "application/json", o)
		return r.told(), err
	}
	o["metadata"] = map[string]any{"name": fmt.Sprintf("%s-%d.%s", strings.ToLower(p.d.Kind()), p.made+1, p.d.File)}
	r, err := p.ask(ctx, "POST", b.path+p.query(s), "application/json", o)
	if err == nil && r.code == http.StatusCreated && !slices.Contains(s.Words, "dry") {
		p.made++
		p.path = b.path + "/" + r.of("name")
	}
	return r.told(), err
}

// query is that of a step's words and of others.
func (p *player) query(s Step, others ...string) string {
	for _, w := range s.Words {
		switch {
		case w == "dry":
			others = append(others, "dryRun=All")
		case strings.Contains(w, "="):
			others = append(others, w)
		}
	}
	if len(others) == 0 {
		return ""
	}
	return "?" + strings.Join(others, "&")
}

// live is the object at a path.
func (p *player) live(ctx context.Context, path string) (o map[string]any, err error) {
	r, err := p.ask(ctx, "GET", path, "", nil)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(r.body, &o); err != nil || r.code != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %d %.200s", path, r.code, r.body)
	}
	return o, nil
}

// reply is an answer as it came.
type reply struct {
	code     int
	warnings []string
	body     []byte
}

func (p *player) ask(ctx context.Context, method, path, kind string, body any) (r reply, err error) {
	var b []byte
	if body != nil {
		if b, err = json.Marshal(body); err != nil {
			return r, err
		}
	}
	q, err := http.NewRequestWithContext(ctx, method, p.URL+path, bytes.NewReader(b))
	if err != nil {
		return r, err
	}
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	} else if strings.HasSuffix(path, "?limit=1") {
		q.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
	}
	q.Header.Set("Authorization", "Bearer "+p.Token)
	answer, err := p.HTTP.Do(q)
	if err != nil {
		return r, err
	}
	defer answer.Body.Close()
	b, err = io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header["Warning"], b}, err
}

// of is a text of the metadata of the object in an answer.
func (r reply) of(field string) string {
	var o struct{ Metadata map[string]any }
	_ = json.Unmarshal(r.body, &o)
	s, _ := o.Metadata[field].(string)
	return s
}

// typeNames are those of the types of schemas, in which kube-apiserver has a number at random.
var typeNames = regexp.MustCompile(`selfType[0-9]+`)

// told is an answer as two servers must agree on it: the code, the warnings, and of a refusal reason, message and causes. Causes
// are sorted, and the message that lists them as well, because the order of errors over the properties of a map is not fixed.
func (r reply) told() string {
	var b strings.Builder
	_, _ = fmt.Fprint(&b, r.code)
	r.body = typeNames.ReplaceAll(r.body, []byte("selfType"))
	for _, w := range slices.Sorted(slices.Values(r.warnings)) {
		_, _ = fmt.Fprint(&b, "\nwarning ", w)
	}
	var s struct {
		Reason, Message string
		Details         struct {
			Kind   string
			Causes []struct{ Reason, Message, Field string }
		}
	}
	if r.code < 300 || json.Unmarshal(r.body, &s) != nil {
		return b.String()
	}
	causes := s.Details.Causes
	message := s.Message
	// With several errors the message is a list of them; those that are alike are in it once, though each is a cause.
	if head, list, ok := strings.Cut(message, " is invalid: ["); ok {
		var inOrder []string
		for _, c := range causes {
			inOrder = append(inOrder, c.Field+": "+c.Message)
		}
		if rest := strings.TrimSuffix(list, "]"); rest == strings.Join(unique(inOrder), ", ") {
			message = head + " is invalid: [the causes]"
		}
	} else if len(causes) == 1 && strings.HasSuffix(message, " is invalid: "+causes[0].Field+": "+causes[0].Message) {
		message = strings.TrimSuffix(message, causes[0].Field+": "+causes[0].Message) + "the cause"
	}
	_, _ = fmt.Fprintf(&b, " %s %s %s", cmp.Or(s.Reason, "-"), cmp.Or(s.Details.Kind, "-"), message)
	lines := make([]string, len(causes))
	for i, c := range causes {
		lines[i] = "\n" + c.Reason + " " + c.Field + ": " + c.Message
	}
	slices.Sort(lines)
	return b.String() + strings.Join(lines, "")
}

// unique is a list without what was in it before.
func unique(list []string) (out []string) {
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
