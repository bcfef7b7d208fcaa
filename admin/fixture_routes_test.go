package admin

func (f *fake) RequestStacks() map[string][]string {
	return map[string][]string{"48211": {"main.(*resource).list resource_read.go:80"}}
}
