package request

import (
	"mime"
	"strings"
)

// Protobuf is the media type of messages in protobuf.
const Protobuf = "application/vnd.kubernetes.protobuf"

// MediaTypes are the media types of bodies and of answers, for descriptions; none at all means
// any.
type MediaTypes struct{ Consumes, Produces []string }

// MediaType returns a header value without its parameters.
func MediaType(s string) string {
	if i := strings.IndexByte(s, ';'); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSpace(s)
}

// ContentType returns the media type of a body, in lower case, as its Content-Type says it. It is
// "" for what is none, also because of its parameters.
func ContentType(s string) string {
	// Nearly all clients send these words, and parsing makes a map.
	if s == "application/json" {
		return s
	}
	t, _, err := mime.ParseMediaType(s)
	if err != nil {
		return ""
	}
	return t
}
