package metrics

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// text is what write writes.
func text(t testing.TB, write func(*Writer)) string {
	t.Helper()
	var b strings.Builder
	e := NewWriter(&b)
	write(e)
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriter(t *testing.T) {
	for name, tt := range map[string]struct {
		write func(*Writer)
		want  string
	}{
		"no series":      {func(e *Writer) { e.Family("a_total", "counter", "Help.") }, "# HELP a_total Help.\n# TYPE a_total counter\n"},
		"single":         {func(e *Writer) { e.Single("a", "gauge", "Help.", 0.25) }, "# HELP a Help.\n# TYPE a gauge\na 0.25\n"},
		"one label":      {func(e *Writer) { e.Number(1, "x", "1") }, "{x=\"1\"} 1\n"},
		"two labels":     {func(e *Writer) { e.Number(1, "x", "1", "y", "") }, "{x=\"1\",y=\"\"} 1\n"},
		"escaped":        {func(e *Writer) { e.Number(1, "x", "a\"b\\c\nd{e}=,") }, "{x=\"a\\\"b\\\\c\\nd{e}=,\"} 1\n"},
		"other letters":  {func(e *Writer) { e.Number(1, "x", "é世\t\r") }, "{x=\"é世\t\r\"} 1\n"},
		"whole":          {func(e *Writer) { e.Number(12345678) }, " 1.2345678e+07\n"},
		"negative":       {func(e *Writer) { e.Number(-3) }, " -3\n"},
		"not exact":      {func(e *Writer) { e.Number(1.0 / 3) }, " 0.3333333333333333\n"},
		"infinite":       {func(e *Writer) { e.Number(math.Inf(1)) }, " +Inf\n"},
		"not a number":   {func(e *Writer) { e.Number(math.NaN()) }, " NaN\n"},
		"second family":  {func(e *Writer) { e.Single("a", "gauge", "A.", 1); e.Single("b", "gauge", "B.", 2) }, "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b gauge\nb 2\n"},
		"several series": {func(e *Writer) { e.Family("a", "gauge", "A."); e.Number(1, "x", "1"); e.Number(2, "x", "2") }, "# HELP a A.\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n"},
	} {
		if got := text(t, tt.write); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, tt.want)
		}
	}
}

