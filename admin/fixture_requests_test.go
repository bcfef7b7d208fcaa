package admin

// Requests: the slowest are the same in reverse.
func (f *fake) Requests(slowest bool) Requests {
	items := append([]FinishedRequest(nil), f.finished...)
	if slowest {
		for i := range items {
			items[i] = f.finished[len(items)-1-i]
		}
	}
	return Requests{Recording: f.finished != nil, Capacity: 1000, Finished: items}
}
