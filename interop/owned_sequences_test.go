package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// Sequences of writes to one object, by several managers and in every way a client has, are played to a server. Its answers,
// with the owners in them, are those of kube-apiserver, which testdata/owned.jsonl.gz has.
//
// What is asked depends on the seed and, as with clients, on the object that the server has.
//
//	APICHAIN_OWNED=60 go test -run TestOwnedSequences .       # as many of each kind; what is not recorded needs APICHAIN_REFERENCE

// sequence is one object and what is done to it.
type sequence struct {
	*grower
	kind   *ownedKind
	path   string
	config map[string]object // what each manager applied last
}

// step asks for something of an object that is there, or nil.
type step func(s *sequence, live object) ask

// recordedSequences of each kind are in the recording, and stepsOfSequence are in each.
const (
	recordedSequences = 10
	stepsOfSequence   = 9
)

// equalShare is how many of a hundred sequences the program must answer as kube-apiserver does. What is left is in the log.
const equalShare = 99.0

// ways are what clients do, and how often.
var ways = []struct {
	name   string
	weight int
	step   step
}{
	{"apply", 28, (*sequence).apply},
	{"kubectl apply", 8, (*sequence).kubectlApply},
	{"kubectl apply --server-side", 4, (*sequence).kubectlServerSide},
	{"create or update", 10, (*sequence).update},
	{"merge patch", 8, (*sequence).mergePatch},
	{"strategic patch", 6, (*sequence).strategicPatch},
	{"JSON patch", 6, (*sequence).patchJSON},
	{"status", 8, (*sequence).status},
	{"scale", 4, (*sequence).scale},
	{"owners", 5, (*sequence).owners},
	{"odd", 5, (*sequence).odd},
	{"delete", 2, (*sequence).delete},
}

// newSequence is the number's of a kind.
func newSequence(k *ownedKind, number int) *sequence {
	seed := rand.NewPCG(uint64(number), uint64(len(k.Path))<<8+uint64(k.plural()[0]))
	name := "own-" + strconv.Itoa(number)
	return &sequence{&grower{rand.New(seed), name}, k, k.Path + "/" + name, map[string]object{}}
}

// next is the next request.
func (s *sequence) next(live object) ask {
	if live == nil && s.chance(0.8) {
		q := pick(s.grower, (*sequence).apply, (*sequence).kubectlApply, (*sequence).update)(s, live)
		q.name = "first " + q.name
		return q
	}
	sum := 0
	for _, w := range ways {
		sum += w.weight
	}
	for n := s.IntN(sum); ; {
		for _, w := range ways {
			if n -= w.weight; n < 0 {
				q := w.step(s, live)
				if s.chance(0.06) {
					q = q.with("dryRun=All")
				}
				return q
			}
		}
	}
}

// with is a request with another parameter.
func (q ask) with(parameter string) ask {
	join := "?"
	if strings.Contains(q.path, "?") {
		join = "&"
	}
	q.path += join + parameter
	return q
}

// by is a request of a manager, who is named by a parameter or by the client's name.
func (s *sequence) by(q ask) ask {
	manager := pick(s.grower, "alice", "bob", "carol", "dave")
	if s.chance(0.4) {
		q.agent = manager + "/v1.0 (linux)"
		return q
	}
	return q.with("fieldManager=" + manager)
}

// where is the path and the template of a version.
func (s *sequence) where() (string, object) {
	if s.kind.Also != nil && s.chance(0.3) {
		return s.kind.Also.Path + "/" + s.name, s.kind.Also.Object
	}
	return s.path, s.kind.Object
}

func (s *sequence) apply(live object) ask {
	path, template := s.where()
	manager := pick(s.grower, "ann", "ben", "cid")
	config, again := s.config[manager+path]
	switch {
	case again && s.chance(0.3): // the same again
	case again && s.chance(0.3): // less of it
		config = s.pruned(config, template)
	case live == nil || s.chance(0.3):
		config = s.whole(template)
	default:
		config = s.part(template)
	}
	s.config[manager+path] = config
	q := ask{name: "apply by " + manager, method: "PATCH", path: path, kind: "apply", body: text(config)}.with("fieldManager=" + manager)
	if s.chance(0.4) {
		q = q.with("force=true")
	}
	if s.chance(0.1) {
		q = q.with("fieldValidation=" + pick(s.grower, "Strict", "Ignore", "Warn"))
	}
	return q
}

