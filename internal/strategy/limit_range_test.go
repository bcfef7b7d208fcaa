package strategy

import (
	"testing"

	"apichain/internal/tree"
)

// TestLimitRangeDefaults: what a range of containers implies, and that other ranges imply nothing.
func TestLimitRangeDefaults(t *testing.T) {
	for given, want := range map[string]string{
		`{"type":"Container"}`: `{"type":"Container"}`,
		`{"type":"Container","max":{"cpu":"2"},"min":{"cpu":"1","memory":"1Gi"}}`: `{"default":{"cpu":"2"},"defaultRequest":{"cpu":"2","memory":"1Gi"},"max":{"cpu":"2"},"min":{"cpu":"1","memory":"1Gi"},"type":"Container"}`,
		`{"type":"Container","default":{"cpu":"1"},"max":{"cpu":"2"}}`:            `{"default":{"cpu":"1"},"defaultRequest":{"cpu":"1"},"max":{"cpu":"2"},"type":"Container"}`,
		`{"type":"Pod","max":{"cpu":"2"}}`:                                        `{"max":{"cpu":"2"},"type":"Pod"}`,
	} {
		item, _, err := tree.ParseJSONObject([]byte(given))
		if err != nil {
			t.Fatal(err)
		}
		limitDefaults(item)
		if got := string(tree.AppendJSON(nil, item)); got != want {
			t.Errorf("%s\n got %s\nwant %s", given, got, want)
		}
	}
}
