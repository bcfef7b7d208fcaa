package main

import (
	"time"

	"apichain/admin"
	"apichain/internal/hub"
)

// Events as they happen, for the streams of the admin listener. internal/hub keeps them and
// knows the readers; here they are made, and turned into what the admin endpoint shows.
//
// Events of requests are many and cost something, so they are made only while somebody reads
// them (hub.Recording), and the dearer one, that of the end, is made a row only by its readers.

// newStreams makes the hub of the admin endpoint's topics. The generation stamps each event: a
// reader that has seen it need not ask for what it shows.
func (p *program) newStreams() *hub.Hub {
	var topics []string
	for _, topic := range admin.Topics {
		if topic != admin.TopicRequests {
			topics = append(topics, topic)
		}
	}
	return hub.New(p.started.UnixMicro(), p.generation.Load, admin.TopicRequests, topics...)
}

// publish makes an event: topic is one of admin.Topics but requests; name is the event's, and
// item its row as the admin endpoint shows it. It never waits for a reader. Events are in the
// order of the calls.
func (p *program) publish(topic, name string, item any) { p.hub.Add(topic, name, item) }

// publishStarted makes the event of a request whose user is known, or that ends before it
// was; once for each. It is for the goroutine that runs the chain or closes the books, and
// is called only while requests are recorded.
func (p *program) publishStarted(x *exchange) {
	if !x.streamed.Swap(true) {
		p.hub.Add(admin.TopicRequests, "request-started", x.shown())
	}
}

// publishEnded makes the event of a request that has ended, after that of its start, so
// that whoever reads one has read the other, unless the reader came between.
func (p *program) publishEnded(x *exchange, how ending, took time.Duration) {
	if x.dry != nil {
		return
	}
	p.publishStarted(x)
	// A copy, since the exchange ends here; its row is made by whoever reads the event.
	k := &record{}
	k.fill(x, how, took)
	p.hub.Add(admin.TopicRequests, "request-ended", k)
}

// Stream opens a reader of topics: of what comes from now on or, to resume, of what came after
// the event that has the id after.
func (s source) Stream(topics []string, after *int64) admin.Stream {
	return streamReader{s.p.hub.Open(topics, after)}
}

// streamReader is a reader of the hub as an admin.Stream.
type streamReader struct{ *hub.Reader }

// Next returns the next event by id, if there is one, as the admin package writes it.
func (r streamReader) Next() (admin.StreamEvent, bool) {
	e, ok := r.Reader.Next()
	switch item := e.Item.(type) {
	case *record:
		e.Item = item.shown()
	case hub.Missed:
		return admin.StreamEvent{Name: "dropped", Item: admin.Dropped{Missed: item.Events}}, ok
	case hub.End:
		return admin.EndOfStream(string(item)), ok
	}
	return admin.StreamEvent{ID: e.ID, Name: e.Name, Generation: e.Stamp, At: e.At, Item: e.Item}, ok
}
