package ctl

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What shows something asks one endpoint and copies the answer. The form of the output is a
// matter of the request:
//
//	-o table    Accept: text/plain
//	-o wide     Accept: text/plain, ?wide=true       cells are not cut
//	-o json     Accept: application/json             one document a line, as it was sent
//
// With -w it asks again and again until the user interrupts. A terminal is cleared for each
// answer; elsewhere they follow one another, tables apart by an empty line.

// clearScreen moves the cursor of a terminal home and clears it.
const clearScreen = "\x1b[H\x1b[2J"

// accept returns the Accept header for the form asked for.
func (inv *invocation) accept() string {
	if inv.form == "json" {
		return "application/json"
	}
	return "text/plain"
}

// target returns a path with its query, and with wide=true if that form was asked for; then q is
// changed. q may be nil.
func (inv *invocation) target(path string, q url.Values) string {
	if inv.form == "wide" {
		if q == nil {
			q = url.Values{}
		}
		q.Set("wide", "true")
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// get returns an answer in the form asked for.
func (inv *invocation) get(path string, q url.Values) ([]byte, error) {
	b, _, err := inv.client.ask(inv.ctx, http.MethodGet, inv.target(path, q), inv.accept(), "", nil)
	return b, err
}

// getJSON reads an answer into v, whatever form the output has. Keys that v does not have are
// skipped, so that a newer endpoint can be asked.
func (inv *invocation) getJSON(target string, v any) error {
	b, _, err := inv.client.ask(inv.ctx, http.MethodGet, target, "application/json", "", nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", target, err)
	}
	return nil
}

// show prints what read returns, once or with --watch again and again. An error of read ends it,
// but for a negative, which comes with something to print: a repetition goes on, since the next
// answer may be yes.
func (inv *invocation) show(read func() ([]byte, error)) error {
	for n := 0; ; n++ {
		b, err := read()
		if not := negative(""); err != nil && !errors.As(err, &not) {
			return err
		}
		// One write for both: a reader of the pipe never has half a table, and a terminal does not
		// flicker.
		switch {
		case inv.watch && inv.terminal:
			b = append([]byte(clearScreen), b...)
		case n > 0 && inv.form != "json":
			b = append([]byte("\n"), b...)
		}
		if _, werr := inv.out.Write(b); werr != nil || !inv.watch {
			return errors.Join(err, werr)
		}
		if !pause(inv.ctx.Done(), inv.interval) {
			return inv.ctx.Err()
		}
	}
}

// pause waits for the interval. It returns false, at once, if done is closed before.
func pause(done <-chan struct{}, interval time.Duration) bool {
	t := time.NewTimer(interval)
	defer t.Stop()
	select {
	case <-done:
		return false
	case <-t.C:
		return true
	}
}

// list shows the endpoint that is called as the subcommand is. Its words are the query.
func (inv *invocation) list() error {
	q, err := pairs(inv.args)
	if err != nil {
		return err
	}
	return inv.show(func() ([]byte, error) { return inv.get("/admin/v1/"+inv.name, q) })
}

// explainFlags declares who would ask and how, as far as method and path do not say it.
func (inv *invocation) explainFlags(f *flag.FlagSet) {
	f.StringVar(&inv.user, "as", "", "`USER` who asks; without, nobody")
	f.Func("as-group", "a `GROUP` of that user; may be repeated", collect(&inv.groups))
	f.Func("H", "a header `LINE`, Name: value; may be repeated", collect(&inv.headers))
	f.StringVar(&inv.listener, "listener", "", "http or https (default https, if it is on)")
}

// explain shows what would become of a request that nobody sends. The answer is a negative with
// no text if no handler would be reached: what is printed says who would answer instead.
func (inv *invocation) explain() error {
	if len(inv.args) != 2 {
		return usageError("explain takes a method and a path")
	}
	q := url.Values{"method": {inv.args[0]}, "path": {inv.args[1]}, "group": inv.groups, "header": inv.headers}
	if inv.user != "" {
		q.Set("user", inv.user)
	}
	if inv.listener != "" {
		q.Set("listener", inv.listener)
	}
	return inv.show(func() ([]byte, error) {
		// Twice: the exit code is a matter of JSON, and the text is not made to be parsed.
		var says struct{ ReachesHandler bool }
		if err := inv.getJSON("/admin/v1/explain?"+q.Encode(), &says); err != nil {
			return nil, err
		}
		b, err := inv.get("/admin/v1/explain", q)
		if err == nil && !says.ReachesHandler {
			err = negative("")
		}
		return b, err
	})
}

// ownerFlags declares which object is meant, and what of its owners is shown.
func (inv *invocation) ownerFlags(f *flag.FlagSet) {
	f.StringVar(&inv.namespace, "n", "", "`NAMESPACE` of the object (default default)")
	f.Func("path", "only the `FIELD` and what is in it, such as .spec.template; may be repeated", collect(&inv.paths))
	f.StringVar(&inv.force, "force", "", "only what a forced apply by this `MANAGER` would take from others")
}

// owners shows who owns the fields of an object, which is named as kubectl has it. Further words choose rows.
func (inv *invocation) owners() error {
	var resource, name string
	if len(inv.args) > 0 {
		resource, name, _ = strings.Cut(inv.args[0], "/")
	}
	if resource == "" || name == "" {
		return usageError("owners takes an object, such as configmap/x")
	}
	q, err := pairs(inv.args[1:])
	if err != nil {
		return err
	}
	q.Set("resource", resource)
	q.Set("name", name)
	for key, value := range map[string]string{"namespace": inv.namespace, "force": inv.force} {
		if value != "" {
			q.Set(key, value)
		}
	}
	// The endpoint's prefixes are of text: .spec* is .specific too.
	for _, path := range inv.paths {
		path = "." + strings.TrimPrefix(path, ".")
		q["path"] = append(q["path"], path, path+".*", path+"[*")
	}
	return inv.show(func() ([]byte, error) { return inv.get("/admin/v1/owners", q) })
}
