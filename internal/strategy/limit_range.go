package strategy

import (
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// limitRules returns the rules of ranges of resources.
func limitRules() kinds.Rules {
	return kinds.Rules{"LimitRangeItem": {Default: limitRangeDefaults}}
}

// limitRangeDefaults gives a range of containers the limits and requests that it implies, as upstream's
// SetDefaults_LimitRangeItem does: a limit is the maximum, a request the limit or else the minimum.
func limitRangeDefaults(item map[string]any) {
	if tree.Text(item, "type") != "Container" {
		return
	}
	for _, d := range [...]struct{ field, from string }{{"default", "max"}, {"defaultRequest", "default"}, {"defaultRequest", "min"}} {
		for name, v := range tree.Object(item, d.from) {
			if tree.At(item, d.field, name) == nil {
				tree.Set(item, v, d.field, name)
			}
		}
	}
}