// TestHistogramText: buckets count everything up to their bound, and the count is that of +Inf.
func TestHistogramText(t *testing.T) {
	h := NewHistogram([]int64{5e6, 1e9, 1250e6}, func(n int64) float64 { return time.Duration(n).Seconds() })
	for _, v := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 6 * time.Millisecond, time.Second, time.Minute} {
		h.Observe(int64(v))
	}
	labels := make([]string, 2, 10)
	copy(labels, []string{"x", "1"})
	got := text(t, func(e *Writer) {
		e.Family("took", "histogram", "Help.")
		e.Histogram(h, labels...)
	})
	want := `# HELP took Help.
# TYPE took histogram
took_bucket{x="1",le="0.005"} 2
took_bucket{x="1",le="1"} 4
took_bucket{x="1",le="1.25"} 4
took_bucket{x="1",le="+Inf"} 5
took_sum{x="1"} 61.012
took_count{x="1"} 5
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if rest := labels[:4]; rest[2] != "" {
		t.Errorf("the caller's labels became %q", rest)
	}
	got = text(t, func(e *Writer) { e.Histogram(NewHistogram(nil, func(n int64) float64 { return float64(n) })) })
	if want := "_bucket{le=\"+Inf\"} 0\n_sum 0\n_count 0\n"; got != want {
		t.Errorf("without bounds and values: got %q, want %q", got, want)
	}
}

// TestObserve: a bound belongs to its bucket, what is one above does not, and a negative value is
// zero.
func TestObserve(t *testing.T) {
	bounds := []int64{0, 10, 100}
	for v, want := range map[int64]int{0: 0, -1: 0, math.MinInt64: 0, 1: 1, 10: 1, 11: 2, 100: 2, 101: 3, math.MaxInt64: 3} {
		h := NewHistogram(bounds, nil)
		h.Observe(v)
		for i := range len(bounds) + 1 {
			if n := h.Count(i); n != 0 != (i == want) {
				t.Errorf("%d: %d in bucket %d, want it in %d alone", v, n, i, want)
			}
		}
		if got := h.Sum(); got != max(0, v) {
			t.Errorf("%d: sum %d", v, got)
		}
	}
}

// TestCountersConcurrently: nothing is lost, and nothing allocated.
func TestCountersConcurrently(t *testing.T) {
	const each, writers = 1000, 8
	var c Counter
	h := NewHistogram([]int64{500}, nil)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for i := range each {
				c.Inc()
				h.Observe(int64(i))
			}
		})
	}
	all.Wait()
	if c.Value() != each*writers || h.Count(0) != 501*writers || h.Count(1) != 499*writers || h.Sum() != writers*each*(each-1)/2 {
		t.Errorf("counted %v, %d and %d, sum %d", c.Value(), h.Count(0), h.Count(1), h.Sum())
	}
	if n := testing.AllocsPerRun(100, func() { c.Inc(); h.Observe(7) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("no room")

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestFlushFails: the error of a write comes from Flush, even if much was written after it.
func TestFlushFails(t *testing.T) {
	e := NewWriter(full{})
	for i := range 10_000 {
		e.Single("a"+strconv.Itoa(i), "gauge", "Help.", 1)
	}
	if err := e.Flush(); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}

// TestProcess: the families of every system are there, those of Linux on Linux, with values that a
// running process can have.
func TestProcess(t *testing.T) {
	started := time.UnixMilli(1234567)
	got := map[string]string{}
	var order []string
	for line := range strings.Lines(text(t, func(e *Writer) { e.Process(started) })) {
		if !strings.HasPrefix(line, "#") {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			got[name] = value
			order = append(order, name)
		}
	}
	version := fmt.Sprintf("go_info{version=%q}", runtime.Version())
	want := []string{"process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
		"go_memstats_heap_alloc_bytes", "apichain_gc_cycles_total", "go_goroutines", version}
	if runtime.GOOS != "linux" {
		want = slices.Delete(want, 1, 4)
	}
	if !slices.Equal(order, want) {
		t.Errorf("got %q\nwant %q", order, want)
	}
	if got["process_start_time_seconds"] != "1234.567" || got[version] != "1" {
		t.Errorf("start %s, version %s", got["process_start_time_seconds"], got[version])
	}
	for _, name := range []string{"process_resident_memory_bytes", "process_open_fds", "go_memstats_heap_alloc_bytes", "go_goroutines"} {
		if v, err := strconv.ParseFloat(got[name], 64); slices.Contains(want, name) && (err != nil || v < 1) {
			t.Errorf("%s is %s", name, got[name])
		}
	}
}

func TestCPUSeconds(t *testing.T) {
	for stat, want := range map[string]float64{
		"7 (api) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0": 3,
		"7 (a) b) R 1 7 7 0 -1 4194560 1 0 0 0 1 0 0 0":        0.01,
		"7 (a": 0, "": 0, "7 (a) S 1": 0,
	} {
		if got := cpuSeconds(stat); got != want {
			t.Errorf("%q: %v, want %v", stat, got, want)
		}
	}
}

// readValue reads a label's value up to its closing quote, strictly, and returns what follows.
func readValue(s string) (value, rest string, err error) {
	escapes := map[byte]byte{'\\': '\\', 'n': '\n', '"': '"'}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\n':
			return "", "", errors.New("the line ends within the value")
		case '\\':
			if i++; i == len(s) || escapes[s[i]] == 0 {
				return "", "", fmt.Errorf("no escape at %d", i)
			}
			b.WriteByte(escapes[s[i]])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errors.New("no closing quote")
}

// FuzzLabelEscape: whatever a label's value, it comes back from a strict reader, and
// adds no line.
func FuzzLabelEscape(f *testing.F) {
	for _, s := range []string{"", `a"b`, `\`, "\n", `\n`, "} 1\nforged 2", "é", "\x00", "\xff", `\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		line := text(t, func(e *Writer) { e.Number(1, "l", value) })
		head, ok := strings.CutPrefix(line, `{l="`)
		got, rest, err := readValue(head)
		if !ok || err != nil || rest != "} 1\n" {
			t.Fatalf("%q was written as %q: %v", value, line, err)
		}
		if got != value {
			t.Errorf("%q came back as %q", value, got)
		}
		if utf8.ValidString(value) != utf8.ValidString(line) {
			t.Errorf("%q: validity changed in %q", value, line)
		}
	})
}
