package cel

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"
)

// zones keeps the time zones that expressions have named. Zones come from the files of the machine (ZONEINFO,
// /usr/share/zoneinfo, the Go installation): none are linked into the program. On a machine that has no such files every name but
// UTC and "" is the error `unknown time zone Europe/Berlin`, while offsets as "+02:00" work everywhere.
type zones struct {
	mu    sync.Mutex
	known map[string]zone
}

// zone is what a name leads to.
type zone struct {
	location *time.Location
	err      error
}

// longestZone is more than any name has.
const longestZone = 100

// maxZones is how many names are kept; there are about 600.
const maxZones = 1024

// in returns a timestamp in a zone, which is a name of the IANA data or an offset from UTC: hours, colon, minutes. (inTimeZone
// in common/stdlib/standard.go, which kube-apiserver's DefaultUTCTimeZone chooses; it bounds neither part, unlike timeZone in
// common/types.) What has a colon is an offset, whose sign may be left out. The errors are those of Go's packages, as upstream's are.
func (z *zones) in(t time.Time, name string) (time.Time, error) {
	// No name of a zone has a colon.
	colon := strings.IndexByte(name, ':')
	if colon < 0 {
		found := z.load(name)
		if found.err != nil {
			return time.Time{}, found.err
		}
		return t.In(found.location), nil
	}
	hours, err := strconv.Atoi(name[:colon])
	if err != nil {
		return time.Time{}, err
	}
	minutes, err := strconv.Atoi(name[colon+1:])
	if err != nil {
		return time.Time{}, err
	}
	// The sign belongs to both: -01:30 is ninety minutes, not thirty before one hour; and -00:30 has a sign that
	// its hours do not show.
	offset := hours*60 + minutes
	if name[0] == '-' {
		offset = hours*60 - minutes
	}
	return t.In(time.FixedZone("", int((time.Duration(offset) * time.Minute).Seconds()))), nil
}

// load returns the zone of a name, from the machine's files the first time.
func (z *zones) load(name string) zone {
	if len(name) > longestZone {
		return zone{err: errors.New("unknown time zone " + name[:longestZone] + "…")}
	}
	// One lock for all programs of an Env: a zone is looked up in a map most of the time, and read from a file
	// once.
	z.mu.Lock()
	defer z.mu.Unlock()
	if found, ok := z.known[name]; ok {
		return found
	}
	location, err := time.LoadLocation(name)
	// Names that do not exist are kept too, so that asking for one again is no look at the disk; whoever asks for
	// a thousand different ones empties the map, and no more.
	if z.known == nil || len(z.known) >= maxZones {
		z.known = map[string]zone{}
	}
	z.known[name] = zone{location, err}
	return zone{location, err}
}

// zoned returns a function of a timestamp and a zone.
func (z *zones) zoned(part func(time.Time) int) func(a, b Value) Value {
	return func(a, b Value) Value {
		t, err := z.in(a.Time(), b.Str())
		if err != nil {
			return Fail(err)
		}
		return IntOf(int64(part(t)))
	}
}
