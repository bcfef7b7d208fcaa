package status

import (
	"net/http"
	"strings"
)

// failer is a ResponseWriter that renders failures itself, so that the access log, the audit
// event and the metrics of its request see them.
type failer interface{ Fail(err error) }

// Write answers with err as From reads it. A handler behind a chain calls it as well as one
// outside of any: a writer that has a method Fail(error) is given the error instead, and then
// it is that writer's concern whether an answer has begun already. The header must not have been
// written before.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	if f, ok := w.(failer); ok {
		f.Fail(err)
		return
	}
	e := From(err, "")
	e.Header(w.Header())
	contentType, b := e.Body(WantsPretty(r))
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(e.Code)
	_, _ = w.Write(b)
}

// WantsPretty reports whether the query asks for indented JSON: pretty, =1 or =true. Upstream
// also indents for curl and browsers by their User-Agent; we do not.
func WantsPretty(r *http.Request) bool {
	// Most requests have no such parameter, and parsing a query allocates.
	if !strings.Contains(r.URL.RawQuery, "pretty") {
		return false
	}
	v, ok := r.URL.Query()["pretty"]
	return ok && (v[0] == "" || v[0] == "1" || v[0] == "true")
}
