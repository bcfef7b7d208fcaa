package api

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/status"
	"apichain/internal/store"
)

// A list in pages. The server keeps nothing of it between two pages: the continue token, which
// the client sends back, has the resource version of the first page and the key behind the
// last object of the page before. As JSON, before base64:
//
//	{"v":"meta.k8s.io/v1","rv":30,"start":"/d2\u0000"}
//
// All pages are of one state, that of revision rv, as long as the log of events reaches back
// there. Once it does not, the client gets 410 with another token, whose rv is -1: it goes on
// at the same key with the objects as they are now. Its list is then of no one moment, and it
// is the client's choice to take that or to begin again.
//
// Upstream's tokens look the same. They are no secret and not signed, so that a client can
// make one: a token can name any key, but only behind the prefix of its list, which comes from
// the path, so it shows nothing that the list would not.

// continueToken says where a list goes on. The name of the type is in the message of a token that
// cannot be read, and so on the wire.
type continueToken struct {
	Version string `json:"v"`
	// Revision is the state that is listed, or -1 for the current one.
	Revision int64 `json:"rv"`
	// Start is a slash and the first key of the page, relative to the list's prefix: the last
	// key of the page before and a zero byte, as nothing sorts between the two.
	Start string `json:"start"`
}

// continueVersion is the only version of tokens there is, upstream's.
const continueVersion = "meta.k8s.io/v1"

// String returns the token as a client gets it and sends it back.
func (t continueToken) String() string {
	b, _ := json.Marshal(t) // text and numbers can be encoded
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseContinue reads a token that a client has sent. The error is a 400.
func parseContinue(s string) (*continueToken, error) {
	var t continueToken
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case t.Version != continueVersion:
		why = "server does not recognize this encoded version " + strconv.Quote(t.Version)
	// The slash keeps the key relative: Start[1:] is put behind the list's prefix.
	case t.Revision == 0 || t.Revision < -1 || !strings.HasPrefix(t.Start, "/"):
		why = "incorrect encoded start resourceVersion or key"
	default:
		return &t, nil
	}
	return nil, status.BadRequest("invalid continue token: continue key is not valid: " + why)
}

// prefix returns what the keys of the list begin with: a namespace and a slash, or nothing for
// all objects.
func (q *Call) prefix() string {
	if q.namespace == "" {
		return ""
	}
	return q.namespace + "/"
}

// snapshot returns the state that a list shows. It waits for a revision that is not there yet,
// as await does. The error is a 504 when that takes too long, or a 410 for a state that is no
// longer kept.
//
// Unless the state must be that very one, it is the current one, which is "not older than"
// everything. A resource version with a limit and no match is exact by upstream's old rule.
func (q *Call) snapshot(o *listOptions) (store.Snapshot, error) {
	rev, exact := o.Revision, o.match == "Exact" || o.match == "" && o.limit > 0 && o.Revision > 0
	if o.From != nil {
		rev, exact = o.From.Revision, o.From.Revision > 0
	}
	if rev > 0 {
		if err := q.await(rev); err != nil {
			return store.Snapshot{}, err
		}
	} else if rev < 0 {
		if err := q.consistent(); err != nil {
			return store.Snapshot{}, err
		}
	}
	if !exact {
		return q.Bucket.Now(), nil
	}
	sn, err := q.Bucket.At(rev)
	if err == nil {
		return sn, nil
	}
	// The revision has been reached, so what is wrong is that it has expired.
	e := status.Expired(status.TooOldForList)
	if o.From != nil {
		e.Message = "The provided continue token is too old: it can no longer show the list as it was at its first page. " +
			"Begin again without it, or go on with the token in this answer, which shows what remains of the list as it is now."
		e.Continue = continueToken{continueVersion, -1, o.From.Start}.String()
	}
	return sn, e
}

// page returns what the options ask for of a snapshot: the objects, and what the list says
// beside them. The objects are found while they are read, unless there is a limit or a webhook converts them. The error
// is of objects that it does not convert.
func (q *Call) page(o *listOptions, sn *store.Snapshot) (l listing, items iter.Seq[*store.Object], err error) {
	prefix, from := q.prefix(), ""
	if o.From != nil {
		from = prefix + o.From.Start[1:]
	}
	items = q.selected(o, sn.Scan(prefix, from))
	l = listing{revision: sn.Rev}
	if q.webhook != nil {
		if items, err = q.showSelected(o, sn.Scan(prefix, from)); err != nil {
			return l, nil, err
		}
	}
	if o.limit <= 0 {
		return l, items, nil
	}
	// The page is collected, since what stands in front of the items says whether there are more.
	page, more := firstOf(items, o.limit)
	if more {
		last := page[len(page)-1].Key
		l.next = continueToken{continueVersion, sn.Rev, "/" + strings.TrimPrefix(last, prefix) + "\x00"}.String()
		// With selectors nobody knows how many there are without looking at each, and upstream
		// does not say it either.
		if o.all() {
			n := int64(sn.Remaining(prefix, last+"\x00"))
			l.remaining = &n
		}
	}
	return l, slices.Values(page), nil
}

// firstOf returns the first objects, at most limit of them, and whether there is another one
// behind.
func firstOf(items iter.Seq[*store.Object], limit int64) (page []*store.Object, more bool) {
	// The limit is the client's, so it does not decide how much room is made.
	page = make([]*store.Object, 0, min(limit, 1000))
	for item := range items {
		if int64(len(page)) == limit {
			return page, true
		}
		page = append(page, item)
	}
	return page, false
}
