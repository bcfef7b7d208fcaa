package admin

import (
	"strconv"
	"strings"
)

// negotiate returns the form that Accept prefers: the one of the highest quality, then the
// one that is named most exactly (application/json before application/* before */*), then
// the first in the order of forms. Parameters other than q do not count. ok is false when
// none is acceptable. accept holds the values of all Accept lines; none at all, or blank
// ones, accept everything. Source: RFC 9110, 12.5.1.
//
// Exactness breaks ties between forms of equal quality. That is more than the RFC asks for
// and what people mean: "text/plain, */*" gets text, though both forms have quality 1.
func negotiate(accept, forms []string) (form string, ok bool) {
	clauses := strings.Join(accept, ",")
	if strings.TrimSpace(clauses) == "" {
		return forms[0], true
	}
	var best float64
	for _, f := range forms {
		quality, exactness := preference(clauses, f)
		// Adding the exactness cannot outweigh a thousandth, the least step of q. Equal ranks
		// keep the form that comes first.
		if rank := quality + float64(exactness)/10000; quality > 0 && rank > best {
			best, form = rank, f
		}
	}
	return form, form != ""
}

// preference returns the quality that the clauses of Accept give a form, by the most exact
// clause that names it, and how exact that is: 3 for the type itself, 2 for its group, 1
// for */*, 0 for none.
func preference(clauses, form string) (quality float64, exactness int) {
	kind, _, _ := strings.Cut(form, ";")
	group, _, _ := strings.Cut(kind, "/")
	for clause := range strings.SplitSeq(clauses, ",") {
		name, params, _ := strings.Cut(clause, ";")
		n := 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case kind:
			n = 3
		case group + "/*":
			n = 2
		case "*/*":
			n = 1
		}
		// Only a more exact clause replaces: "*/*, application/json;q=0" refuses JSON, in
		// whichever order the two are written.
		if n > exactness {
			exactness, quality = n, clauseQuality(params)
		}
	}
	return quality, exactness
}

// clauseQuality returns q among the parameters of a clause: 1 without one, and 0, which
// accepts nothing, for a value that is no number from 0 to 1.
func clauseQuality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(v, 64)
		// NaN compares false with everything, hence the negation.
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
