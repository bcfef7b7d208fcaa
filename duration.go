package main

import (
	"strconv"
	"time"
)

// humanDuration is an age as tables show it: two units at most, fewer the longer it is.
func humanDuration(d time.Duration) string {
	unit := func(n time.Duration, name string) string { return strconv.FormatInt(int64(n), 10) + name }
	two := func(n time.Duration, name string, rest time.Duration, small string) string {
		if rest == 0 {
			return unit(n, name)
		}
		return unit(n, name) + unit(rest, small)
	}
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	switch {
	case d <= -2*time.Second:
		return "<invalid>"
	case d < 0:
		return "0s"
	case d < 2*time.Minute:
		return unit(d/time.Second, "s")
	case d < 10*time.Minute:
		return two(d/time.Minute, "m", d%time.Minute/time.Second, "s")
	case d < 3*time.Hour:
		return unit(d/time.Minute, "m")
	case d < 8*time.Hour:
		return two(d/time.Hour, "h", d%time.Hour/time.Minute, "m")
	case d < 48*time.Hour:
		return unit(d/time.Hour, "h")
	case d < 8*day:
		return two(d/day, "d", d%day/time.Hour, "h")
	case d < 2*year:
		return unit(d/day, "d")
	case d < 8*year:
		return two(d/year, "y", d%year/day, "d")
	}
	return unit(d/year, "y")
}
