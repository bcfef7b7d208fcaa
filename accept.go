package main

import (
	"cmp"
	"sort"
	"strconv"
	"strings"
)

// acceptClause is one media range of an Accept header with the parameters that
// Kubernetes gives a meaning: g, v and as name the form of an object.
type acceptClause struct {
	mediaType string // lower case
	group     string
	version   string
	as        string
	q         float64
}

// parseAccept is the clauses of an Accept header, best first: by weight, then types
// before wildcards (upstream), and as given among equals. What is no media range is left
// out, as is weight 0 (RFC 9110, 12.5.1). No header at all, or nothing in it, is */*.
func parseAccept(lines []string) []acceptClause {
	var out []acceptClause
	given := false
	for _, line := range lines {
		for clause := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(clause) == "" {
				continue
			}
			given = true
			if c, ok := parseClause(clause); ok && c.q > 0 {
				out = append(out, c)
			}
		}
	}
	if !given {
		return []acceptClause{{mediaType: "*/*", q: 1}}
	}
	if len(out) < 2 {
		return out
	}
	sort.SliceStable(out, func(i, j int) bool {
		return cmp.Or(cmp.Compare(out[j].q, out[i].q), cmp.Compare(out[i].wildcards(), out[j].wildcards())) < 0
	})
	return out
}

func parseClause(s string) (acceptClause, bool) {
	head, rest, _ := strings.Cut(s, ";")
	c := acceptClause{mediaType: strings.ToLower(strings.TrimSpace(head)), q: 1}
	kind, sub, ok := strings.Cut(c.mediaType, "/")
	if !ok || kind == "" || sub == "" || strings.ContainsAny(c.mediaType, " \t\"") {
		return c, false
	}
	for p := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "g":
			c.group = value
		case "v":
			c.version = value
		case "as":
			c.as = value
		case "q":
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return c, false
			}
			c.q = q
		}
	}
	return c, true
}

// wildcards is 0 for a type, 1 for type/* and 2 for */*.
func (c *acceptClause) wildcards() int { return strings.Count(c.mediaType, "*") }

// takes reports whether the clause's media range includes a type.
func (c *acceptClause) takes(mediaType string) bool {
	kind, ok := strings.CutSuffix(c.mediaType, "/*")
	return c.mediaType == "*/*" || c.mediaType == mediaType || ok && strings.HasPrefix(mediaType, kind+"/")
}
