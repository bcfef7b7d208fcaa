package request

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"apichain/internal/status"
)

// What of a client's text may be shown. Whatever a client sends may end in a log that others read, or
// on an admin page, so each text is made valid UTF-8 and cut to a length, and of a query only the
// values of parameters that Kubernetes defines, and ours, are shown: /api/v1/pods?limit=5&token=REDACTED. Control
// characters stay: whoever writes the text quotes it.

// shownMost is the most bytes of a client's text that are shown, unless the caller wants fewer.
const shownMost = 2048

// shownParameters are the query parameters that Kubernetes defines, and omitManagedFields of ours: only their values are shown.
var shownParameters = []string{
	"allowWatchBookmarks", "as", "container", "continue", "dryRun", "exclude", "fieldManager", "fieldSelector", "fieldValidation",
	"follow", "force", "gracePeriodSeconds", "hash", "includeObject", "labelSelector", "limit", "limitBytes", "omitManagedFields",
	"orphanDependents", "path", "pretty", "previous", "propagationPolicy", "resourceVersion", "resourceVersionMatch", "sendInitialEvents",
	"sinceSeconds", "sinceTime", "tailLines", "timeout", "timeoutSeconds", "timestamps", "verbose", "watch",
}

// ShownURI returns a request's path and query as they may be shown, each cut.
func ShownURI(u *url.URL) string {
	path := Shown(u.Path)
	if q := ShownQuery(u.RawQuery); q != "" {
		return path + "?" + q
	}
	return path
}

// ShownQuery returns a query as it may be shown: with every value as REDACTED but those of known
// parameters, and those too if they have a semicolon, behind which somebody may have thought of a
// further parameter. Names are shown, and neither names nor values are decoded.
func ShownQuery(raw string) string { return string(AppendShownQuery(nil, raw)) }

// AppendShownQuery appends the query as ShownQuery has it. It allocates only for what is long or no
// valid UTF-8, since it is called for each request that is recorded.
func AppendShownQuery(b []byte, raw string) []byte {
	if raw == "" {
		return b
	}
	start := len(b)
	for part := range strings.SplitSeq(raw, "&") {
		key, _, hasValue := strings.Cut(part, "=")
		name, err := url.QueryUnescape(key)
		// A name that cannot be read is shown, and its value is not: it may be any parameter's.
		if hasValue && (err != nil || strings.Contains(part, ";") || !slices.Contains(shownParameters, name)) {
			b = append(append(b, key...), "=REDACTED&"...)
			continue
		}
		b = append(append(b, part...), '&')
	}
	// Cut at the end, not value by value: what is redacted is short.
	b = b[:len(b)-1]
	if len(b)-start > shownMost || !utf8.Valid(b[start:]) {
		b = append(b[:start], Shown(string(b[start:]))...)
	}
	return b
}

// Shown returns a client's text as it may be shown: ShownShort of 2,048 bytes.
//
//go:noinline
func Shown(s string) string { return ShownShort(s, shownMost) }

// ShownShort returns a client's text as valid UTF-8, cut to at most so many bytes and an ellipsis.
// What is invalid grows when it is replaced, so that comes first.
func ShownShort(s string, most int) string {
	return status.Shorten(strings.ToValidUTF8(s, "\uFFFD"), most)
}