// lastApplied is where kubectl keeps what it applied.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// kubectlApply computes the patch that kubectl does.
func (s *sequence) kubectlApply(live object) ask {
	config := s.whole(s.kind.Object)
	annotate := func(o object) object {
		m := maps.Clone(o["metadata"].(object))
		notes, _ := m["annotations"].(object)
		notes = maps.Clone(notes)
		if notes == nil {
			notes = object{}
		}
		delete(notes, lastApplied)
		m["annotations"] = notes
		o = maps.Clone(o)
		o["metadata"] = m
		original := text(o)
		notes[lastApplied] = original + "\n"
		return o
	}
	modified := text(annotate(config))
	q := ask{name: "kubectl apply", method: "POST", path: s.kind.Path, body: modified}.with("fieldManager=kubectl-client-side-apply").with("fieldValidation=Strict")
	if live == nil {
		return q
	}
	q.method, q.path, q.kind = "PATCH", strings.Replace(q.path, s.kind.Path, s.path, 1), "merge"
	original, current := []byte(nil), []byte(text(live))
	if last := textAt(live, "metadata", "annotations", lastApplied); last != "" {
		original = []byte(last)
	}
	var patch []byte
	var err error
	if s.kind.builtin() {
		q.kind = "strategic"
		typed, e := scheme.Scheme.New(schema.FromAPIVersionAndKind(textAt(config, "apiVersion"), textAt(config, "kind")))
		if e != nil {
			panic(e) // of the file
		}
		meta, e := strategicpatch.NewPatchMetaFromStruct(typed)
		patch, err = strategicpatch.CreateThreeWayMergePatch(original, []byte(modified), current, meta, true)
		err = errors.Join(e, err)
	} else {
		patch, err = jsonmergepatch.CreateThreeWayJSONMergePatch(original, []byte(modified), current)
	}
	if q.body = string(patch); err != nil {
		q.body = "{}"
	}
	return q
}

func (s *sequence) kubectlServerSide(object) ask {
	config := s.whole(s.kind.Object)
	q := ask{name: "kubectl apply --server-side", method: "PATCH", path: s.path, kind: "apply", body: text(config)}.with("fieldManager=kubectl").with("fieldValidation=Strict")
	if s.chance(0.3) {
		q = q.with("force=true")
	}
	return q
}

func (s *sequence) update(live object) ask {
	if live == nil {
		return s.by(ask{name: "create", method: "POST", path: s.kind.Path, body: text(s.whole(s.kind.Object))})
	}
	next := s.pruned(merged(live, s.part(s.kind.Object)), s.kind.Object)
	if s.chance(0.3) {
		delete(next["metadata"].(object), "resourceVersion")
	}
	if s.chance(0.3) {
		delete(next["metadata"].(object), "managedFields")
	}
	return s.by(ask{name: "update", method: "PUT", path: s.path, body: text(next)})
}

func (s *sequence) mergePatch(object) ask {
	path, template := s.where()
	patch := s.part(template)
	s.nulls(patch)
	return s.by(ask{name: "merge patch", method: "PATCH", path: path, kind: "merge", body: text(patch)})
}

// nulls makes some values of a merge patch null.
func (s *sequence) nulls(patch object) {
	for _, k := range keys(patch) {
		if inner, ok := patch[k].(object); ok && s.chance(0.8) {
			s.nulls(inner)
		} else if s.chance(0.2) && k != "kind" && k != "apiVersion" && k != "name" {
			patch[k] = nil
		}
	}
}

func (s *sequence) strategicPatch(object) ask {
	if !s.kind.builtin() && s.chance(0.8) {
		return s.mergePatch(nil)
	}
	return s.by(ask{name: "strategic patch", method: "PATCH", path: s.path, kind: "strategic", body: text(s.part(s.kind.Object))})
}

func (s *sequence) patchJSON(live object) ask {
	return s.by(ask{name: "JSON patch", method: "PATCH", path: s.path, kind: "jsonpatch", body: text(s.jsonPatch(live, s.whole(s.kind.Object)))})
}

