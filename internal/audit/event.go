package audit

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
)

// Event is one line of the log: upstream's audit.k8s.io/v1 Event, with its keys in
// upstream's order. The zero event lacks the kind, which newEvent sets. It shares the
// slices and maps that it is made of, so it is written before they may change.
type Event struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Level      Level  `json:"level"`
	AuditID    string `json:"auditID"`
	Stage      Stage  `json:"stage"`

	// RequestURI is path and query as they were sent.
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	// User is who the credentials name, and ImpersonatedUser whom the request then acts as.
	User             User     `json:"user"`
	ImpersonatedUser *User    `json:"impersonatedUser,omitempty"`
	SourceIPs        []string `json:"sourceIPs,omitempty"`
	UserAgent        string   `json:"userAgent,omitempty"`

	ObjectRef *ObjectRef `json:"objectRef,omitempty"`
	// ResponseStatus is without kind and apiVersion; of a success it has the code alone.
	ResponseStatus *status.Status `json:"responseStatus,omitempty"`
	// The objects are bodies as they were sent, not as they were decoded; YAML is written as JSON.
	RequestObject  json.RawMessage `json:"requestObject,omitempty"`
	ResponseObject json.RawMessage `json:"responseObject,omitempty"`

	Received    Time              `json:"requestReceivedTimestamp"`
	StageTime   Time              `json:"stageTimestamp"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// newEvent returns an event with what is known of r when it arrives. The URI is rendered
// from the parsed URL, as upstream does: a client cannot stretch it over two lines.
func newEvent(r *http.Request, auditID string, level Level, received time.Time) *Event {
	return &Event{
		Kind:       "Event",
		APIVersion: "audit.k8s.io/v1",
		Level:      level,
		AuditID:    auditID,
		RequestURI: r.URL.RequestURI(),
		SourceIPs:  sourceIPs(r),
		UserAgent:  cutUserAgent(r.UserAgent()),
		Received:   Time(received),
	}
}

// User describes a user as upstream's authentication.k8s.io/v1 UserInfo does. It shares
// the request.User's slices and map.
type User struct {
	Username string              `json:"username,omitempty"`
	UID      string              `json:"uid,omitempty"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

// newUser describes u; nil is the empty user.
func newUser(u *request.User) User {
	if u == nil {
		return User{}
	}
	return User{Username: u.Name, UID: u.UID, Groups: u.Groups, Extra: u.Extra}
}

// ObjectRef names what a resource request is about, as far as its path tells. UID and
// ResourceVersion are part of upstream's form; a path has neither.
type ObjectRef struct {
	Resource        string `json:"resource,omitempty"`
	Namespace       string `json:"namespace,omitempty"`
	Name            string `json:"name,omitempty"`
	UID             string `json:"uid,omitempty"`
	APIGroup        string `json:"apiGroup,omitempty"`
	APIVersion      string `json:"apiVersion,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
	Subresource     string `json:"subresource,omitempty"`
}

// newObjectRef returns nil for a request that is about no resource.
func newObjectRef(info *request.Info) *ObjectRef {
	if !info.IsResourceRequest {
		return nil
	}
	return &ObjectRef{
		Resource:    info.Resource,
		Namespace:   info.Namespace,
		Name:        info.Name,
		APIGroup:    info.APIGroup,
		APIVersion:  info.APIVersion,
		Subresource: info.Subresource,
	}
}

// statusOf returns the responseStatus of an answer: of a failure its Status, without kind
// and apiVersion; with failure nil the code alone.
func statusOf(code int, failure *status.Error) *status.Status {
	if failure == nil {
		return &status.Status{Code: code}
	}
	s := failure.Object()
	s.Kind, s.APIVersion = "", ""
	return &s
}

// cutUserAgent cuts a user agent as upstream does: 1,024 bytes and a mark. A client may
// send as much as a header holds, and it would be in every event.
func cutUserAgent(s string) string {
	const limit = 1024
	if len(s) > limit {
		return s[:limit] + "...TRUNCATED"
	}
	return s
}

// sourceIPs returns where a request says it came from, and then where it came from: the
// X-Forwarded-For list, X-Real-Ip unless listed, and the remote address unless that is the
// last of the list (upstream). Values that are no IP address are left out.
//
// Only the last one is sure: any client may send the headers. They are recorded for
// whoever knows which proxies stand in front, and nothing is decided by them.
func sourceIPs(r *http.Request) []string {
	var ips []string
	if list := r.Header.Get("X-Forwarded-For"); list != "" {
		for item := range strings.SplitSeq(list, ",") {
			if ip := net.ParseIP(strings.TrimSpace(item)); ip != nil {
				ips = append(ips, ip.String())
			}
		}
	}
	if ip := net.ParseIP(r.Header.Get("X-Real-Ip")); ip != nil && !slices.Contains(ips, ip.String()) {
		ips = append(ips, ip.String())
	}
	// A test, and a unix socket, has an address without a port.
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	// ParseIP takes no zone, and a link-local address has one.
	host, _, _ = strings.Cut(host, "%")
	// Twice in a row it would look like one proxy more.
	if ip := net.ParseIP(host); ip != nil && (len(ips) == 0 || ips[len(ips)-1] != ip.String()) {
		ips = append(ips, ip.String())
	}
	return ips
}

// encode returns e as a line. Objects that are no JSON are left out of it: the event is
// worth more than they are. e stays as it is.
func encode(e *Event) ([]byte, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(e); err == nil {
		return b.Bytes(), nil
	}
	plain := *e
	if !json.Valid(plain.RequestObject) {
		plain.RequestObject = nil
	}
	if !json.Valid(plain.ResponseObject) {
		plain.ResponseObject = nil
	}
	err := json.NewEncoder(&b).Encode(&plain)
	return b.Bytes(), err
}

// Time is a moment as upstream's MicroTime writes it: UTC with six digits of a second.
type Time time.Time

// MarshalJSON writes null for the zero time, as upstream does.
func (t Time) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000Z"`), nil
}
