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

// Events as they happen, as server-sent events: GET /admin/v1/stream.
//
// The program keeps the events of each topic in a ring; a Stream is one reader of it, with
// a place of its own, so a slow reader costs the program nothing. This file writes what a
// reader has to one client:
//
//	hello, then (events | dropped)*, then at times end
//
// hello comes first and says which topics are read. dropped says that events were missed,
// how many if that is known. end comes before a close of ours (slow, stopping); a client
// that is cut for taking nothing gets no end and is told with dropped when it resumes.
// Only events of topics have an id, so Last-Event-ID always names one of them.
//
// The lines are those of the HTML standard, 9.2: an event is "id:", "event:" and "data:"
// with JSON on one line, and ends with an empty line. A comment, ":" alone, is sent to a
// quiet stream now and then, so that proxies do not close it and a client that vanished is
// noticed. Source: the contract, GET /admin/v1/stream.

// formEvents is offered by the stream alone.
const formEvents = "text/event-stream"

// TopicRequests is the topic that a stream has only when it asks for it: it is by far the
// busiest.
const TopicRequests = "requests"

// Topics are what events are about.
var Topics = []string{TopicRequests, "hooks", "lifecycle", "certificates", "backends", "drain", "faults", "loglevel"}

// Streamer gives events as they happen.
type Streamer interface {
	// Stream opens a stream of some topics, each of them in Topics and there once: of
	// what comes from now on or, where after is not nil, of what came after the event
	// with that id. Whoever opened the stream closes it.
	Stream(topics []string, after *int64) Stream
}

// Stream is one reader of events. It is for one goroutine.
type Stream interface {
	// OldestID returns the id of the oldest event of the topics that is kept, nil if none
	// is.
	OldestID() *int64

	// Next returns the next event, in the order of ids, and false when there is none yet.
	// It does not wait. What was missed comes as an event called dropped with a Dropped;
	// after EndOfStream there is nothing more.
	Next() (StreamEvent, bool)

	// Ready has a token when Next, which had nothing, has something.
	Ready() <-chan struct{}

	// Stopped returns a context that ends when the process has nothing to wait for any
	// more but its streams.
	Stopped() context.Context

	// Close gives up the reader's place.
	Close()
}

// StreamEvent is one event. ID 0 is no id: it is not an event of a topic. Item is a row as
// its endpoint has it; it belongs to all readers, so nobody may change it.
type StreamEvent struct {
	ID         int64
	Name       string
	Generation int64
	At         time.Time
	Item       any
}

// hello is the data of the first event of every stream.
type hello struct {
	envelope
	Topics   List[string] `json:"topics" doc:"topics of the stream (event hello)"`
	OldestID *int64       `json:"oldestId" doc:"id of the oldest event of these topics that is kept; null: none is (event hello)"`
}

// topicEvent is the data of an event of a topic.
type topicEvent struct {
	envelope
	Item any `json:"item" doc:"what it is about, as its endpoint shows it (events of topics)"`
}

// Dropped is the item of the event dropped, which tells a reader what it will not get.
type Dropped struct {
	Missed *int64 `json:"missed" doc:"events that are not kept any more, of all topics of the stream; null: not known, as with an id of another process or requests that nobody read (event dropped)"`
}

// end is the data of the last event of a stream that the program ends.
type end struct {
	Why string `json:"why" doc:"why the stream ends: slow or stopping (event end)"`
}

// EndOfStream returns the event that says why the stream ends: slow or stopping.
func EndOfStream(why string) StreamEvent { return StreamEvent{Name: "end", Item: end{why}} }

// streamKeys has all keys that the data of events has at its top, and those of an item that
// no endpoint shows: a FaultHit. It is never sent; the index and the OpenAPI document
// describe the stream by it.
type streamKeys struct {
	hello
	Item struct {
		Rule    any `json:"rule" doc:"id of the rule that was applied (event fault-hit)"`
		Request any `json:"request" doc:"the request it was applied to, as inflight shows it (event fault-hit)"`
		Backend any `json:"backend" doc:"id of the backend whose call it was applied to; empty: it was applied to the request (event fault-hit)"`
	} `json:"item" doc:"what it is about, as its endpoint shows it (events of topics)"`
	Dropped
	end
}

// streamLimits bound what streams may cost, and how long they wait.
type streamLimits struct {
	// streams is how many may be open at once.
	streams int

	// stall is the time in which a reader must take what is written, all of it.
	stall time.Duration

	// comment is the time between two comments.
	comment time.Duration

	// batch is the least time between two writes, so that many events cost few of them.
	batch time.Duration

	// grace is the time for what is left to write when the process has stopped.
	grace time.Duration
}

// defaultStreamLimits are the contract's, but for batch, which nobody notices, and grace,
// which is within the second that the listener stays open.
var defaultStreamLimits = streamLimits{
	streams: 100,
	stall:   10 * time.Second,
	comment: 15 * time.Second,
	batch:   20 * time.Millisecond,
	grace:   250 * time.Millisecond,
}

// streamChunk is the most bytes that are written at once, but for one event that is
// larger: so much must be taken in the time that a stalled reader has.
const streamChunk = 16 << 10