// status writes to the subresource, with something that is none of its business.
func (s *sequence) status(live object) ask {
	if s.kind.Status == nil {
		return s.mergePatch(live)
	}
	path := s.path + "/status"
	said := object{"status": s.part(s.kind.Status)}
	if s.chance(0.3) {
		said = merged(s.part(s.kind.Object), said)
	}
	switch {
	case live != nil && s.chance(0.4):
		return s.by(ask{name: "status update", method: "PUT", path: path, body: text(merged(live, said))})
	case s.chance(0.5):
		return s.by(ask{name: "status patch", method: "PATCH", path: path, kind: "merge", body: text(said)})
	}
	said = merged(object{"apiVersion": s.kind.Object["apiVersion!"], "kind": s.kind.Object["kind!"], "metadata": object{"name": s.name}}, said)
	q := ask{name: "status apply", method: "PATCH", path: path, kind: "apply", body: text(said)}.with("fieldManager=" + pick(s.grower, "ann", "keeper"))
	if s.chance(0.5) {
		q = q.with("force=true")
	}
	return q
}

func (s *sequence) scale(live object) ask {
	if !s.kind.Scale {
		return s.update(live)
	}
	path := s.path + "/scale"
	scale := object{"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": object{"name": s.name, "namespace": "own"}, "spec": object{"replicas": 1 + s.IntN(3)}}
	// Other managers than those of the object: the entries of replica sets and controllers do not say that they are of a subresource, and
	// which of two that are called alike is lost with the next write depends on their times.
	manager := "fieldManager=" + pick(s.grower, "erin", "frank")
	switch {
	case s.chance(0.4):
		return ask{name: "scale update", method: "PUT", path: path, body: text(scale)}.with(manager)
	case s.chance(0.5), !s.kind.builtin(): // to apply it is 500 at kube-apiserver where nobody has scaled before
		return ask{name: "scale patch", method: "PATCH", path: path, kind: "merge", body: text(object{"spec": scale["spec"]})}.with(manager)
	}
	delete(scale["metadata"].(object), "namespace")
	q := ask{name: "scale apply", method: "PATCH", path: path, kind: "apply", body: text(scale)}.with("fieldManager=" + pick(s.grower, "ann", "scaler"))
	if s.chance(0.6) {
		q = q.with("force=true")
	}
	return q
}

// owners writes what the server keeps itself.
func (s *sequence) owners(live object) ask {
	entries, _ := at(live, "metadata", "managedFields").([]any)
	set := func(v any) object { return object{"metadata": object{"managedFields": v}} }
	changed := func(change func(entry object)) object {
		list := []any{}
		for _, e := range entries {
			list = append(list, maps.Clone(e.(object)))
		}
		inOrder := slices.Clone(list) // which does not depend on times
		slices.SortFunc(inOrder, func(a, b any) int { return strings.Compare(timeless(a), timeless(b)) })
		for _, e := range inOrder {
			if s.chance(0.5) {
				change(e.(object))
			}
		}
		return set(list)
	}
	said := pick(s.grower,
		func() object { return set([]any{}) },
		func() object { return set([]any{object{}}) },
		func() object { return set(nil) },
		func() object { return changed(func(e object) { e["manager"] = "heir" }) },
		func() object {
			return changed(func(e object) { e["operation"] = pick(s.grower, "Apply", "Update", "Odd", "") })
		},
		func() object {
			return changed(func(e object) { e["apiVersion"] = pick(s.grower, "gone.example.com/v9", "v1", "") })
		},
		func() object { return changed(func(e object) { delete(e, "fieldsV1") }) },
		func() object {
			return changed(func(e object) { e["fieldsV1"] = object{"f:metadata": object{"f:odd": object{}}, "x": object{}} })
		},
		func() object {
			return changed(func(e object) { e["fieldsV1"] = object{"f:metadata": object{"f:labels": object{"f:a": object{}}}} })
		},
		func() object { return changed(func(e object) { e["fieldsType"] = "FieldsV2" }) },
	)()
	switch {
	case live != nil && s.chance(0.4):
		next := merged(live, said)
		if s.chance(0.3) {
			next = merged(next, s.part(s.kind.Object))
		}
		return s.by(ask{name: "owners update", method: "PUT", path: s.path, body: text(next)})
	case s.chance(0.1):
		config := merged(s.part(s.kind.Object), said)
		return ask{name: "owners apply", method: "PATCH", path: s.path, kind: "apply", body: text(config)}.with("fieldManager=ann")
	case s.chance(0.3) && s.kind.Status != nil:
		return s.by(ask{name: "owners of status", method: "PATCH", path: s.path + "/status", kind: "merge", body: text(said)})
	}
	return s.by(ask{name: "owners patch", method: "PATCH", path: s.path, kind: "merge", body: text(said)})
}

