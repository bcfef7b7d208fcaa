package main

import (
	"slices"
	"strings"

	"apichain/internal/metrics"
	"apichain/internal/store"
)

// Gauges of the store and its readers. Names that begin with apiserver are upstream's;
// of the count of objects both the old name is here, which dashboards know, and the new.
// All of them are read when somebody asks.

// writeLongRunning writes how many long-running requests are with their handlers now: watches, and
// what else has no time limit. There are no series of zero, as there is none for a route before its
// first request.
func writeLongRunning(e *metrics.Writer, chains []*chain) {
	counts := map[seriesKey]int{}
	for _, c := range chains {
		c.table.each(func(x *exchange) {
			// at first: before the handler is reached, what the others say may still be written.
			if x.at.Load() <= int32(len(c.rows)) || !x.longRunning || x.target.route == nil {
				return
			}
			verb := x.info.Verb
			if !slices.Contains(knownVerbs[:], verb) {
				verb = "other"
			}
			counts[labels(x.target.route, strings.ToUpper(verb))]++
		})
	}
	all := make([]*seriesKey, 0, len(counts))
	for k := range counts {
		all = append(all, &k)
	}
	slices.SortFunc(all, func(a, b *seriesKey) int { return slices.Compare(a.labels(), b.labels()) })
	e.Family("apiserver_longrunning_requests", "gauge", "Long-running requests now, by verb and resource.")
	for _, k := range all {
		e.Number(float64(counts[*k]), k.labels()...)
	}
}

// writeStored writes what the store holds, all of one moment, and how far back a watch may begin.
func writeStored(e *metrics.Writer, s *store.Store) {
	revision, all := s.Snapshots()
	e.Family("apiserver_storage_objects", "gauge", "Stored objects, by resource.")
	for _, h := range all {
		e.Number(float64(h.Now.Count()), "resource", h.Bucket.Name)
	}
	e.Family("apiserver_resource_objects", "gauge", "Stored objects, by group and resource.")
	for _, h := range all {
		e.Number(float64(h.Now.Count()), groupLabels(h.Bucket.Name)...)
	}
	e.Family("apiserver_resource_size_estimate_bytes", "gauge", "Bytes of stored objects, by group and resource.")
	for _, h := range all {
		e.Number(float64(h.Now.Bytes()), groupLabels(h.Bucket.Name)...)
	}
	// The window is bounded by events and by bytes, and both can be near their bound.
	events, bytes, oldest := s.Window()
	e.Single("apichain_store_revision", "gauge", "Revision of the last write.", float64(revision))
	e.Single("apichain_store_window_events", "gauge", "Events that watches can begin at.", float64(events))
	e.Single("apichain_store_window_bytes", "gauge", "Bytes of those events.", float64(bytes))
	e.Single("apichain_store_window_oldest_revision", "gauge", "The oldest revision that a watch can begin at.", float64(oldest))
}

// groupLabels returns the labels of a stored resource: its name, plural[.group], taken apart.
func groupLabels(name string) []string {
	resource, group, _ := strings.Cut(name, ".")
	return []string{"group", group, "resource", resource}
}