// serveStream serves one stream until it ends. It returns 400 for a wrong parameter or
// Last-Event-ID and 429 when as many streams are open as may be. HEAD opens none.
func serveStream(a *api, ans *answer) *Error {
	topics, match, err := parseStream(ans.query)
	if err != nil {
		return err
	}
	after, err := lastEventID(ans.r.Header.Values("Last-Event-ID"))
	if err != nil {
		return err
	}
	// After the checks, which HEAD has as well, and before a place is taken.
	if ans.r.Method == http.MethodHead {
		ans.w.Header().Set("Content-Type", formEvents)
		return nil
	}
	// Counted before it is compared, so that of two that come at once for the last place only
	// one gets it. The refused one gives its count back like any other.
	defer a.openStreams.Add(-1)
	if a.openStreams.Add(1) > int32(a.limits.streams) {
		return ans.tooMany(fmt.Sprintf("there are %d streams, which is as many as there may be: close one", a.limits.streams))
	}
	s := a.src.Stream(topics, after)
	defer s.Close()
	ans.w.Header().Set("Content-Type", formEvents)
	w := &eventWriter{
		streamLimits: a.limits, control: http.NewResponseController(ans.w), w: ans.w, stopped: s.Stopped(),
	}
	w.put(StreamEvent{Name: "hello", Item: hello{a.readStable(ans, func() {}), topics, s.OldestID()}})
	w.run(ans.r.Context(), s, match)
	return nil
}

// parseStream reads the query of a stream: its topics, each once and in the order asked
// for, and what requests must have. Without topics it is all but requests.
func parseStream(query url.Values) (topics []string, match requestFilter, err *Error) {
	if err := checkQuery(query, append([]string{"topics"}, matchKeys...)...); err != nil {
		return nil, nil, err
	}
	// requests is left out of the default, and only there: asking for it is enough.
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
	match = requestFilter{}
	for _, key := range matchKeys {
		if values, ok := query[key]; ok {
			match[key] = values
		}
	}
	return topics, match, nil
}

// lastEventID returns the id to resume after, nil without a header line. An id that no
// event can have is a 400; one of another process is the Stream's to notice.
func lastEventID(values []string) (*int64, *Error) {
	if len(values) == 0 {
		return nil, nil
	}
	id, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || id < 0 || len(values) > 1 {
		return nil, badRequest(fmt.Sprintf("the Last-Event-ID %q is not the id of an event", truncate(strings.Join(values, ", "), 64)))
	}
	return &id, nil
}

// requestFilter selects rows of requests by the keys of a Match.
type requestFilter Match

// selects reports whether a row, of a request under way or ended, has for each key one of
// the values. Rows of something else are always selected: the filter is for the busy topic.
func (m requestFilter) selects(row any) bool {
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
			// Each key is the name of a field but for its first letter; a test holds that.
			has = List[string]{scalarOf(v.FieldByName(strings.ToUpper(key[:1]) + key[1:])).text}
		}
		if !slices.ContainsFunc(has, func(s string) bool { return MatchesAny(values, s) }) {
			return false
		}
	}
	return true
}

// eventWriter writes one stream. It belongs to the goroutine of the request, but for the
// write deadline, which the end of stopped sets as well.
type eventWriter struct {
	streamLimits
	control *http.ResponseController
	w       http.ResponseWriter
	stopped context.Context

	buf bytes.Buffer

	// err is that of the first write that failed. Nothing is written after it.
	err error
}

// run writes what s has until s ends, the client goes (ctx) or takes nothing.
func (w *eventWriter) run(ctx context.Context, s Stream, match requestFilter) {
	// The connection may be used again for another request, which has no deadline of ours.
	defer func() { _ = w.control.SetWriteDeadline(time.Time{}) }()
	// A write that waits for its reader when the process stops must not hold the stop up.
	defer context.AfterFunc(w.stopped, func() { _ = w.control.SetWriteDeadline(time.Now().Add(w.grace)) })()
	comment := time.NewTicker(w.comment)
	defer comment.Stop()
	batch := time.NewTimer(0)
	defer batch.Stop()
	for {
		over := w.putAll(s, match)
		w.flush()
		if over || w.err != nil {
			return
		}
		// Two waits, one after the other: first the pause between writes, in which events gather,
		// then for an event. Waiting for both at once would write each event alone.
		batch.Reset(w.batch)
		select {
		case <-batch.C:
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

// putAll adds what s has now, and reports whether the stream is over.
func (w *eventWriter) putAll(s Stream, match requestFilter) (over bool) {
	for !over && w.err == nil {
		e, ok := s.Next()
		if !ok {
			break
		}
		// What comes after the end, if anything does, is not the client's any more.
		over = e.Name == "end"
		if match.selects(e.Item) {
			w.put(e)
		}
	}
	return over
}

// put adds an event, on lines as the standard has them, and writes when a chunk is full.
// What clients wrote cannot break the lines: JSON escapes the line breaks in its texts.
func (w *eventWriter) put(e StreamEvent) {
	data := e.Item
	if e.ID != 0 {
		fmt.Fprintf(&w.buf, "id: %d\n", e.ID)
		data = topicEvent{envelope{e.Generation, Time(e.At)}, e.Item}
	}
	b, err := json.Marshal(data)
	if err != nil {
		// A number that JSON does not have, which is a defect of the Source. The event is sent
		// without its item, so that its id is not lost to the reader.
		b, _ = json.Marshal(topicEvent{envelope{e.Generation, Time(e.At)}, nil})
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
		limit = w.grace
	}
	// Set anew for each write: a reader may be slow for hours, as long as it takes each chunk.
	_ = w.control.SetWriteDeadline(time.Now().Add(limit))
	_, err := w.w.Write(w.buf.Bytes())
	w.err = errors.Join(err, w.control.Flush())
	w.buf.Reset()
}
