package request

import "strings"

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
