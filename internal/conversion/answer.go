package conversion

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What a webhook answers, and upstream's checks of it, in their order and their words. Reviews of v1beta1 need say
// neither what they are nor to which question they belong, since upstream did not look at that at first.

// answer is a review that has been read.
type answer struct {
	apiVersion, kind string
	// response says that there is one, and the rest is its.
	response             bool
	uid, status, message string
	objects              []any
}

// readAnswer reads a review of the version that was asked for. The error is that of upstream's decoder: of a text that is
// no review, or of a field of another type.
func (c *converter) readAnswer(body []byte) (a answer, err error) {
	v, err := parse(body)
	if err != nil {
		return a, fmt.Errorf("couldn't get version/kind; json parse error: %w", err)
	}
	review, ok := v.(map[string]any)
	if !ok && v != nil {
		const wanted = ` into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`
		return a, errors.New("couldn't get version/kind; json parse error: json: cannot unmarshal " + tree.TypeName(v) + wanted)
	}
	if a.apiVersion, a.kind = tree.Text(review, "apiVersion"), tree.Text(review, "kind"); strings.Count(a.apiVersion, "/") > 1 {
		return a, fmt.Errorf("unexpected GroupVersion string: %s", a.apiVersion)
	}
	// Before any field: of something else the fields mean nothing.
	version, mismatch, err := c.typeOf(a.apiVersion, a.kind)
	if err != nil {
		return a, err
	}
	// In the order of upstream's type, since the first error is the one that is told.
	d := decoder{}
	response, _ := d.field("ConversionReview.response", version+".ConversionResponse", review["response"], map[string]any{}).(map[string]any)
	a.response = response != nil
	a.uid, _ = d.field("ConversionResponse.response.uid", "types.UID", response["uid"], "").(string)
	const objects = "convertedObjects"
	a.objects, _ = d.field("ConversionResponse.response."+objects, "[]runtime.RawExtension", response[objects], []any{}).([]any)
	result, _ := d.field("ConversionResponse.response.result", "v1.Status", response["result"], map[string]any{}).(map[string]any)
	a.status, _ = d.field("Status.response.result.status", "string", result["status"], "").(string)
	a.message, _ = d.field("Status.response.result.message", "string", result["message"], "").(string)
	// What it is counts when all of it can be read.
	if d.err == nil {
		d.err = mismatch
	}
	return a, d.err
}

// parse reads JSON, or YAML, which upstream's decoder takes too.
func parse(body []byte) (any, error) {
	v, _, err := tree.ParseJSON(body)
	if err == nil {
		return v, nil
	}
	// Only now: nearly every answer is JSON.
	docs, yamlErr := tree.ParseYAML(body)
	switch {
	// The error of JSON, which is what it was meant to be.
	case yamlErr != nil:
		return nil, err
	case len(docs) == 0:
		return nil, nil
	}
	// What comes behind the first document is not looked at.
	return docs[0], nil
}

// typeOf returns the version of a review that says what it is; what it does not say is what was asked for. The errors are
// those of upstream's decoder for something else, and for a review of another version, which it reads first.
func (c *converter) typeOf(apiVersion, kind string) (version string, mismatch, err error) {
	const group = "apiextensions.k8s.io/"
	if apiVersion == "" {
		apiVersion = group + c.version
	}
	if kind == "" {
		kind = "ConversionReview"
	}
	version, ours := strings.CutPrefix(apiVersion, group)
	switch {
	case apiVersion == "v1" && kind == "Status":
		return "", nil, fmt.Errorf("converting (v1.Status) to (%s.ConversionReview): unknown conversion", c.version)
	case !ours || kind != "ConversionReview" || version != "v1" && version != "v1beta1":
		return "", nil, fmt.Errorf("no kind %q is registered for version %q in scheme \"pkg/runtime/scheme.go:111\"", kind, apiVersion)
	case version != c.version:
		mismatch = fmt.Errorf("converting (%s.ConversionReview) to (%s.ConversionReview): unknown conversion", version, c.version)
	}
	return version, mismatch, nil
}

// decoder takes fields of a type out of a tree. Its error is that of the first that is of another.
type decoder struct{ err error }

// field returns v, which is nil or of the type of like, else nil. The error names the field and its type in Go.
func (d *decoder) field(name, typ string, v, like any) any {
	// null is as good as absent, for every type.
	if v == nil || fmt.Sprintf("%T", v) == fmt.Sprintf("%T", like) {
		return v
	}
	if d.err == nil {
		d.err = fmt.Errorf("json: cannot unmarshal %s into Go struct field %s of type %s", tree.TypeName(v), name, typ)
	}
	return nil
}

// check returns what is wrong with a review as a whole, given the version and the uid of the question.
func (a *answer) check(version, uid string) error {
	const wanted = "apiextensions.k8s.io/v1, Kind=ConversionReview"
	got := kindText(map[string]any{"apiVersion": a.apiVersion, "kind": a.kind})
	switch {
	case version == "v1" && got != wanted:
		return fmt.Errorf("expected webhook response of %s, got %s", wanted, got)
	case !a.response:
		return fmt.Errorf("no response provided")
	// Else it could be the answer to another question, of another time.
	case version == "v1" && a.uid != uid:
		return fmt.Errorf("expected response.uid=%q, got %q", uid, a.uid)
	// Whatever it says beside that.
	case a.status == "Success":
		return nil
	case a.message != "":
		return fmt.Errorf("%s", a.message)
	}
	return fmt.Errorf("response.result.status was '%s', not 'Success'", a.status)
}

// place says of which object of which review an error is.
type place struct {
	kind  string
	index int
	// many says that the review has more than one, of which upstream speaks otherwise.
	many bool
}

