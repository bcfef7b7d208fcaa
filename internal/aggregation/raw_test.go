package aggregation_test

import (
	"bufio"
	"net"
	"net/http"
	"testing"
	"time"
)

// exchangeRaw sends a text to an address and returns the answer to it, whose body is read when the test wants it.
func exchangeRaw(t testing.TB, address, text string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}
