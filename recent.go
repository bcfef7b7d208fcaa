package main

// recording is what an exchange notes for the ring of recent requests.
type recording struct{}

// recentRequests is the ring of requests that have ended.
type recentRequests struct{}

type recentOptions struct{}

func (o *recentOptions) register(*flags) {}

func (o *recentOptions) check(*problems) {}
