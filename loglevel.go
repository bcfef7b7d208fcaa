package main

import (
	"context"
	"log/slog"
	"sync/atomic"

	"apichain/admin"
)

// logLevelControl is the verbosity of the log, for all or for some. For a request the
// highest of the rules that match it holds, else -v. Its access record is decided when it
// has finished and everything is known of it; a debug line that it writes before by what is
// known then, if it is logged with the request's context. Other lines belong to no request,
// and follow the rules that match all.
type logLevelControl struct {
	control
	// usual is -v.
	usual int
	// rules are nil where none is set, which is all that a request asks then.
	rules atomic.Pointer[logRules]
}

// logRules are the rules that are set.
type logRules struct {
	list []*logRule
	// highest is of all rules and -v: what is above holds for nobody.
	highest int
}

// logRule is one rule that is set.
type logRule struct {
	admin.LogRule // as it was set, without hits
	match         matcher
	hits          atomic.Uint64
}

// of returns the verbosity for a request, or with nil for what belongs to none; with count its matches
// are counted, which is done once for each request. It may be called concurrently, and without rules
// costs one atomic load.
func (c *logLevelControl) of(x *exchange, count bool) int {
	set := c.rules.Load()
	if set == nil {
		return c.usual
	}
	v, matched := 0, false
	for _, r := range set.list {
		// What is of no request is in the rules that match all.
		if x == nil && len(r.match) > 0 || x != nil && !r.match.matches(x) {
			continue
		}
		v, matched = max(v, r.Verbosity), true
		if count {
			r.hits.Add(1)
		}
	}
	// A rule may ask for less than -v too, so 0 is no sign of none.
	if !matched {
		return c.usual
	}
	return v
}

// highest returns the most that anything is logged with now: what needs more need not be made.
func (c *logLevelControl) highest() int {
	if set := c.rules.Load(); set != nil {
		return set.highest
	}
	return c.usual
}

// levelled is a log's handler that asks the control.
type levelled struct {
	slog.Handler
	control *logLevelControl
}

// Enabled lets everything pass but debug lines, which need debugVerbosity.
func (h levelled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.control.of(exchangeFrom(ctx), false) >= debugVerbosity
}

// WithAttrs returns the handler with attributes, which asks the same control.
func (h levelled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levelled{h.Handler.WithAttrs(attrs), h.control}
}

// WithGroup returns the handler with a group, which asks the same control.
func (h levelled) WithGroup(name string) slog.Handler {
	return levelled{h.Handler.WithGroup(name), h.control}
}

// LogLevel returns the verbosity and its rules for the admin endpoint, with their hits until now.
func (s source) LogLevel() admin.LogLevel {
	c := &s.p.logLevel
	// State and rules change together, under this lock.
	c.mu.Lock()
	defer c.mu.Unlock()
	out := admin.LogLevel{ControlState: c.state, Default: c.usual, Rules: []admin.LogRule{}}
	if set := c.rules.Load(); set != nil {
		for _, r := range set.list {
			a := r.LogRule
			a.Hits = r.hits.Load()
			out.Rules = append(out.Rules, a)
		}
	}
	return out
}

// SetLogLevel puts rules into force for a time, in place of all there were. They have been checked.
func (s source) SetLogLevel(set admin.Setting, rules []admin.LogRule) *admin.Error {
	c := &s.p.logLevel
	compiled := &logRules{highest: c.usual}
	for _, r := range rules {
		compiled.list = append(compiled.list, &logRule{LogRule: r, match: newMatcher(r.Match)})
		compiled.highest = max(compiled.highest, r.Verbosity)
	}
	return c.set(set, func(context.Context) { c.rules.Store(compiled) }, func() { c.rules.Store(nil) })
}

// ClearLogLevel goes back to -v for everything.
func (s source) ClearLogLevel(by string) { s.p.logLevel.clear(by) }
