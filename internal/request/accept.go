package request

import (
	"cmp"
	"sort"
	"strconv"
	"strings"
)

// Clause is one media range of an Accept header with the parameters that
// Kubernetes gives a meaning: g, v and as name the form of an object.
type Clause struct {
	MediaType string // lower case
	Group     string
	Version   string
	As        string
	Weight    float64
}

// ParseAccept is the clauses of an Accept header, best first: by weight, then types
// before wildcards (upstream), and as given among equals. What is no media range is left
// out, as is weight 0 (RFC 9110, 12.5.1). No header at all, or nothing in it, is */*.
func ParseAccept(lines []string) []Clause {
	var out []Clause
	given := false
	for _, line := range lines {
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
	if len(out) < 2 {
		return out
	}
	sort.SliceStable(out, func(i, j int) bool {
		return cmp.Or(cmp.Compare(out[j].Weight, out[i].Weight), cmp.Compare(out[i].wildcards(), out[j].wildcards())) < 0
	})
	return out
}

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
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return c, false
			}
			c.Weight = q
		}
	}
	return c, true
}

// wildcards is 0 for a type, 1 for type/* and 2 for */*.
func (c *Clause) wildcards() int { return strings.Count(c.MediaType, "*") }

// Takes reports whether the clause's media range includes a type.
func (c *Clause) Takes(mediaType string) bool {
	kind, ok := strings.CutSuffix(c.MediaType, "/*")
	return c.MediaType == "*/*" || c.MediaType == mediaType || ok && strings.HasPrefix(mediaType, kind+"/")
}
