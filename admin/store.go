package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// The store: what is in it (GET /admin/v1/store), and putting it into a known state (POST
// /admin/v1/reset, GET and PUT /admin/v1/snapshot). Source: the contract, section 3.
//
// A snapshot and a backup (keeping.go) are the only answers with object data, so they need the role dangerous. Here it
// is bytes that pass through: the package reads neither the snapshot it gives out nor the
// one it takes, which is checked as a whole by the program.

// snapshotLimit is the most bytes of a snapshot that is loaded. Source: the contract, check
// 11.
const snapshotLimit = 256 << 20

// Store shows what the store holds. Source: the contract, GET /admin/v1/store.
type Store struct {
	Revision  int64       `json:"revision" doc:"revision of the newest write"`
	Resources List[Stock] `json:"resources" doc:"what is stored of each resource, by name"`
	Window    Window      `json:"window" doc:"events that a watch can still begin at"`
	Keeping   Keeping     `json:"keeping" doc:"what keeps the objects"`
}

// Stock shows what is stored of one resource. Warnings say what the resource accepts but
// does not do; there is none such now.
type Stock struct {
	Resource string       `json:"resource" doc:"plural[.group]"`
	Objects  int          `json:"objects" doc:"objects of it"`
	Bytes    int64        `json:"bytes" doc:"bytes of their JSON"`
	Warnings List[string] `json:"warnings" doc:"what the resource accepts but does not do"`
}

// Window shows the part of the event log that is kept. A watch that asks for an older
// revision is answered 410.
type Window struct {
	Events         int   `json:"events" doc:"events in it"`
	Bytes          int64 `json:"bytes" doc:"their bytes"`
	OldestRevision int64 `json:"oldestRevision" doc:"oldest revision that a watch can begin after"`
}

// Snapshot is the whole store of one moment, as a Kubernetes list in JSON. Write writes it,
// all Size bytes of it, and may be called once; its error is the writer's.
type Snapshot struct {
	Size  int64
	Write func(io.Writer) error
}

// Written shows what a reset or the load of a snapshot did: each object counts once.
type Written struct {
	Revision  int64 `json:"revision" doc:"revision of the last write, or the newest where there was none"`
	Created   int   `json:"created" doc:"objects that were not there"`
	Updated   int   `json:"updated" doc:"objects that were there with other content"`
	Deleted   int   `json:"deleted" doc:"objects that went"`
	Unchanged int   `json:"unchanged" doc:"objects that were left alone"`
}

// storeAnswer is the answer of GET /admin/v1/store.
type storeAnswer struct {
	envelope
	Store
}

// serveStore serves what the store holds: as text a table of resources, a line for the
// window, and some for what keeps it.
func serveStore(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty", "wide"); err != nil {
		return err
	}
	var s Store
	env := a.readStable(ans, func() { s = a.src.Store() })
	if ans.form != formText {
		return ans.reply(http.StatusOK, storeAnswer{env, s})
	}
	var b bytes.Buffer
	ans.writeTable(&b, stockColumns, toRows(s.Resources))
	w := s.Window
	fmt.Fprintf(&b, "\nrevision %d; the window holds %d events in %s, from revision %d\n",
		s.Revision, w.Events, shortSize(float64(w.Bytes)), w.OldestRevision)
	s.Keeping.text(&b)
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

// written is the answer of POST /admin/v1/reset and PUT /admin/v1/snapshot.
type written struct {
	envelope
	Written
}

// serveReset puts the store back. Its body is {}: an object now leaves room for keys later.
func serveReset(a *api, ans *answer, body []byte) *Error {
	if err := checkObject(body); err != nil {
		return err
	}
	w, err := a.src.Reset(ans.r.Context())
	return a.replyWritten(ans, w, err)
}

// serveLoad puts a snapshot in. Its body is not checked here, not even for being JSON.
func serveLoad(a *api, ans *answer, body []byte) *Error {
	w, err := a.src.LoadSnapshot(ans.r.Context(), body)
	return a.replyWritten(ans, w, err)
}

// replyWritten answers with what was done, or returns what refused it.
func (a *api) replyWritten(ans *answer, w Written, err *Error) *Error {
	if err != nil {
		return err
	}
	// The moment is that after the writes, not the one that If-Match was compared with.
	env := a.readStable(ans, func() {})
	if ans.form == formText {
		return ans.replyPairs(w)
	}
	return ans.reply(http.StatusOK, written{env, w})
}

// serveSnapshot answers with the whole store, which keeps its own shape. It is written as
// it is made, so that a large store needs no memory, unless ?pretty=true asks for it.
func serveSnapshot(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty"); err != nil {
		return err
	}
	// It is of one moment by itself, and no generation is compared: writes to objects do not
	// move that.
	s, err := a.src.Snapshot()
	if err != nil {
		return err
	}
	if pretty, _ := strconv.ParseBool(ans.query.Get("pretty")); pretty {
		return ans.sendIndented(s)
	}
	h := ans.w.Header()
	h.Set("Content-Type", ans.form)
	// The size is known before the first byte, so that a client that lost the connection
	// can tell half a snapshot from a whole one.
	h.Set("Content-Length", strconv.FormatInt(s.Size, 10))
	ans.w.WriteHeader(http.StatusOK)
	if ans.r.Method != http.MethodHead {
		_ = s.Write(ans.w) // it fails when the client has gone
	}
	return nil
}

// sendIndented answers with a snapshot for people to read. It holds all of it in memory,
// twice; a snapshot that cannot be written or is no JSON is a 500.
func (ans *answer) sendIndented(s Snapshot) *Error {
	var line, b bytes.Buffer
	err := s.Write(&line)
	if err == nil {
		err = json.Indent(&b, bytes.TrimRight(line.Bytes(), "\n"), "", "  ")
	}
	if err != nil {
		return internalError("the snapshot cannot be written: " + err.Error())
	}
	b.WriteByte('\n')
	ans.send(http.StatusOK, b.Bytes())
	return nil
}
