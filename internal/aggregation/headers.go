package aggregation

import (
	"net/http"
	"net/textproto"
	"strings"
)

// Which headers go on. Three sorts do not:
//
//   - those between two ends of one connection, which are a fixed list and whatever Connection names (RFC 9110, 7.6.1);
//   - those that say who asks. A server behind believes them, since they come over a connection of ours: so the client's
//     are removed in every spelling that some server reads as one of them. CGI and what is built like it make - and _
//     the same, and so do we;
//   - credentials, and what the chain has used up: the server behind must not be able to act as the client elsewhere.

// hops are the headers between two ends.
var hops = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// isHop reports whether a header, in canonical form, is between two ends.
func isHop(name string) bool {
	for _, h := range hops {
		if name == h {
			return true
		}
	}
	return false
}

// dropNamed removes the headers that the lines of Connection name, which is h's own or what h was made of. A line may have as many
// names as a header has bytes, so each is looked at once.
func dropNamed(h http.Header, connection []string) {
	for _, line := range connection {
		for token := range strings.SplitSeq(line, ",") {
			delete(h, http.CanonicalHeaderKey(textproto.TrimString(token)))
		}
	}
}

// hasToken reports whether a list has a token, in any case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(t), token) {
				return true
			}
		}
	}
	return false
}

// secrets are the names, in small letters and with a minus, of headers that are the client's own.
var secrets = [...]string{"authorization", "x-remote-user", "x-remote-uid", "x-remote-group"}

// secretPrefixes are what others of them begin with.
var secretPrefixes = [...]string{"x-remote-extra-", "impersonate-"}

// staysHere reports whether a header of a request is not sent on, whatever Connection names.
func staysHere(name string) bool {
	if isHop(name) {
		return true
	}
	for _, s := range secrets {
		// The whole name: X-Remote-User-Agent is nobody's secret.
		if len(name) == len(s) && hasSpelling(name, s) {
			return true
		}
	}
	for _, s := range secretPrefixes {
		if hasSpelling(name, s) {
			return true
		}
	}
	// What a browser says in place of Authorization where it opens a WebSocket is taken out by authentication.
	return false
}

// hasSpelling reports whether name begins with what is in small letters and with a minus, in any spelling.
func hasSpelling(name, what string) bool {
	if len(name) < len(what) {
		return false
	}
	for i := range len(what) {
		c := name[i]
		switch {
		case c == '_':
			c = '-'
		case 'A' <= c && c <= 'Z':
			// To small letters; canonical form is not enough, since it leaves X_remote_USER as it is.
			c |= 0x20
		}
		if c != what[i] {
			return false
		}
	}
	return true
}

// isCORS reports whether a header of an answer is for us to say: what pages of other origins may do.
func isCORS(name string) bool {
	if !strings.HasPrefix(name, "Access-Control-Allow-") {
		return false
	}
	switch name[len("Access-Control-Allow-"):] {
	case "Credentials", "Headers", "Methods", "Origin":
		return true
	}
	return false
}

// IsUpgrade reports whether a request asks for another protocol.
func IsUpgrade(h http.Header) bool { return upgradeOf(h) != "" }

// upgradeOf returns the protocol that a request asks to go on with, "" for none: by upstream's rule a line of
// Connection has the word in it.
func upgradeOf(h http.Header) string {
	for _, line := range h["Connection"] {
		if strings.Contains(strings.ToLower(line), "upgrade") {
			if to := h.Get("Upgrade"); to != "" {
				return to
			}
			return "?"
		}
	}
	return ""
}
