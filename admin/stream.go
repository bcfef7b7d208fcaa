package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Events as they happen, as server-sent events. Source: the contract, GET
// /admin/v1/stream; the HTML standard, 9.2.

const formEvents = "text/event-stream"

// TopicRequests is the topic that a stream has only when it asks for it.
const TopicRequests = "requests"

// Topics are what events are about.
var Topics = []string{TopicRequests, "hooks", "lifecycle", "certificates", "drain", "faults", "loglevel"}

// Streamer gives events as they happen.
type Streamer interface {
	// Stream opens a stream of some topics, each of them in Topics and there once: of
	// what comes from now on or, where after is not nil, of what came after the event
	// with that id. The stream is closed by whoever opened it.
	Stream(topics []string, after *int64) Stream
}

// Stream is one reader of events. It is for one goroutine.
type Stream interface {
	// OldestID is the id of the oldest event of the topics that is kept; nil: none is.
	OldestID() *int64

	// Next is the next event, in the order of ids, and false when there is none yet.
	// It does not wait. What was missed comes as an event called dropped with a Dropped;
	// after EndOfStream there is nothing more.
	Next() (StreamEvent, bool)

	// Ready has a token when Next, which had nothing, has something.
	Ready() <-chan struct{}

	// Stopped ends when the process has nothing to wait for any more but its streams.
	Stopped() context.Context

	Close()
}

// StreamEvent is one event. ID 0 is none: it is not an event of a topic. Item is a row as
// its endpoint has it, and belongs to all readers.
type StreamEvent struct {
	ID         int64
	Name       string
	Generation int64
	At         time.Time
	Item       any
}

// hello begins every stream.
type hello struct {
	envelope
	Topics   List[string] `json:"topics" doc:"topics of the stream (event hello)"`
	OldestID *int64       `json:"oldestId" doc:"id of the oldest event of these topics that is kept; null: none is (event hello)"`
}

// happening is the data of an event of a topic.
type happening struct {
	envelope
	Item any `json:"item" doc:"what it is about, as its endpoint shows it (events of topics)"`
}

// Dropped tells a reader what it will not get.
type Dropped struct {
	Missed *int64 `json:"missed" doc:"events that are not kept any more, of all topics of the stream; null: not known, as with an id of another process or requests that nobody read (event dropped)"`
}

// end is the last event of a stream that the program ends.
type end struct {
	Why string `json:"why" doc:"why the stream ends: slow or stopping (event end)"`
}

// EndOfStream is the event that says why the stream ends: slow or stopping.
func EndOfStream(why string) StreamEvent { return StreamEvent{Name: "end", Item: end{why}} }

// streamKeys are all keys that the data of events has at its top, and those of an item that
// no endpoint shows: a FaultHit.
type streamKeys struct {
	hello
	Item struct {
		Rule    any `json:"rule" doc:"id of the rule that was applied (event fault-hit)"`
		Request any `json:"request" doc:"the request it was applied to, as inflight shows it (event fault-hit)"`
	} `json:"item" doc:"what it is about, as its endpoint shows it (events of topics)"`
	Dropped
	end
}

// pace is how streams behave in time.
type pace struct {
	most    int           // streams at once
	stall   time.Duration // time in which a reader must take what is written
	comment time.Duration // between comments, which keep a stream alive
	rest    time.Duration // between two writes, so that many events cost few of them
	last    time.Duration // time for what is left when the process has stopped
}

var streamPace = pace{100, 10 * time.Second, 15 * time.Second, 20 * time.Millisecond, 250 * time.Millisecond}

// streamChunk is the most bytes that are written at once, but for one event that is
// larger: so much must be taken in the time that a stalled reader has.
const streamChunk = 16 << 10

func serveStream(a *api, ans *answer) *Error {
	topics, match, err := parseStream(ans.query)
	if err != nil {
		return err
	}
	after, err := lastEventID(ans.r.Header.Values("Last-Event-ID"))
	if err != nil {
		return err
	}
	h := ans.w.Header()
	if ans.r.Method == http.MethodHead {
		h.Set("Content-Type", formEvents)
		return nil
	}
	defer a.streams.Add(-1)
	if a.streams.Add(1) > int32(a.pace.most) {
		h.Set("Retry-After", "1")
		return &Error{Code: http.StatusTooManyRequests, Reason: "TooManyRequests", Message: fmt.Sprintf("there are %d streams, which is as many as there may be: close one", a.pace.most)}
	}
	s := a.src.Stream(topics, after)
	defer s.Close()
	h.Set("Content-Type", formEvents)
	w := &eventWriter{pace: a.pace, control: http.NewResponseController(ans.w), w: ans.w, stopped: s.Stopped()}
	w.put(StreamEvent{Name: "hello", Item: hello{a.moment(ans, func() {}), topics, s.OldestID()}})
	w.run(ans.r.Context(), s, match)
	return nil
}

