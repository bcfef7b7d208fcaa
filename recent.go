package main

import (
	"time"

	"apichain/admin"
)

// recording is what an exchange notes for the ring of recent requests.
type recording struct{}

// recentRequests is the ring of requests that have ended.
type recentRequests struct{}

type recentOptions struct{}

func (o *recentOptions) register(*flags) {}

func (o *recentOptions) check(*problems) {}

// finishedRow is the exchange that ended just now, as /admin/v1/requests shows it. It may
// be called in finish alone, by the goroutine that closes the books.
func (x *exchange) finishedRow(how ending, took time.Duration) admin.FinishedRequest {
	return admin.FinishedRequest{}
}
