package admin

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// What keeps the objects of the store: nothing but memory, a journal in a folder, or etcd. It is a part
// of GET /admin/v1/store; GET /admin/v1/backup gives out what a folder is made of again.

// Keeping shows what keeps the store's writes. Journal and Etcd are nil unless it is that.
type Keeping struct {
	Backend         string       `json:"backend" doc:"memory, journal or etcd"`
	Where           string       `json:"where" doc:"its folder, or its URLs with commas; empty: nothing is kept"`
	ReadOnly        bool         `json:"readOnly" doc:"whether every write is refused"`
	DurableRevision *int64       `json:"durableRevision" doc:"revision up to which everything is kept; null: nothing is"`
	QueuedWrites    int          `json:"queuedWrites" doc:"writes that wait for the disk"`
	QueuedBytes     int64        `json:"queuedBytes" doc:"their bytes"`
	TookNs          *Percentiles `json:"tookNs" doc:"nanoseconds that the newest flushes to the disk, or writes to etcd, took; null: none yet"`
	Error           string       `json:"error" doc:"why nothing is kept any more, or what member does not answer"`
	Journal         *Journal     `json:"journal" doc:"the folder; null: there is none"`
	Etcd            *Etcd        `json:"etcd" doc:"the etcd; null: there is none"`
}

// Journal shows the files of a folder.
type Journal struct {
	Bytes            int64    `json:"bytes" doc:"bytes written since the newest snapshot"`
	SegmentRevision  int64    `json:"segmentRevision" doc:"revision after which the newest journal begins"`
	Fsyncs           int64    `json:"fsyncs" doc:"flushes to the disk since the start"`
	SnapshotRevision int64    `json:"snapshotRevision" doc:"revision of the newest snapshot; 0: there is none"`
	SnapshotBytes    int64    `json:"snapshotBytes" doc:"its size"`
	SnapshotAt       Time     `json:"snapshotAt" doc:"when it was complete; null: before the start, or there is none"`
	SnapshotMs       *float64 `json:"snapshotMs" doc:"how long it took, in milliseconds; null: as snapshotAt"`
}

// Etcd shows a cluster of etcd, and how far its watch is.
type Etcd struct {
	Server     string          `json:"server" doc:"URL of the member in use"`
	Members    List[Member]    `json:"members" doc:"the members that are named, as they were asked last"`
	Lag        int64           `json:"lag" doc:"revisions that are known to exist and that the watch has not brought yet"`
	HeardAt    Time            `json:"heardAt" doc:"when the watch last told something; null: never"`
	Restarts   int64           `json:"restarts" doc:"how often the watch was taken up again"`
	Reloads    int64           `json:"reloads" doc:"how often it was begun anew with all there is"`
	Skipped    Map[int]        `json:"skipped" doc:"values that are not served, by reason; they stay as they are"`
	Leases     int             `json:"leases" doc:"leases of this process that have not ended"`
	Operations List[Operation] `json:"operations" doc:"requests by operation"`
}

// Member shows a member of etcd.
type Member struct {
	URL     string `json:"url" doc:"its client URL"`
	Version string `json:"version" doc:"its version; empty: it has never answered"`
	Bytes   int64  `json:"bytes" doc:"size of its database file"`
	Leader  bool   `json:"leader" doc:"whether it leads its cluster"`
	Error   string `json:"error" doc:"why it did not answer; empty: it did"`
}

// Operation shows the requests of one operation of etcd, by upstream's name of it.
type Operation struct {
	Name   string       `json:"name" doc:"name of the operation"`
	Count  int64        `json:"count" doc:"requests since the start"`
	TookNs *Percentiles `json:"tookNs" doc:"nanoseconds that the newest of them took; null: none yet"`
}

// text writes the lines below the table of the store.
func (k *Keeping) text(w io.Writer) {
	if k.Backend == "memory" || k.Backend == "" {
		_, _ = io.WriteString(w, "nothing is kept: the objects are gone with the process\n")
		return
	}
	fmt.Fprintf(w, "kept in %s %s", k.Backend, k.Where)
	if k.DurableRevision != nil {
		fmt.Fprintf(w, " up to revision %d", *k.DurableRevision)
	}
	if k.ReadOnly {
		_, _ = io.WriteString(w, ", read-only")
	}
	if k.TookNs != nil {
		fmt.Fprintf(w, ", in %.2fms (99%%: %.2fms)", float64(k.TookNs.P50)/1e6, float64(k.TookNs.P99)/1e6)
	}
	fmt.Fprintf(w, "; %d writes wait\n", k.QueuedWrites)
	if j := k.Journal; j != nil {
		fmt.Fprintf(w, "%s since the snapshot of revision %d, which has %s\n",
			shortSize(float64(j.Bytes)), j.SnapshotRevision, shortSize(float64(j.SnapshotBytes)))
	}
	if e := k.Etcd; e != nil {
		fmt.Fprintf(w, "the watch of %s is %d revisions behind; it was taken up again %d times, %d times with all there is\n",
			e.Server, e.Lag, e.Restarts, e.Reloads)
		var skipped []string
		for reason, n := range e.Skipped {
			skipped = append(skipped, fmt.Sprintf("%d %s", n, reason))
		}
		if slices.Sort(skipped); len(skipped) > 0 {
			fmt.Fprintf(w, "values that are not served: %s\n", strings.Join(skipped, ", "))
		}
	}
	if k.Error != "" {
		fmt.Fprintf(w, "error: %s\n", k.Error)
	}
}

// serveBackup answers with the whole store in the form that a folder has it. It is written as it is made, so
// that its length is not known before: one that fails on the way breaks the connection off, and nobody takes
// the half of it for the whole.
func serveBackup(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query); err != nil {
		return err
	}
	ans.setMoment(a.src.Generation(), a.Now())
	h := ans.w.Header()
	h.Set("Content-Type", ans.form)
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="apichain-%s.backup"`, ans.at.UTC().Format("20060102T150405Z")))
	ans.w.WriteHeader(http.StatusOK)
	if ans.r.Method == http.MethodHead {
		return nil
	}
	if err := a.src.Backup(ans.w); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}