// timeless is the text of an entry without its time.
func timeless(entry any) string { return timeOfEntry.ReplaceAllString(text(entry), "") }

// odd are applied configurations that are refused, or ought to be looked at.
func (s *sequence) odd(live object) ask {
	config := s.part(s.kind.Object)
	meta := config["metadata"].(object)
	q := ask{name: "odd apply", method: "PATCH", path: s.path + "?fieldManager=ann", kind: "apply"}
	body := ""
	pick(s.grower,
		func() { q.path = s.path },
		func() { q = q.with("fieldManager=" + strings.Repeat("x", 129)) },
		func() { delete(config, "apiVersion") },
		func() { delete(config, "kind") },
		func() { config["kind"] = "Odd" },
		func() { config["apiVersion"] = pick(s.grower, "odd/v1", "v2", "a/b/c") },
		func() { meta["name"] = "other" },
		func() { delete(meta, "name") },
		func() { meta["namespace"] = "other" },
		func() { meta["uid"] = "88e00824-7f0e-11e8-94a1-c8d3ffb15800" },
		func() { meta["resourceVersion"] = "1" },
		func() { config["odd"] = 1 },
		func() { config["spec"] = object{"odd": object{"a": 1}} },
		func() { config["spec"] = "text" },
		func() { meta["labels"] = object{"a": 1} },
		func() { meta["labels"] = []any{"a"} },
		func() { meta["labels"] = nil },
		func() { meta["labels"] = object{"a": nil} },
		func() { meta["finalizers"] = []any{"example.com/a", "example.com/a"} },
		func() { meta["finalizers"] = []any{nil} },
		func() { meta["finalizers"] = "example.com/a" },
		func() { meta["ownerReferences"] = []any{object{"name": "a"}} },
		func() {
			r := object{"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "u-1"}
			meta["ownerReferences"] = []any{r, r}
		},
		func() { meta["creationTimestamp"] = nil },
		func() { meta["generation"] = 5 },
		func() { body = "{" },
		func() { body = "[]" },
		func() { body = "text" },
		func() { body = "a: b: c" },
		func() { body = strings.Replace(text(config), `"kind"`, `"kind":"Twice","kind"`, 1) },
		func() {
			q.path = s.path + "/status?fieldManager=ann"
			config["status"] = object{"odd": 1}
		},
		func() { q.kind = "application/apply-patch+json" },
		func() { q = q.with("force=odd") },
		func() { q.kind = "merge"; q = q.with("force=true") },
	)()
	if q.body = body; body == "" {
		q.body = text(config)
	}
	return q
}

func (s *sequence) delete(object) ask {
	if s.kind.plural() == "namespaces" {
		return s.apply(nil)
	}
	return ask{name: "delete", method: "DELETE", path: s.path + "?propagationPolicy=Background"}
}

// play plays a sequence to a server until its answer is not the wanted one, and returns the answers. After what a
// subresource answers comes the object.
func (s *sequence) play(ctx context.Context, w *owned, want []string) (answers []string, err error) {
	for i := range stepsOfSequence {
		live, err := w.live(ctx, s.path)
		if err != nil {
			return nil, err
		}
		if at(live, "kind") == "Status" {
			return nil, fmt.Errorf("%s: %v", s.path, live)
		}
		q := s.next(live)
		r, err := w.send(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.path, err)
		}
		answer := w.told(s.path, r)
		if q.method == "DELETE" { // whether it is the last version that is answered, or the one of the removal
			answer = strings.Replace(answer, " written", " kept", 1)
		}
		if strings.Contains(q.path, "/scale") {
			r, err := w.send(ctx, ask{method: "GET", path: s.path})
			if err != nil {
				return nil, err
			}
			answer += "\n" + w.told(s.path, r)
		}
		answers = append(answers, answer)
		if i < len(want) && answer != want[i] {
			return answers, fmt.Errorf("step %d, %s: %s %s (%s)\n%.1500s\n%s", i+1, q.name, q.method, q.path, q.kind, q.body, firstDifference(answer, want[i]))
		}
	}
	return answers, nil
}

