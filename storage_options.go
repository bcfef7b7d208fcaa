package main

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/flags"
	"apichain/internal/journal"
)

// Where the objects are kept: in memory without a flag, in a folder, or in etcd. The flags of etcd are
// upstream's, under both names of the program. What is done with them is storage.go.

// storageOptions say what keeps the objects.
type storageOptions struct {
	dir      string // "": no folder
	syncText string // as the flag has it
	readOnly bool
	disk     journal.FS // nil: the folder itself; tests have others

	servers                   []string // of etcd, as the flag has them; none: no etcd
	caFile, certFile, keyFile string
	prefix, mediaType         string
	compaction                time.Duration // 0: never by this process
	eventTTL                  time.Duration

	// standin says that the servers may be our own stand-in, which stands for memory.
	standin bool
}

// The media types in which objects are written to etcd.
const (
	mediaJSON     = "application/json"
	mediaProtobuf = "application/vnd.kubernetes.protobuf"
)

// Register declares the flags of the folder, which are our own, and those of etcd.
func (o *storageOptions) Register(f *flags.Set) {
	f.In("storage")
	f.Text(&o.dir, "data-dir", "",
		"folder in which every write is kept before it is acknowledged, for one process at a time; made where it is missing; none: in memory")
	f.Text(&o.syncText, "data-sync", "always",
		"when a write is on disk: always, before it is acknowledged; a time, at most that much later, which a crash of the machine "+
			"may cost; never, when the system likes")
	f.Bool(&o.readOnly, "read-only", false, "refuse every write with 403; etcd may then be one member without a quorum")
	f.List(&o.servers, "etcd-servers", nil,
		"URLs of etcd v3, tried in turn; several processes may share it, a kube-apiserver among them; none: no etcd")
	f.Text(&o.caFile, "etcd-cafile", "", "CAs of etcd's certificate, PEM; none: those of the system")
	f.Text(&o.certFile, "etcd-certfile", "", "certificate with which etcd knows this client, PEM")
	f.Text(&o.keyFile, "etcd-keyfile", "", "key of --etcd-certfile, PEM")
	f.Text(&o.prefix, "etcd-prefix", defaultPrefix, "what the keys in etcd begin with")
	f.Text(&o.mediaType, "storage-media-type", mediaJSON,
		"form in which built-in kinds are written to etcd: "+mediaJSON+" or "+mediaProtobuf+"; both are read")
	f.Duration(&o.compaction, "etcd-compaction-interval", 5*time.Minute,
		"time after which the history of etcd is compacted; 0: not by this process")
	f.Duration(&o.eventTTL, "event-ttl", time.Hour, "time after which etcd deletes an event; without etcd they stay")
}

// defaultPrefix is upstream's.
const defaultPrefix = "/registry"

// Check reports texts that cannot be read, and flags that stand without the one they belong to.
func (o *storageOptions) Check(p *flags.Problems) {
	_, ok := o.sync()
	p.When(!ok, "data-sync", "must be always, never or a time such as 100ms, is %q", o.syncText)
	p.When(ok && o.syncText != "always" && o.dir == "", "data-sync", "needs --data-dir")
	p.When(o.dir != "" && len(o.servers) > 0, "data-dir",
		"keeps the objects of one process, and --etcd-servers keeps them in etcd: leave one out")
	p.When(o.readOnly && o.dir == "" && len(o.servers) == 0, "read-only", "needs --data-dir or --etcd-servers: memory has nothing to read")
	for _, s := range o.servers {
		_, err := o.endpoint(s)
		p.When(err != nil, "etcd-servers", "%v", err)
	}
	p.When(o.certFile != "" && o.keyFile == "", "etcd-certfile", "needs --etcd-keyfile")
	p.When(o.keyFile != "" && o.certFile == "", "etcd-keyfile", "needs --etcd-certfile")
	p.When(o.caFile != "" && len(o.servers) == 0, "etcd-cafile", "needs --etcd-servers")
	p.When(o.certFile != "" && o.keyFile != "" && len(o.servers) == 0, "etcd-certfile", "needs --etcd-servers")
	p.When(strings.Trim(o.prefix, "/") == "", "etcd-prefix", "must not be empty")
	p.When(!slices.Contains([]string{mediaJSON, mediaProtobuf}, o.mediaType), "storage-media-type",
		"%q invalid, allowed values: %s, %s", o.mediaType, mediaJSON, mediaProtobuf)
	p.When(o.compaction < 0, "etcd-compaction-interval", "must not be negative, is %v", o.compaction)
	p.When(o.eventTTL < time.Second, "event-ttl", "must be at least 1s, is %v", o.eventTTL)
}

// sync returns how long a write may wait for the disk: 0 until it is there, below 0 for ever. It is
// false for a text that says none of it.
func (o *storageOptions) sync() (every time.Duration, ok bool) {
	switch o.syncText {
	case "always":
		return 0, true
	case "never":
		return -1, true
	}
	every, err := time.ParseDuration(o.syncText)
	return every, err == nil && every > 0
}

// endpoint returns one of the servers as scheme://host:port. As in upstream's client the scheme may be
// missing, and is https then where there is something to trust or to show.
func (o *storageOptions) endpoint(text string) (string, error) {
	if !strings.Contains(text, "://") {
		scheme := "http"
		if o.caFile != "" || o.certFile != "" {
			scheme = "https"
		}
		text = scheme + "://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is no URL such as http://127.0.0.1:2379", text)
	}
	host, port, err := net.SplitHostPort(u.Host)
	n, portErr := strconv.Atoi(port)
	if err != nil || portErr != nil || host == "" || n < 1 || n > 65535 {
		return "", fmt.Errorf("%q has no host and port from 1 to 65535", text)
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String(), nil
}

// endpoints returns the servers as endpoint does, without those that are wrong.
func (o *storageOptions) endpoints() (all []string) {
	for _, s := range o.servers {
		if e, err := o.endpoint(s); err == nil {
			all = append(all, e)
		}
	}
	return all
}
