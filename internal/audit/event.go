package audit

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
)

// Event is upstream's audit.k8s.io/v1 Event; keys in upstream's order. The zero
// event has no kind: newEvent sets it.
type Event struct {
	Kind             string            `json:"kind"`
	APIVersion       string            `json:"apiVersion"`
	Level            Level             `json:"level"`
	AuditID          string            `json:"auditID"`
	Stage            Stage             `json:"stage"`
	RequestURI       string            `json:"requestURI"` // path and query as sent
	Verb             string            `json:"verb"`
	User             User              `json:"user"`
	ImpersonatedUser *User             `json:"impersonatedUser,omitempty"`
	SourceIPs        []string          `json:"sourceIPs,omitempty"`
	UserAgent        string            `json:"userAgent,omitempty"`
	ObjectRef        *ObjectRef        `json:"objectRef,omitempty"`
	ResponseStatus   *status.Status    `json:"responseStatus,omitempty"` // without kind and apiVersion
	RequestObject    json.RawMessage   `json:"requestObject,omitempty"`
	ResponseObject   json.RawMessage   `json:"responseObject,omitempty"`
	Received         Time              `json:"requestReceivedTimestamp"`
	StageTime        Time              `json:"stageTimestamp"`
	Annotations      map[string]string `json:"annotations,omitempty"`
}

// newEvent is an event of r with what is known when r arrives. r's URI is upstream's
// RequestURI of the parsed URL, which a client cannot stretch over two lines.
func newEvent(r *http.Request, auditID string, level Level, received time.Time) *Event {
	return &Event{
		Kind: "Event", APIVersion: "audit.k8s.io/v1",
		Level: level, AuditID: auditID, RequestURI: r.URL.RequestURI(),
		SourceIPs: sourceIPs(r), UserAgent: cutUserAgent(r.UserAgent()),
		Received: Time(received),
	}
}

// User is a user as upstream's authentication.k8s.io/v1 UserInfo. It shares the
// User's slices and map.
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

// ObjectRef is what a resource request is about.
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

// newObjectRef is nil for a request that is about no resource.
func newObjectRef(info *request.Info) *ObjectRef {
	if !info.IsResourceRequest {
		return nil
	}
	return &ObjectRef{Resource: info.Resource, Namespace: info.Namespace, Name: info.Name, APIGroup: info.APIGroup, APIVersion: info.APIVersion, Subresource: info.Subresource}
}

// statusOf is a response status for an event: of a failure its Status, without kind
// and apiVersion; with failure nil the code alone.
func statusOf(code int, failure *status.Error) *status.Status {
	if failure == nil {
		return &status.Status{Code: code}
	}
	s := failure.Object()
	s.Kind, s.APIVersion = "", ""
	return &s
}

// cutUserAgent cuts a user agent as upstream does: 1,024 bytes and a mark.
func cutUserAgent(s string) string {
	const limit = 1024
	if len(s) > limit {
		return s[:limit] + "...TRUNCATED"
	}
	return s
}

// sourceIPs is where a request says it came from, and then where it came from: the
// X-Forwarded-For list, X-Real-Ip unless listed, the remote address unless last in the
// list (upstream). Only the last is sure; values that are no IP address are left out.
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
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	host, _, _ = strings.Cut(host, "%") // the zone of a link-local address
	if ip := net.ParseIP(host); ip != nil && (len(ips) == 0 || ips[len(ips)-1] != ip.String()) {
		ips = append(ips, ip.String())
	}
	return ips
}

// Time is a time as upstream's MicroTime; the zero time is null.
type Time time.Time

func (t Time) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000Z"`), nil
}
