package kinds

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestUpstreamObjects reads an object of every kind with every field, as upstream keeps them to
// know that its encodings stay what they are: the module k8s.io/api has a folder with each as JSON
// and as protobuf. The folder is given by the environment, because this module requires no other;
// interop gives it.
//
// Both forms are the same tree; and what is encoded of it is the very JSON, but for the order of the
// keys, and the very protobuf.
func TestUpstreamObjects(t *testing.T) {
	folder := os.Getenv("APICHAIN_TESTDATA")
	if folder == "" {
		t.Skip("APICHAIN_TESTDATA names no folder with k8s.io/api's objects")
	}
	table := kindsForTest(t)
	seen := 0
	names, _ := filepath.Glob(filepath.Join(folder, "*.json"))
	for _, name := range names {
		name = strings.TrimSuffix(name, ".json")
		// GROUP.VERSION.KIND, and the group has dots.
		parts := strings.Split(filepath.Base(name), ".")
		n := len(parts)
		group, version, kind := strings.Join(parts[:n-2], "."), parts[n-2], parts[n-1]
		if group == "core" {
			group = ""
		}
		row := table.Kind(group, version, kind)
		if row == nil {
			continue
		}
		seen++
		text, err := os.ReadFile(name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		message, err := os.ReadFile(name + ".pb")
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := tree.ParseJSONObject(text)
		if err != nil {
			t.Fatal(err)
		}
		sameAsUpstream(t, row, want, message)
	}
	t.Logf("%d objects", seen)
	if seen < 15 {
		t.Errorf("%d objects are of kinds that are here", seen)
	}
}

// sameAsUpstream compares an object as JSON has it with the same in protobuf.
func sameAsUpstream(t *testing.T, row *Row, want map[string]any, message []byte) {
	text := tree.AppendJSON(nil, want)
	if unknown, err := Prune(row.Type(), want); err != nil || len(unknown) > 0 {
		t.Errorf("%s: %v, %v", row.Kind, err, unknown)
	}
	if pruned := tree.AppendJSON(nil, want); !bytes.Equal(pruned, text) {
		t.Errorf("%s changes by pruning:\n%s\n%s", row.Kind, text, pruned)
	}
	apiVersion, kind, raw, _, err := DecodeEnvelope(message)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeProtobuf(raw, row.Type())
	if err != nil {
		t.Fatalf("%s: %v", row.Kind, err)
	}
	got["kind"], got["apiVersion"] = kind, apiVersion
	if got := tree.AppendJSON(nil, got); !bytes.Equal(got, text) {
		t.Errorf("%s of protobuf:\n%s\nof JSON:\n%s", row.Kind, got, text)
	}
	var e ProtobufEncoder
	if got := e.Object(row.Type(), apiVersion, kind, text); !bytes.Equal(got, message) {
		at := 0
		for at < min(len(got), len(message)) && got[at] == message[at] {
			at++
		}
		part := func(b []byte) []byte { return b[max(0, at-40):min(len(b), at+60)] }
		t.Errorf("%s in protobuf, from %d of %d: %q, want %q", row.Kind, at, len(message), part(got), part(message))
	}
}
