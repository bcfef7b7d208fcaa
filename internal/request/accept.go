package request

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Clause is one media range of an Accept header (RFC 9110, 12.5.1) with the parameters that
// Kubernetes gives a meaning. g, v and as ask for the answer in the form of another object:
// as=Table;g=meta.k8s.io;v=v1 is what kubectl get sends.
type Clause struct {
	// MediaType is in lower case. It is a type, type/* or */*.
	MediaType string

	// Group, Version and As are the parameters g, v and as, in the client's spelling.
	Group   string
	Version string
	As      string

	// Weight is q, above 0 and at most 1.
	Weight float64
}

// ParseAccept returns the clauses of an Accept header, whose lines count as one list, best
// first: by weight, then types before wildcards (upstream), and as given among equals. What
// is no media range is left out, as is weight 0, which the RFC calls not acceptable. No
// header at all, or nothing in it, is */*; but one of which nothing is left is an empty
// list, which no answer satisfies.
func ParseAccept(lines []string) []Clause {
	var out []Clause
	given := false
	for _, line := range lines {
		// A comma in a quoted parameter cuts a clause in two, and neither half is a media
		// range then. No parameter that means something here has a comma.
		for clause := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(clause) == "" {
				continue
			}
			given = true
			if c, ok := parseClause(clause); ok && c.Weight > 0 {
				out = append(out, c)
			}
		}
	}
	if !given {
		return []Clause{{MediaType: "*/*", Weight: 1}}
	}
	// Most clients send one clause. Sorting would cost it two allocations.
	if len(out) < 2 {
		return out
	}
	sort.SliceStable(out, func(i, j int) bool {
		weight := cmp.Compare(out[j].Weight, out[i].Weight)
		return cmp.Or(weight, cmp.Compare(out[i].wildcards(), out[j].wildcards())) < 0
	})
	return out
}

// PrefersProtobuf reports whether the first form of a Status that Accept takes is protobuf. A Status
// is never in the form of another object, so clauses that ask for one are passed over.
func PrefersProtobuf(lines []string) bool {
	// Most clients do not name it, and need no clauses.
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(strings.ToLower(line), Protobuf) }) {
		return false
	}
	for _, c := range ParseAccept(lines) {
		switch {
		case c.As != "" || c.Group != "" || c.Version != "":
		case c.Takes("application/json") || c.Takes("application/yaml"):
			return false
		case c.Takes(Protobuf):
			return true
		}
	}
	return false
}

// parseClause reads one clause. It returns false for what is no media range, and for one
// with a weight that is none. Parameters that mean nothing here, charset for one, are
// ignored.
func parseClause(s string) (Clause, bool) {
	head, rest, _ := strings.Cut(s, ";")
	c := Clause{MediaType: strings.ToLower(strings.TrimSpace(head)), Weight: 1}
	kind, sub, ok := strings.Cut(c.MediaType, "/")
	if !ok || kind == "" || sub == "" || strings.ContainsAny(c.MediaType, " \t\"") {
		return c, false
	}
	for p := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "g":
			c.Group = value
		case "v":
			c.Version = value
		case "as":
			c.As = value
		case "q":
			// Written this way round NaN is refused too.
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return c, false
			}
			c.Weight = q
		}
	}
	return c, true
}

// wildcards returns 0 for a type, 1 for type/* and 2 for */*.
func (c *Clause) wildcards() int { return strings.Count(c.MediaType, "*") }

// Takes reports whether the clause's media range includes mediaType, which is in lower case
// and has no parameters.
func (c *Clause) Takes(mediaType string) bool {
	kind, ok := strings.CutSuffix(c.MediaType, "/*")
	return c.MediaType == "*/*" || c.MediaType == mediaType || ok && strings.HasPrefix(mediaType, kind+"/")
}

// TakesGzip reports whether the lines of an Accept-Encoding header name gzip (RFC 9110, 12.5.3). Like
// upstream it takes no wildcard for it.
func TakesGzip(lines []string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			coding, weight, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(coding), "gzip") && !refuses(weight) {
				return true
			}
		}
	}
	return false
}

// refuses reports whether a coding's weight is 0, in any of its spellings: q=0, q=0.000. What
// is no weight refuses nothing.
func refuses(weight string) bool {
	name, value, _ := strings.Cut(strings.TrimSpace(weight), "=")
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return strings.EqualFold(strings.TrimSpace(name), "q") && err == nil && q == 0
}