// object returns the head of an error about an object, and what of it is invalid.
func (p place) object(what string) string {
	if p.many {
		what = map[string]string{"object": "converted object", "metadata": "metadata in object"}[what]
		return fmt.Sprintf("conversion webhook for %s returned invalid %s at index %d: ", p.kind, what, p.index)
	}
	return "conversion webhook for " + p.kind + " returned invalid " + what + ": "
}

// checked returns a converted object with the metadata of the original put back, but for labels and annotations. The
// original is not changed, and shares nothing with it.
func checked(original map[string]any, given any, apiVersion string, at place) (map[string]any, error) {
	// Upstream says where it stands only in a review of many.
	obj, err := objectOf(given)
	if err != nil {
		if at.many {
			return nil, fmt.Errorf("%s%w", at.object("object"), err)
		}
		return nil, err
	}
	// In a review of one object upstream says where it is in two of its texts.
	typeHead := at.object("object")
	if !at.many {
		typeHead = strings.TrimSuffix(typeHead, ": ") + " at index 0: "
	}
	if got := tree.Text(obj, "apiVersion"); got != apiVersion {
		return nil, fmt.Errorf("%sinvalid groupVersion (expected %s, received %s)", typeHead, apiVersion, got)
	}
	// Conversion is between versions of one kind.
	if e, a := tree.Text(original, "kind"), tree.Text(obj, "kind"); e != a {
		return nil, fmt.Errorf("%sinvalid kind (expected %s, received %s)", typeHead, e, a)
	}
	// These are what tells objects apart, and are refused if they differ; of the rest the original's is put back without a word.
	for _, f := range [...][2]string{{"name", "name"}, {"namespace", "namespace"}, {"uid", "UID"}} {
		if e, a := tree.Text(original, "metadata", f[0]), tree.Text(obj, "metadata", f[0]); e != a {
			return nil, fmt.Errorf("%smust have the same %s: %s != %s", at.object("object"), f[1], e, a)
		}
	}
	if err := restoreMetadata(original, obj); err != nil {
		return nil, fmt.Errorf("%s%w", at.object("metadata"), err)
	}
	return obj, nil
}

// kindMissing begins what upstream says of an object without a kind.
const kindMissing = "Object 'Kind' is missing in "

// objectOf returns what a webhook gives as an object, if it is one.
func objectOf(given any) (map[string]any, error) {
	if given == nil {
		return nil, fmt.Errorf("unexpected end of JSON input")
	}
	obj, ok := given.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("json: cannot unmarshal %s into Go value of type map[string]interface {}", tree.TypeName(given))
	}
	// Upstream finds no kind either where the version cannot be read.
	if tree.Text(obj, "kind") == "" || strings.Count(tree.Text(obj, "apiVersion"), "/") > 1 {
		return nil, errors.New(kindMissing + "'" + string(tree.AppendJSON(nil, obj)) + "'")
	}
	return obj, nil
}

// restoreMetadata gives a converted object the metadata of the original, with its own labels and annotations.
func restoreMetadata(original, converted map[string]any) error {
	// Objects without any do not come so far: their names would differ.
	v, there := converted["metadata"]
	if !there {
		return fmt.Errorf("missing metadata in converted object")
	}
	given, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("invalid metadata of type %T in converted object", v)
	}
	// A copy, since the original may be in a cache that others read.
	m, _ := tree.Copy(original["metadata"]).(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	converted["metadata"] = m
	for _, name := range [...]string{"labels", "annotations"} {
		if given[name] == nil {
			// Taken away by the webhook, which it may.
			delete(m, name)
			continue
		}
		texts, ok := given[name].(map[string]any)
		if !ok {
			return fmt.Errorf("invalid metadata.%s of type %T in converted object", name, given[name])
		}
		for _, k := range tree.SortedKeys(texts) {
			if _, ok := texts[k].(string); !ok {
				return fmt.Errorf("metadata.%s[%s] must be a string, but is %T in converted object", name, k, texts[k])
			}
		}
		// What was good enough to be stored is so again.
		if !tree.Equal(texts, m[name]) {
			if errs := textErrors(name, texts); len(errs) > 0 {
				return aggregate(errs)
			}
		}
		m[name] = texts
	}
	return nil
}

// aggregate returns errors as one, as upstream joins them.
func aggregate(errs []field.Error) error {
	var texts []string
	for i := range errs {
		// One that several keys have in common is told once.
		if t := errs[i].String(); !slices.Contains(texts, t) {
			texts = append(texts, t)
		}
	}
	if len(texts) == 1 {
		return errors.New(texts[0])
	}
	return errors.New("[" + strings.Join(texts, ", ") + "]")
}

// mostAnnotations is how many bytes all annotations may have together (upstream).
const mostAnnotations = 256 << 10

// textErrors returns what is wrong with labels or annotations, whose path upstream spells without the s here.
func textErrors(name string, texts map[string]any) (errs []field.Error) {
	size := 0
	for _, k := range tree.SortedKeys(texts) {
		v, _ := texts[k].(string)
		// Keys count as well as values.
		size += len(k) + len(v)
		if name == "labels" {
			for _, why := range field.LabelKeyErrors(k) {
				errs = append(errs, field.Invalid("metadata.labels", k, why))
			}
			for _, why := range field.LabelValueErrors(v) {
				errs = append(errs, field.Invalid("metadata.labels", v, why))
			}
			continue
		}
		// Keys of annotations may have capitals also in their prefix.
		for _, why := range field.LabelKeyErrors(strings.ToLower(k)) {
			errs = append(errs, field.Invalid("metadata.annotation", k, why))
		}
	}
	if name == "annotations" && size > mostAnnotations {
		errs = append(errs, field.TooLong("metadata.annotation", mostAnnotations))
	}
	return errs
}
