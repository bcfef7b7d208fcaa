// Package standin is what this program is under the name etcd: a process that takes the command line of
// etcd, answers its health checks, and stores nothing. Test drivers start a pair, etcd and then
// kube-apiserver, and wait for both; our kube-apiserver keeps its objects itself, so that of the first
// only the questions of a driver are left to answer.
//
// In come the arguments of a command line; out go help or the version, or JSON log lines and answers on
// each client URL until the context ends:
//
//	GET /health    {"health":"true","reason":""}
//	GET /version   the versions of server, cluster and storage, and the key by which At knows it
//	GET /livez     ok, as /readyz
//
// Everything else is answered 404, and the first such request is a log line, since it may be a program
// that wants to store something: a real kube-apiserver, put beside this etcd by mistake, speaks gRPC.
//
//	code := standin.Main(ctx, []string{"--listen-client-urls=http://127.0.0.1:2379"}, os.Stdout, os.Stderr)
//
// Main waits for the one goroutine of each client URL, keeps no state between two runs, and may be
// called concurrently. What flags and answers look like is etcd's, of the release that version names.
package standin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// version is the release of etcd whose command line and answers these are, and cluster the version that
// its data would have.
const version, cluster = "3.7.3", "3.7.0"

// Exit codes, which are etcd's but for the stop: etcd ends by the signal that stopped it.
const (
	exitStopped = 0 // stopped by the context; --help and --version too
	exitFailed  = 1 // a client URL cannot be served
	exitUsage   = 2 // wrong arguments; nothing was started
)

// Main runs it with the arguments of a command line, without the name of the program, and returns the
// exit code. It serves until ctx ends, whose cause goes to the log. Help and version are written to
// out, what is wrong and the log to errOut.
func Main(ctx context.Context, args []string, out, errOut io.Writer) int {
	log := newLog(errOut)
	// Before anything is bound: a wrong argument leaves nothing behind. What is wrong counts more than
	// help, as it does with Go's flag package, which reads etcd's.
	o, err := parse(args)
	switch {
	case err != nil:
		fmt.Fprintln(errOut, "etcd:", err)
		return exitUsage
	case o.help:
		help(out)
		return exitStopped
	case o.version:
		fmt.Fprintf(out, "etcd Version: %s\nGit SHA: none, this is apichain under the name etcd\nGo Version: %s\nGo OS/Arch: %s/%s\n",
			version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitStopped
	}
	if len(o.unknown) > 0 {
		log.Warn("these flags are unknown and ignored", "flags", strings.Join(o.unknown, " "))
	}
	// All or none: a driver that asks one of two URLs must not find half a server.
	listeners, err := listen(o.clientURLs())
	if err != nil {
		log.Error("a client URL cannot be served", "error", err.Error())
		return exitFailed
	}
	serve(ctx, log, listeners)
	return exitStopped
}

// newLog returns a log of the form of etcd's, one JSON object a line, whose lines some drivers wait for.
// Its keys are ts, level in small letters, and msg; it may be used concurrently.
func newLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
			a.Key = "ts"
		case slog.LevelKey:
			a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
		}
		return a
	}}))
}

// listen binds all client URLs or, on the first error, none. A URL that cannot be served is told with
// the reason, an address in use among them.
func listen(urls []string) (all []net.Listener, err error) {
	defer func() {
		if err != nil {
			closeAll(all)
			all = nil
		}
	}()
	for _, text := range urls {
		// One stack of protocols each, by the host: a name is bound at the first of its addresses.
		address, err := clientAddress(text)
		if err != nil {
			return all, err
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return all, fmt.Errorf("%s: %w", text, err)
		}
		all = append(all, l)
	}
	return all, nil
}

// closeAll closes listeners, whose errors at this point would tell nobody anything.
func closeAll(all []net.Listener) {
	for _, l := range all {
		_ = l.Close()
	}
}

// clientAddress returns host:port of a client URL, by etcd's rules for them. TLS and socket files are
// refused by name: who asks for them would wait for an answer that never comes.
func clientAddress(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	// The scheme before the rest: of a URL that is refused by it, the rest does not matter.
	case err != nil:
		return "", err
	case slices.Contains([]string{"https", "unix", "unixs"}, u.Scheme):
		return "", fmt.Errorf("%s: this etcd holds no data and serves plain http alone: use an http:// URL, or the real etcd", text)
	case u.Scheme != "http":
		return "", fmt.Errorf("URL scheme must be http, https, unix, or unixs: %s", text)
	case u.Path != "":
		return "", fmt.Errorf("URL must not contain a path: %s", text)
	}
	// No port is a mistake there, since 80 is nobody's choice for etcd.
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		return "", fmt.Errorf(`URL address does not have the form "host:port": %s`, text)
	}
	return u.Host, nil
}

// serve answers on the listeners until ctx ends, and returns when nothing of it is left. What is under
// way then is cut: an answer takes microseconds, and a driver that stops has no question open.
func serve(ctx context.Context, log *slog.Logger, listeners []net.Listener) {
	server := &http.Server{
		Handler: handler(log),
		// Health checks are small and quick. Whoever sends nothing holds a connection no longer than this.
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	// One server for all listeners, so that one Close ends each of them with its connections.
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				log.Error("serving ended", "address", l.Addr().String(), "error", err.Error())
			}
		})
		// The port is bound: who connects from now on is answered, be it a moment later.
		log.Info("ready to serve client requests", "address", l.Addr().String(),
			"note", "no data is kept here: the kube-apiserver of the same folder keeps its objects in its own memory")
	}
	<-ctx.Done()
	log.Info("stopping", "cause", context.Cause(ctx).Error())
	// Close ends what Serve waits for, so that the wait is short.
	_ = server.Close()
	serving.Wait()
}

// handler returns what answers the questions of drivers, as etcd answers them when all is well: by path
// alone, whatever the query, since nothing here can be unwell. It may be called concurrently.
func handler(log *slog.Logger) http.Handler {
	const text = "text/plain; charset=utf-8"
	answers := map[string]struct{ kind, body string }{
		"/health":  {text, `{"health":"true","reason":""}`},
		"/version": {"application/json", `{"etcdserver":"` + version + `","etcdcluster":"` + cluster + `","storage":"` + cluster + `","` + mark + `":"memory"}`},
		"/livez":   {text, "ok\n"},
		"/readyz":  {text, "ok\n"},
	}
	var once sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, known := answers[r.URL.Path]
		switch {
		case !known:
			// Once: who wants data asks again and again.
			once.Do(func() {
				log.Warn("somebody asks for more than health, and there is no data here: "+
					"this etcd is for the apichain kube-apiserver alone",
					"method", r.Method, "path", r.URL.Path, "remote", r.RemoteAddr)
			})
			http.NotFound(w, r)
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		default:
			w.Header().Set("Content-Type", a.kind)
			_, _ = io.WriteString(w, a.body)
		}
	})
}