// parseStream reads the query: topics, and what requests must have.
func parseStream(query url.Values) (topics []string, match rowMatch, err *Error) {
	if err := checkQuery(query, append([]string{"topics"}, matchKeys...)...); err != nil {
		return nil, nil, err
	}
	topics = slices.DeleteFunc(slices.Clone(Topics), func(t string) bool { return t == TopicRequests })
	if values, ok := query["topics"]; ok {
		topics = nil
		for topic := range strings.SplitSeq(strings.Join(values, ","), ",") {
			if !slices.Contains(Topics, topic) {
				return nil, nil, badValue("topics", topic, "one of "+strings.Join(Topics, ", "))
			}
			if !slices.Contains(topics, topic) {
				topics = append(topics, topic)
			}
		}
	}
	match = rowMatch{}
	for _, key := range matchKeys {
		if values, ok := query[key]; ok {
			match[key] = values
		}
	}
	return topics, match, nil
}

// lastEventID is the id to resume after, nil without one.
func lastEventID(values []string) (*int64, *Error) {
	if len(values) == 0 {
		return nil, nil
	}
	id, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || id < 0 || len(values) > 1 {
		return nil, badRequest(fmt.Sprintf("the Last-Event-ID %q is not the id of an event", cut(strings.Join(values, ", "), 64)))
	}
	return &id, nil
}

// rowMatch chooses rows of requests, by their keys of the same names.
type rowMatch Match

// chooses reports whether a row, of a request under way or ended, has for each key one of
// the values. Rows of something else are chosen.
func (m rowMatch) chooses(row any) bool {
	switch row.(type) {
	case Request, FinishedRequest:
	default:
		return true
	}
	v := reflect.ValueOf(row)
	for key, values := range m {
		var has List[string]
		if key == "group" {
			has = v.FieldByName("Groups").Interface().(List[string])
		} else {
			has = List[string]{scalarOf(v.FieldByName(strings.ToUpper(key[:1]) + key[1:])).text}
		}
		if !slices.ContainsFunc(has, func(s string) bool { return MatchesAny(values, s) }) {
			return false
		}
	}
	return true
}

// eventWriter writes one stream.
type eventWriter struct {
	pace
	control *http.ResponseController
	w       http.ResponseWriter
	stopped context.Context
	buf     bytes.Buffer
	err     error // of the first write that failed
}

// run writes what s has until s ends, the client goes (ctx) or takes nothing.
func (w *eventWriter) run(ctx context.Context, s Stream, match rowMatch) {
	defer func() { _ = w.control.SetWriteDeadline(time.Time{}) }() // the connection may be used again
	// A write that waits when the process stops is not to hold it up.
	defer context.AfterFunc(w.stopped, func() { _ = w.control.SetWriteDeadline(time.Now().Add(w.last)) })()
	comment := time.NewTicker(w.comment)
	defer comment.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		over := false
		for !over && w.err == nil {
			e, ok := s.Next()
			if !ok {
				break
			}
			over = e.Name == "end"
			if match.chooses(e.Item) {
				w.put(e)
			}
		}
		w.flush()
		if over || w.err != nil {
			return
		}
		rest.Reset(w.rest)
		select {
		case <-rest.C:
		case <-ctx.Done():
			return
		}
		select {
		case <-s.Ready():
		case <-comment.C:
			w.buf.WriteString(":\n\n")
		case <-ctx.Done():
			return
		}
	}
}

// put adds an event, on lines as the standard has them. JSON has no line break: strings
// have theirs escaped.
func (w *eventWriter) put(e StreamEvent) {
	data := e.Item
	if e.ID != 0 {
		fmt.Fprintf(&w.buf, "id: %d\n", e.ID)
		data = happening{envelope{e.Generation, Time(e.At)}, e.Item}
	}
	b, err := json.Marshal(data)
	if err != nil { // a number that JSON has not, which is the Source's defect
		b, _ = json.Marshal(happening{envelope{e.Generation, Time(e.At)}, nil})
	}
	fmt.Fprintf(&w.buf, "event: %s\ndata: %s\n\n", e.Name, b)
	if w.buf.Len() >= streamChunk {
		w.flush()
	}
}

// flush writes what is there, in the time that a reader has to take it.
func (w *eventWriter) flush() {
	if w.err != nil || w.buf.Len() == 0 {
		return
	}
	limit := w.stall
	if w.stopped.Err() != nil {
		limit = w.last
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(limit))
	_, err := w.w.Write(w.buf.Bytes())
	w.err = errors.Join(err, w.control.Flush())
	w.buf.Reset()
}
