package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// The store: what is in it, and putting it into a known state. Source: the contract,
// section 3.

const snapshotLimit = 256 << 20

// storeAnswer is the answer of GET /admin/v1/store.
type storeAnswer struct {
	envelope
	Store
}

func serveStore(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty", "wide"); err != nil {
		return err
	}
	var s Store
	env := a.moment(ans, func() { s = a.src.Store() })
	if ans.form != formText {
		return ans.reply(http.StatusOK, storeAnswer{env, s})
	}
	var b bytes.Buffer
	ans.table(&b, stockColumns, boxed(s.Resources))
	fmt.Fprintf(&b, "\nrevision %d; the window holds %d events in %s, from revision %d\n", s.Revision, s.Window.Events, shortSize(float64(s.Window.Bytes)), s.Window.OldestRevision)
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

// written is the answer of POST /admin/v1/reset and PUT /admin/v1/snapshot.
type written struct {
	envelope
	Written
}

func serveReset(a *api, ans *answer, body []byte) *Error {
	if err := checkObject(body); err != nil {
		return err
	}
	w, err := a.src.Reset(ans.r.Context())
	return a.replyWritten(ans, w, err)
}

func serveLoad(a *api, ans *answer, body []byte) *Error {
	w, err := a.src.LoadSnapshot(ans.r.Context(), body)
	return a.replyWritten(ans, w, err)
}

func (a *api) replyWritten(ans *answer, w Written, err *Error) *Error {
	if err != nil {
		return err
	}
	env := a.moment(ans, func() {})
	if ans.form == formText {
		return ans.replyPairs(w)
	}
	return ans.reply(http.StatusOK, written{env, w})
}

// serveSnapshot answers with the whole store, which keeps its own shape. It is written
// as it is made, so that a large store needs no memory but for ?pretty=true.
func serveSnapshot(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty"); err != nil {
		return err
	}
	s, err := a.src.Snapshot()
	if err != nil {
		return err
	}
	if pretty, _ := strconv.ParseBool(ans.query.Get("pretty")); pretty {
		return ans.sendIndented(s)
	}
	h := ans.w.Header()
	h.Set("Content-Type", ans.form)
	h.Set("Content-Length", strconv.FormatInt(s.Size, 10))
	ans.w.WriteHeader(http.StatusOK)
	if ans.r.Method != http.MethodHead {
		_ = s.Write(ans.w) // an error is the client's going
	}
	return nil
}

// sendIndented writes a snapshot for people to read.
func (ans *answer) sendIndented(s Snapshot) *Error {
	var line, b bytes.Buffer
	err := s.Write(&line)
	if err == nil {
		err = json.Indent(&b, bytes.TrimRight(line.Bytes(), "\n"), "", "  ")
	}
	if err != nil {
		return &Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "the snapshot cannot be written: " + err.Error()}
	}
	b.WriteByte('\n')
	ans.send(http.StatusOK, b.Bytes())
	return nil
}
