package main

import (
	"slices"
	"strings"

	"apichain/admin"
)

// Which requests a control is about: those that have one of the wanted values for each key, such as
// verb=list,watch and user=system:*. The admin package reads and checks what the user wrote; here it
// is asked about requests under way, from any goroutine, at any filter.

// matcher is an admin.Match, compiled: all of its terms must hold. The zero value matches everything.
type matcher []matchTerm

// matchTerm wants one of some values of one fact about a request.
type matchTerm struct {
	key  string
	fact func(*exchange) []string
	// any are the wanted values, each perhaps with a * at its end.
	any []string
}

// facts are the keys of a match, each with what it is of a request. Most have one value; a user has
// many groups. One that is not known yet at the request's position has none, and matches nothing:
// what a rule about users does, it does not do before the user is known. They may be asked for from
// any goroutine.
var facts = map[string]func(*exchange) []string{
	"listener": func(x *exchange) []string { return []string{x.chain.listener} },
	"server": func(x *exchange) []string {
		return one(x.hasInfo() && x.target.server != nil, func() string { return x.target.server.name })
	},
	"route": func(x *exchange) []string {
		return one(x.hasInfo() && x.target.route != nil, func() string { return x.target.route.id() })
	},
	"method": func(x *exchange) []string { return []string{x.req.Method} },
	"path":   func(x *exchange) []string { return []string{x.path} },
	"verb":   func(x *exchange) []string { return one(x.hasInfo(), func() string { return x.info.Verb }) },
	"resource": func(x *exchange) []string {
		return one(x.hasInfo(), func() string {
			if !x.info.IsResourceRequest {
				return "" // as its row has it
			}
			return resourceName(&x.info)
		})
	},
	"namespace": func(x *exchange) []string { return one(x.hasInfo(), func() string { return x.info.Namespace }) },
	"name":      func(x *exchange) []string { return one(x.hasInfo(), func() string { return x.info.Name }) },
	"user": func(x *exchange) []string {
		u := x.shownUser()
		return one(u != nil, func() string { return u.Name })
	},
	"group": func(x *exchange) []string {
		if u := x.shownUser(); u != nil {
			return u.Groups
		}
		return nil
	},
}

// hasInfo reports whether it is known what the request is about and where it goes.
func (x *exchange) hasInfo() bool { return int(x.at.Load()) > x.chain.infoRow }

// one returns the value as a list, and does not ask for it where it is not known.
func one(known bool, value func() string) []string {
	if !known {
		return nil
	}
	return []string{value()}
}

// newMatcher compiles m, whose keys the admin package has checked. Terms are in the order of their
// keys, so that what is shown of two alike is alike.
func newMatcher(m admin.Match) matcher {
	var out matcher
	for key, values := range m {
		out = append(out, matchTerm{key, facts[key], values})
	}
	slices.SortFunc(out, func(a, b matchTerm) int { return strings.Compare(a.key, b.key) })
	return out
}

// has reports whether the match names the key.
func (m matcher) has(key string) bool {
	return slices.ContainsFunc(m, func(t matchTerm) bool { return t.key == key })
}

// matches reports whether every term has a value of the request's. It may be called from
// any goroutine.
func (m matcher) matches(x *exchange) bool {
	// By index: a copy of each term would be made for every request that is asked about.
	for i := range m {
		t := &m[i]
		if !slices.ContainsFunc(t.fact(x), func(have string) bool { return admin.MatchesAny(t.any, have) }) {
			return false
		}
	}
	return true
}
