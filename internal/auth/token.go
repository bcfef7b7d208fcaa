package auth

import (
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"

	"apichain/internal/request"
)

// Bearer tokens, from the header (RFC 6750, section 2.1) and from a websocket's
// protocols, which is where a browser can put one.

var ErrInvalidToken = errors.New("invalid bearer token")

// bearerToken is the token of an Authorization header, "" when it is of another scheme
// or has none. What follows a space after the token is ignored. spaced says that there
// was more than one space in front of it: such a header counts as none at all.
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

// webSocketToken is the token among the protocols a websocket request offers, "" when
// there is none or the request is no websocket's. Another protocol must be offered too:
// the server has to accept one, and it must not be the token.
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
	token, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !utf8.Valid(token) {
		return "", errors.New("the bearer token among the websocket protocols is not in base64url without padding")
	}
	if len(token) > 0 && others == 0 {
		return "", errors.New("no websocket protocol beside the bearer token")
	}
	return string(token), nil
}

// isWebSocket: RFC 6455, section 4.2.1.
func isWebSocket(h http.Header) bool {
	if !strings.EqualFold(h.Get("Upgrade"), "websocket") {
		return false
	}
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

// stripWebSocketToken leaves the other protocols, in one line as upstream does.
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
	case !found:
	case others == nil:
		delete(h, headerWebSocketProtocol)
	default:
		h[headerWebSocketProtocol] = []string{strings.Join(others, ",")}
	}
}

// readTokenFile reads the users of a token file. A record without a token is left out,
// and of two with the same token the last counts; both are notes for the log.
func readTokenFile(name string) (tokens map[string]*request.User, notes []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("token file: %w", err)
	}
	defer f.Close()
	if tokens, notes, err = parseTokens(f); err != nil {
		return nil, nil, fmt.Errorf("token file %s: %w", name, err)
	}
	for i := range notes {
		notes[i] = "token file " + name + ": " + notes[i]
	}
	return tokens, notes, nil
}

func parseTokens(r io.Reader) (tokens map[string]*request.User, notes []string, err error) {
	tokens = map[string]*request.User{}
	in := csv.NewReader(r)
	in.FieldsPerRecord = -1
	for {
		record, err := in.Read()
		if err == io.EOF {
			return tokens, notes, nil
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			return nil, nil, fmt.Errorf("line %d: %w", wrong.StartLine, wrong.Err)
		}
		if err != nil {
			return nil, nil, err
		}
		line, _ := in.FieldPos(0)
		if len(record) < 3 {
			return nil, nil, fmt.Errorf("line %d: want at least 3 columns (token, user, uid), found %d", line, len(record))
		}
		token := record[0]
		if token == "" {
			notes = append(notes, fmt.Sprintf("line %d: no token, the line is left out", line))
			continue
		}
		if tokens[token] != nil {
			notes = append(notes, fmt.Sprintf("line %d: a token that stands further up, this line counts", line))
		}
		u := &request.User{Name: record[1], UID: record[2]}
		if len(record) > 3 && record[3] != "" {
			u.Groups = strings.Split(record[3], ",")
		}
		tokens[token] = u
	}
}