// TestOwnedSequences plays the recorded ones to the program or, with APICHAIN_OWNED, as many as that of each kind to both servers.
func TestOwnedSequences(t *testing.T) {
	number := recordedSequences
	if text := os.Getenv("APICHAIN_OWNED"); text != "" {
		if _, err := fmt.Sscan(text, &number); err != nil {
			t.Fatalf("APICHAIN_OWNED is no number: %v", err)
		}
	}
	c := openRecording(t, "owned.jsonl.gz")
	if number > recordedSequences { // the reference's answers come first
		c.want = playAll(t, os.Getenv("APICHAIN_REFERENCE"), number, nil)
		playAll(t, folderOf(t), number, c.want)
		return
	}
	eachServer(t, func(t *testing.T, folder string) {
		want := c.want
		if os.Getenv("APICHAIN_WRITE") != "" {
			want = nil
		}
		c.keep(t, folder, playAll(t, folder, number, want))
	})
}

// playAll plays a number of sequences of each kind to a server that it starts, says how many were as wanted, and returns the answers.
func playAll(t *testing.T, folder string, number int, want map[string][]string) map[string][]string {
	t.Helper()
	f := startFront(t, folder, startEtcd(t, 1).servers(), "--disable-admission-plugins=ServiceAccount")
	f.must(t, "create namespace own", "")
	definitions, err := os.ReadFile(testdata(t, "owned_definitions.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	f.must(t, "create -f -", string(definitions))
	f.must(t, "wait --for=condition=Established crd --all --timeout=30s", "")
	var (
		mu     sync.Mutex
		got    = map[string][]string{}
		right  = map[string]int{}
		shown  = map[string]int{}
		wait   sync.WaitGroup
		kinds  = ownedKinds(t)
		queued = make(chan *ownedKind)
	)
	for range 4 {
		wait.Go(func() {
			for k := range queued {
				w := newOwned(f.ask("the server"))
				for n := range number {
					name := fmt.Sprintf("%s/%d", k.plural(), n)
					answers, err := newSequence(k, n).play(t.Context(), w, want[name])
					mu.Lock()
					got[name] = answers
					if err == nil {
						right[k.plural()]++
					} else if shown[k.plural()]++; shown[k.plural()] <= 3 {
						t.Logf("%s: %v", name, err)
					}
					mu.Unlock()
				}
			}
		})
	}
	for _, k := range kinds {
		queued <- k
	}
	close(queued)
	wait.Wait()
	sum := 0
	for _, k := range kinds {
		if sum += right[k.plural()]; right[k.plural()] < number {
			t.Logf("%s: %d of %d", k.plural(), right[k.plural()], number)
		}
	}
	share := 100 * float64(sum) / float64(number*len(kinds))
	t.Logf("%d of %d sequences (%.2f %%) of %d kinds are as wanted", sum, number*len(kinds), share, len(kinds))
	if share < equalShare {
		t.Errorf("fewer than %v %%", equalShare)
	}
	return got
}

// TestOwnedGrowth grows each kind's first sequence twice, the same.
func TestOwnedGrowth(t *testing.T) {
	for _, k := range ownedKinds(t) {
		a, b := newSequence(k, 1), newSequence(k, 1)
		var x, y []string
		for range stepsOfSequence {
			x = append(x, a.next(nil).body)
			y = append(y, b.next(nil).body)
		}
		if !slices.Equal(x, y) {
			t.Errorf("%s: %v\n%v", k.plural(), x, y)
		}
		if !json.Valid([]byte(x[0])) {
			t.Errorf("%s: %s", k.plural(), x[0])
		}
	}
}
