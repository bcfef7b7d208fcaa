package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What it costs to keep the objects, beside keeping them in memory alone, of processes of their own in turns. Folders
// are below TMPDIR: the disk that is measured is the one of that.

// eachClient runs clients beside each other, each over a connection of its own that it keeps, until all have returned.
// An error fails the benchmark.
func eachClient(b *testing.B, address string, clients int, run func(client int, c net.Conn, r *bufio.Reader) error) {
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			c, err := net.Dial("tcp", address)
			if err == nil {
				defer c.Close()
				err = run(i, c, bufio.NewReader(c))
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
}

// creates lets clients create config maps for a time, each named tag-CLIENT-N, and returns how long each create took.
func creates(b *testing.B, address string, clients int, tag string, d time.Duration) []time.Duration {
	until := time.Now().Add(d)
	took := make([][]time.Duration, clients)
	eachClient(b, address, clients, func(i int, c net.Conn, r *bufio.Reader) error {
		for n := 0; time.Now().Before(until); n++ {
			body := benchMap(fmt.Sprintf("%s-%d-%d", tag, i, n), "x")
			began := time.Now()
			if err := create(c, r, body); err != nil {
				return err
			}
			took[i] = append(took[i], time.Since(began))
		}
		return nil
	})
	return slices.Concat(took...)
}

// create creates the config map of a body, and reads the answer.
func create(c net.Conn, r *bufio.Reader, body string) error {
	if _, err := fmt.Fprintf(c, "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return err
	}
	code, err := skipAnswer(r)
	if err == nil && code != 201 {
		err = fmt.Errorf("a create was answered %d", code)
	}
	return err
}

// skipAnswer reads an answer that has a Content-Length, and returns its code.
func skipAnswer(r *bufio.Reader) (code int, err error) {
	size := int64(0)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return code, err
		}
		if len(line) == 2 {
			break
		}
		if code == 0 && len(line) > 12 {
			code, _ = strconv.Atoi(string(line[9:12]))
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			size, _ = strconv.ParseInt(string(bytes.TrimSpace(v)), 10, 64)
		}
	}
	_, err = io.CopyN(io.Discard, r, size)
	return code, err
}

// at returns the value below which a share of all are.
func at[T int | float64 | time.Duration](share float64, of []T) T {
	slices.Sort(of)
	return of[min(int(share*float64(len(of))), len(of)-1)]
}

// startKeeping starts a process that keeps its objects in dir, or in memory for "".
func startKeeping(b *testing.B, dir string) (p *process, address string) {
	args := []string{"--listen-http=127.0.0.1:0", "--listen-https=off", "--listen-admin=off", "--token-auth-file=testdata/tokens.csv"}
	if dir != "" {
		args = append(args, "--data-dir="+dir)
	}
	p = startProcess(b, nil, nil, args...)
	return p, strings.TrimPrefix(p.ready.HTTP[0], "http://")
}

