package metrics

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// What is known of the process itself, under the names that Prometheus's own Go client gives it.
// Processor time, memory in RAM and open files come from /proc; a system without it does not tell
// these, and they are left out rather than written as zero.

// Process writes the families of the process, which began at started.
func (e *Writer) Process(started time.Time) {
	e.Single("process_start_time_seconds", "gauge", "Start of the process, Unix time.", float64(started.UnixMilli())/1000)
	if n := ResidentBytes(); n > 0 {
		e.Single("process_resident_memory_bytes", "gauge", "Memory in RAM.", float64(n))
	}
	if stat, err := os.ReadFile("/proc/self/stat"); err == nil {
		e.Single("process_cpu_seconds_total", "counter", "Time on a processor, user and system.", cpuSeconds(string(stat)))
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		e.Single("process_open_fds", "gauge", "Open file descriptors.", float64(len(fds)))
	}
	// Not runtime.ReadMemStats, which stops all goroutines.
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(heap)
	// A later Go may not know a name any more; its kind is bad then.
	if heap[0].Value.Kind() == metrics.KindUint64 {
		e.Single("go_memstats_heap_alloc_bytes", "gauge", "Bytes in heap objects.", float64(heap[0].Value.Uint64()))
	}
	if heap[1].Value.Kind() == metrics.KindUint64 {
		e.Single("apichain_gc_cycles_total", "counter", "Garbage collections.", float64(heap[1].Value.Uint64()))
	}
	e.Single("go_goroutines", "gauge", "Goroutines now.", float64(runtime.NumGoroutine()))
	e.Family("go_info", "gauge", "The Go release; always 1.")
	e.Number(1, "version", runtime.Version())
}

// cpuSeconds reads utime and stime, the 14th and 15th field, of a proc_pid_stat(5); 0 for a text
// that has none. They count hundredths of a second (USER_HZ, which is 100 on every Linux).
func cpuSeconds(stat string) float64 {
	// The second field is the name of the program in parentheses, which may hold anything, spaces
	// and parentheses too: the fields are counted from behind the last one.
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseUint(f[11], 10, 64)
	system, _ := strconv.ParseUint(f[12], 10, 64)
	return float64(user+system) / 100
}

// ResidentBytes returns the memory of the process that is in RAM, 0 where the system does not say.
func ResidentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
