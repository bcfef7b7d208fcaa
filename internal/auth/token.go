package auth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"
)

// A bearer token comes in the Authorization header (RFC 6750, section 2.1) or, since a
// browser can set no header of a websocket, among the protocols that it offers:
//
//	Sec-WebSocket-Protocol: v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.Z29vZA
//
// The server answers with one of the protocols, and that must not be the token, so there has
// to be another one. What the token means is none of this file's business; token_file.go
// and accounts.go know it.

// ErrInvalidToken says that a token is nobody's, or not for this server. It does not tell
// which, and reaches clients only as the answer to a TokenReview.
var ErrInvalidToken = errors.New("invalid bearer token")

// bearerToken returns the token of an Authorization header, "" when it is of another scheme
// or has none. What follows a space after the token is ignored. spaced says that there
// was more than one space in front of it: such a header counts as none at all, as in
// upstream, which warns the client of it.
func bearerToken(header string) (token string, spaced bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	token, _, more := strings.Cut(rest, " ")
	return token, token == "" && more
}

const (
	headerWebSocketProtocol = "Sec-Websocket-Protocol" // as net/http writes it
	webSocketTokenPrefix    = "base64url.bearer.authorization.k8s.io."
)

// webSocketToken returns the token among the protocols a websocket request offers, "" when
// there is none or the request is no websocket's. The errors are for the log.
func webSocketToken(h http.Header) (string, error) {
	if !isWebSocket(h) {
		return "", nil
	}
	encoded, found, others := "", 0, 0
	for protocol := range webSocketProtocols(h) {
		if rest, ok := strings.CutPrefix(protocol, webSocketTokenPrefix); ok {
			encoded = rest
			found++
		} else {
			others++
		}
	}
	if found > 1 {
		return "", errors.New("more than one bearer token among the websocket protocols")
	}
	// Without one found this decodes nothing to nothing.
	token, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !utf8.Valid(token) {
		return "", errors.New("the bearer token among the websocket protocols is not in base64url without padding")
	}
	if len(token) > 0 && others == 0 {
		return "", errors.New("no websocket protocol beside the bearer token")
	}
	return string(token), nil
}

// isWebSocket reports whether a request asks for a websocket: RFC 6455, section 4.2.1.
func isWebSocket(h http.Header) bool {
	if !strings.EqualFold(h.Get("Upgrade"), "websocket") {
		return false
	}
	// Firefox sends "keep-alive, Upgrade".
	for option := range strings.SplitSeq(h.Get("Connection"), ",") {
		if strings.EqualFold(strings.TrimSpace(option), "upgrade") {
			return true
		}
	}
	return false
}

// webSocketProtocols yields the protocols of all header lines, which are one list
// (RFC 6455, section 11.3.4).
func webSocketProtocols(h http.Header) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range h[headerWebSocketProtocol] {
			for protocol := range strings.SplitSeq(line, ",") {
				if !yield(strings.TrimSpace(protocol)) {
					return
				}
			}
		}
	}
}

// stripWebSocketToken removes every token from the protocols and leaves the others, in one
// line as upstream does. It does not ask whether the request is a websocket's: a token has
// no business behind us in any case.
func stripWebSocketToken(h http.Header) {
	var others []string
	found := false
	for protocol := range webSocketProtocols(h) {
		if strings.HasPrefix(protocol, webSocketTokenPrefix) {
			found = true
		} else {
			others = append(others, protocol)
		}
	}
	switch {
	// The lines stay as the client wrote them.
	case !found:
	case others == nil:
		delete(h, headerWebSocketProtocol)
	default:
		h[headerWebSocketProtocol] = []string{strings.Join(others, ",")}
	}
}