// fsync returns how long the disk of dir takes to keep a write of some bytes: the median of many.
func fsync(b *testing.B, dir string, size int) time.Duration {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var all []time.Duration
	for range 200 {
		began := time.Now()
		if _, err := f.Write(make([]byte, size)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	return at(0.5, all)
}

// BenchmarkJournal measures what --data-dir costs. The sub-benchmarks:
//
//   - writers: creates of 64 clients, per second and in processor time of the server, with a folder to without.
//   - latency: a create of one client, with a folder and without, and what one write and fsync of that disk takes.
//   - restart: the start with 100,000 objects of 1.5 KB, and its memory before and after.
func BenchmarkJournal(b *testing.B) {
	b.Run("writers", func(b *testing.B) {
		var rates, costs, fsyncs []float64
		for round := 0; b.Loop(); round++ {
			dir := b.TempDir()
			memory, inMemory := startKeeping(b, "")
			journal, inFolder := startKeeping(b, dir)
			var n, spent [2]float64
			for turn := range 8 {
				i := (turn + 1) / 2 % 2
				pid, address := memory.Process.Pid, inMemory
				if i == 1 {
					pid, address = journal.Process.Pid, inFolder
				}
				before := cpu(b, pid)
				n[i] += float64(len(creates(b, address, 64, fmt.Sprint("t", turn), 250*time.Millisecond)))
				spent[i] += float64((cpu(b, pid) - before).Nanoseconds())
			}
			rates, costs = append(rates, n[1]/n[0]), append(costs, spent[1]/n[1]/(spent[0]/n[0]))
			fsyncs = append(fsyncs, float64(fsync(b, dir, 64<<10))/1e3)
			memory.end()
			journal.end()
		}
		b.ReportMetric(at(0.5, rates), "rate-journal/memory")
		b.ReportMetric(at(0.5, costs), "cpu-journal/memory")
		b.ReportMetric(at(0.5, fsyncs), "µs-fsync")
	})
	b.Run("latency", func(b *testing.B) {
		var with, without, disk []time.Duration
		for b.Loop() {
			dir := b.TempDir()
			memory, inMemory := startKeeping(b, "")
			journal, inFolder := startKeeping(b, dir)
			for turn := range 8 {
				tag := fmt.Sprint("t", turn)
				without = append(without, creates(b, inMemory, 1, tag, 100*time.Millisecond)...)
				with = append(with, creates(b, inFolder, 1, tag, 100*time.Millisecond)...)
				disk = append(disk, fsync(b, dir, 2048))
			}
			memory.end()
			journal.end()
		}
		us := func(d time.Duration) float64 { return float64(d) / 1e3 }
		b.ReportMetric(us(at(0.5, with)), "µs-journal")
		b.ReportMetric(us(at(0.5, without)), "µs-memory")
		b.ReportMetric(us(at(0.5, disk)), "µs-fsync")
		b.ReportMetric(us(at(0.5, with)-at(0.5, without)-at(0.5, disk)), "µs-beyond")
	})
	b.Run("restart", func(b *testing.B) {
		const objects = 100_000
		dir := b.TempDir()
		p, address := startKeeping(b, dir)
		fill(b, address, objects)
		before := resident(p.Process.Pid)
		p.end()
		var seconds, memory []float64
		for b.Loop() {
			began := time.Now()
			p, _ := startKeeping(b, dir)
			seconds, memory = append(seconds, time.Since(began).Seconds()), append(memory, resident(p.Process.Pid))
			p.end()
		}
		b.ReportMetric(at(0.5, seconds), "s-restart")
		b.ReportMetric(before, "MiB-before")
		b.ReportMetric(at(0.5, memory), "MiB-after")
	})
}

// fill creates that many config maps of 1.5 KB.
func fill(b *testing.B, address string, objects int) {
	const clients = 16
	eachClient(b, address, clients, func(i int, c net.Conn, r *bufio.Reader) error {
		for n := i; n < objects; n += clients {
			if err := create(c, r, benchMap(fmt.Sprintf("fill-%d", n), strings.Repeat("y", 100))); err != nil {
				return err
			}
		}
		return nil
	})
}

// BenchmarkSnapshot measures what writing a snapshot of 100,000 objects costs those who write meanwhile: the p99 and
// the longest create of a client while snapshots are written, to the same while none are.
func BenchmarkSnapshot(b *testing.B) {
	dir := b.TempDir()
	p, address := startKeeping(b, dir)
	fill(b, address, 100_000)
	newest := func() string {
		names, err := filepath.Glob(filepath.Join(dir, "*.snapshot"))
		if err != nil || len(names) == 0 {
			b.Fatal(names, err)
		}
		return slices.Max(names)
	}
	var quiet, busy []time.Duration
	for round := 0; b.Loop(); round++ {
		// Rounds in which a snapshot has ended count as those with one.
		for turn := range 40 {
			before := newest()
			took := creates(b, address, 4, fmt.Sprintf("s%d-%d", round, turn), 250*time.Millisecond)
			if unfinished, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); newest() != before || len(unfinished) > 0 {
				busy = append(busy, took...)
			} else {
				quiet = append(quiet, took...)
			}
		}
	}
	p.end()
	if len(busy) == 0 {
		b.Fatal("no snapshot was written meanwhile: let it run for longer")
	}
	ms := func(d time.Duration) float64 { return math.Round(float64(d)/1e4) / 100 }
	b.ReportMetric(ms(at(0.99, quiet)), "ms-p99-quiet")
	b.ReportMetric(ms(at(0.99, busy)), "ms-p99-snapshot")
	b.ReportMetric(ms(at(1, quiet)), "ms-max-quiet")
	b.ReportMetric(ms(at(1, busy)), "ms-max-snapshot")
}
