package storage

import (
	"bytes"
	"fmt"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Values. Upstream writes a built-in object in protobuf, with the magic bytes and the envelope that
// answers have, or in JSON with a line feed behind; each in the version that it stores the kind
// in. There is no resourceVersion in it: that is the revision of the key.
//
// A draft is the JSON of an answer already, so that writing mostly means to leave the place of
// the revision out. Reading is what upstream's decoding is: what the type does not know is dropped, what is
// missing gets its default, and another version or shape is converted.
//
//	{"apiVersion":"v1",…,"metadata":{"name":"a","resourceVersion":"","uid":"…"}}      draft
//	{"apiVersion":"v1",…,"metadata":{"name":"a","uid":"…"}}\n                         value

// Unreadable is the error of a value that is none of an object as it is served here, and not broken: a few
// short words, by which such values can be counted.
type Unreadable string

const (
	// Encrypted is the reason of a value that a kube-apiserver has encrypted.
	Encrypted Unreadable = "encrypted"
	// OtherKind is that of one of a kind or a version that is not known, or not where it belongs.
	OtherKind Unreadable = "unknown kind"
)

// Reason returns the words.
func (u Unreadable) Reason() string { return string(u) }

// Error says why the value cannot be read.
func (u Unreadable) Error() string { return "the value cannot be read: " + string(u) }

// encryptedPrefix begins the values of a kube-apiserver that encrypts what it stores.
const encryptedPrefix = "k8s:enc:"

// Encode returns the bytes that are kept of an object, which are its caller's. The bucket must be that of a
// kind of the table or of a custom resource.
func (c *Codec) Encode(bucket, _ string, d *store.Draft) ([]byte, error) {
	k := c.kinds[bucket]
	if k == nil && !strings.Contains(bucket, ".") {
		return nil, fmt.Errorf("no kind is stored in %q", bucket)
	}
	if k == nil || !k.protobuf && k.apiVersion == apiVersion(k.row, k.row.Version) {
		before, after := aroundRevision(d)
		return append(append(append(make([]byte, 0, len(before)+len(after)+1), before...), after...), '\n'), nil
	}
	if k.protobuf {
		e, _ := c.encoders.Get().(*kinds.ProtobufEncoder)
		if e == nil {
			e = new(kinds.ProtobufEncoder)
		}
		defer c.encoders.Put(e)
		return bytes.Clone(e.Object(k.row.Type(), k.apiVersion, k.row.Kind, d.JSON)), nil
	}
	obj, _, err := tree.ParseJSONObject(d.JSON)
	if err != nil {
		return nil, err
	}
	delete(tree.Metadata(obj), "resourceVersion")
	obj["apiVersion"] = k.apiVersion
	if k.toStored != nil {
		k.toStored(obj)
	}
	return append(tree.AppendJSON(nil, obj), '\n'), nil
}

// aroundRevision returns the JSON of a draft before and behind its resourceVersion, which is left out with
// one of the commas around it.
func aroundRevision(d *store.Draft) (before, after []byte) {
	before, after = d.JSON[:d.RevisionAt-len(`"resourceVersion":"`)], d.JSON[d.RevisionAt+1:]
	if after[0] == ',' {
		after = after[1:]
	} else {
		before = bytes.TrimSuffix(before, []byte(","))
	}
	return before, after
}

// Decode returns the object whose bytes are kept, which share nothing with the draft. The error is an
// Unreadable, or says what is wrong with the value.
//
// The values of selectable fields of a custom resource are those that its definition names, so definitions
// have to be decoded, or Seen, before their objects.
func (c *Codec) Decode(bucket, _ string, value []byte) (store.Draft, error) {
	obj, fields, err := c.decode(bucket, value)
	if err != nil {
		return store.Draft{}, err
	}
	return store.Encode(obj, kinds.FieldValues(obj, fields)), nil
}

// decode returns the object in the shape in which the store has it, and its selectable fields.
func (c *Codec) decode(bucket string, value []byte) (map[string]any, []kinds.Selectable, error) {
	if bytes.HasPrefix(value, []byte(encryptedPrefix)) {
		return nil, nil, Encrypted
	}
	k := c.kinds[bucket]
	if k == nil {
		obj, _, err := tree.ParseJSONObject(value)
		if err != nil {
			return nil, nil, err
		}
		c.mu.RLock()
		defer c.mu.RUnlock()
		return obj, c.selectable[bucket], nil
	}
	obj, form, err := k.parse(value)
	if err != nil {
		return nil, nil, err
	}
	if k.fromStored != nil {
		k.fromStored(obj)
	}
	shape := kinds.Shape{Row: form}
	if _, err := shape.Prune(obj); err != nil {
		return nil, nil, err
	}
	shape.Reduce(obj)
	shape.SetDefaults(obj)
	completeOwners(obj)
	if form == k.row {
		// It may have been another version.
		obj["apiVersion"] = apiVersion(form, form.Version)
	} else {
		form.ToStored(obj)
	}
	if k.complete != nil {
		k.complete(obj)
	}
	return obj, k.row.Fields, nil
}

// completeOwners gives each owner of an object its four names, in place: upstream's type leaves none out, and
// metadata have no defaults by which they would come.
func completeOwners(obj map[string]any) {
	for _, o := range tree.List(obj, "metadata", "ownerReferences") {
		if o, ok := o.(map[string]any); ok {
			for _, name := range [...]string{"apiVersion", "kind", "name", "uid"} {
				o[name] = tree.Text(o, name)
			}
		}
	}
}

// parse reads a value of either media type, and returns the row by whose type it is to be read.
func (k *kind) parse(value []byte) (map[string]any, *kinds.Row, error) {
	if !bytes.HasPrefix(value, []byte(kinds.ProtobufMagic)) {
		obj, _, err := tree.ParseJSONObject(value)
		if err != nil {
			return nil, nil, err
		}
		form := k.forms[tree.Text(obj, "apiVersion")]
		if form == nil || tree.Text(obj, "kind") != form.Kind {
			return nil, nil, OtherKind
		}
		return obj, form, nil
	}
	apiVersion, kind, raw, contentType, err := kinds.DecodeEnvelope(value)
	if err != nil {
		return nil, nil, err
	}
	form := k.forms[apiVersion]
	if form == nil || kind != form.Kind {
		return nil, nil, OtherKind
	}
	if contentType != "" {
		return nil, nil, fmt.Errorf("content of the type %q", contentType)
	}
	obj, err := kinds.DecodeProtobuf(raw, form.Type())
	if err != nil {
		return nil, nil, err
	}
	obj["apiVersion"], obj["kind"] = apiVersion, kind
	return obj, form, nil
}

// certificateRequestToStored adds the fields that v1beta1 has besides, in place: an older way to say what
// stubPKCS10Request says, which v1 does not show and upstream writes without values.
func certificateRequestToStored(obj map[string]any) {
	tree.Set(obj, nil, "spec", "pkixPublicKey")
	tree.Set(obj, nil, "spec", "proofOfPossession")
}
