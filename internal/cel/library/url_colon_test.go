package library

import "testing"

// TestColonsOfHosts: a host of http has one colon at most, as with the Go that kube-apiserver is built with.
func TestColonsOfHosts(t *testing.T) {
	for text, want := range map[string]string{
		"http://::1": `parse "http://::1": invalid port "::1" after host`, "https://u:p@a:b:80/x": `parse "https://u:p@a:b:80/x": invalid port ":b:80" after host`,
		"http://[::1]:80/": "", "http://a:80": "", "http://u:p@a:80": "", "ftp://a:b:80": "", "/::1": "", "HTTP://a:": "",
	} {
		got := ""
		if _, err := requestURL(text); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
