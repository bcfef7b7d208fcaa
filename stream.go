package main

// hub hands events to the streams of the admin listener. The zero value is ready.
type hub struct{}

// publish makes an event: topic is hooks, lifecycle, certificates, drain, faults or
// loglevel; name is the event's, and item its row as the admin endpoint shows it, which is
// asked for only when somebody may see it. It never waits.
func (p *program) publish(topic, name string, item func() any) {}
