package api

import (
	"time"

	"apichain/internal/tree"
)

// Graceful deletion: an object of a kind that somebody must stop first, a pod on a node. A delete
// gives it a time, and whoever stops it (the kubelet) deletes it again, with a grace period of 0, when
// that is done. The time is the object's own unless the delete says one, and a later delete can only
// shorten it. An object that nobody has to stop is marked with no time and goes at once, in two steps
// which a watch sees as two events (upstream).

// gracefulDelete deletes an object of a kind with a grace period. done says that the delete has ended
// here; else it goes on as that of any kind. gone is as in delete.
func (w *write) gracefulDelete(o *DeleteOptions) (done, gone bool, err error) {
	m := tree.Metadata(w.next)
	period := int64(0)
	if w.old.Meta.Deleting {
		left, _ := m["deletionGracePeriodSeconds"].(int64)
		if left == 0 {
			return false, false, nil // its time is over
		}
		if o.GracePeriodSeconds == nil || *o.GracePeriodSeconds >= left {
			return true, false, nil
		}
		period = *o.GracePeriodSeconds
		end, shorter := shortened(tree.Text(m, "deletionTimestamp"), left, period, time.Now())
		m["deletionTimestamp"], period = end, shorter
	} else {
		period = w.grace(w.next, o.GracePeriodSeconds)
		m["deletionTimestamp"] = timeText(time.Now().Add(time.Duration(period) * time.Second))
		if n, ok := m["generation"].(int64); ok {
			m["generation"] = n + 1
		}
	}
	m["deletionGracePeriodSeconds"] = period
	finalizers := o.finalizers(tree.List(m, "finalizers"))
	setOrDelete(m, "finalizers", finalizers, len(finalizers) > 0)
	gone = period == 0 && len(finalizers) == 0
	if err := w.commitMark(); err != nil || !gone || w.dryRun {
		return true, gone, err
	}
	w.old = w.done
	if err := w.remove(); err != nil {
		return true, false, err
	}
	return true, true, nil
}

// shortened returns the end of an object that had left seconds until the time that is given, and now
// has period: not before now, and then with the least period that still waits for somebody.
func shortened(end string, left, period int64, now time.Time) (string, int64) {
	at, err := time.Parse(time.RFC3339, end)
	if err != nil {
		at = now
	}
	at = at.Add(time.Duration(period-left) * time.Second)
	if at.Before(now) {
		at = now
		if period != 0 {
			period = 1
		}
	}
	return timeText(at), period
}

// podGrace returns the seconds that a pod has to end: what the delete says, or else its own; none if
// it is on no node, or has ended.
func podGrace(pod map[string]any, asked *int64) int64 {
	period, _ := tree.At(pod, "spec", "terminationGracePeriodSeconds").(int64)
	if asked != nil {
		period = *asked
	}
	phase := tree.Text(pod, "status", "phase")
	if tree.Text(pod, "spec", "nodeName") == "" || phase == "Failed" || phase == "Succeeded" {
		return 0
	}
	if period < 0 {
		return 1
	}
	return period
}
