// Package storage says where upstream's objects are in etcd and as which bytes, so that a
// kube-apiserver and this program can keep their objects in the same one.
//
// In and out go a bucket and a key of the store ("deployments.apps", "default/web"), the path below the
// prefix of all keys ("/deployments/default/web"), and drafts of the store and values of etcd:
//
//	c := storage.New(table, storage.Options{})
//	path := c.Path("services", "default/web")        // /services/specs/default/web
//	value, err := c.Encode("services", "default/web", &draft)
//	draft, err = c.Decode("services", "default/web", value)
//
// What is special about a kind is in its row of the kind table: the words etcd and hash. The room
// knows nothing of connections and transactions. A Codec may be used by any number of goroutines.
package storage

import (
	"slices"
	"strings"
	"sync"
	"time"

	"apichain/internal/kinds"
)

// Paths. Upstream has a built-in kind under its plural name alone, but for a few with older names and for
// the kinds of its two other servers; a custom resource is under its group as well. A group of custom
// resources has a dot and a plural name has none, so the first name tells which it is:
//
//	/configmaps/default/a                                    configmaps                   default/a
//	/services/specs/default/a                                services                     default/a
//	/minions/a                                               nodes                        a
//	/apiextensions.k8s.io/customresourcedefinitions/b.c.d    customresourcedefinitions.…  b.c.d
//	/example.com/widgets/default/a                           widgets.example.com          default/a
//
// Custom resources have their place whether their definition is known or not: it may be read later, and
// upstream keeps the objects of a definition that comes back.
//
// The node ports that are taken are in an object that nobody is served, /ranges/servicenodeports: so that all
// who give ports on one etcd take them in the same place. (Up to 1.33 there was one of addresses, too; they are
// IPAddresses now.)
//
// What else a kube-apiserver keeps in etcd are no objects, and has no place here:
//
//	/masterleases/ADDRESS        which kube-apiservers run, for the Endpoints of the service kubernetes
//	/peerserverleases/NAME       the same, for requests that another version has to answer
//	compact_rev_key              which revision was compacted last; it has no prefix
//	/GROUP/PLURAL/…              kinds that are built in upstream and not here

// Options are what a Codec does where there is a choice. The zero value is ready.
type Options struct {
	// Protobuf writes built-in objects in protobuf, as upstream does unless it is told otherwise, and not in
	// JSON. Custom resources, their definitions and APIServices are always written in JSON, and both are
	// always read.
	Protobuf bool
	// EventTTL is how long events are kept after their last write; 0 means an hour.
	EventTTL time.Duration
	// IPv6 says that the first family of the addresses of services is IPv6, and not IPv4: old services do not
	// say theirs.
	IPv6 bool
}

// Codec knows the places and the values of objects. Its methods may be called concurrently.
type Codec struct {
	options Options
	// kinds has the built-in kinds by bucket, and places the same by the path of their objects.
	kinds, places map[string]*kind
	// encoders are *kinds.ProtobufEncoder.
	encoders sync.Pool

	// mu guards selectable: the selectable fields of custom resources by bucket, as the definitions
	// say that were decoded last. Those without any have no entry.
	mu         sync.RWMutex
	selectable map[string][]kinds.Selectable
}

// kind is a built-in kind that stores its own objects.
type kind struct {
	row *kinds.Row
	// apiVersion is that of the values that are written.
	apiVersion string
	// forms are the rows whose types values have, by their apiVersion.
	forms    map[string]*kinds.Row
	protobuf bool
	// toStored and fromStored convert between the version of the row and that of the values, where
	// their shapes differ.
	toStored, fromStored func(obj map[string]any)
	// complete does what no row can say to an object that has its defaults.
	complete func(obj map[string]any)
}

// New returns the codec of the kinds of a table, which must not change later.
func New(table *kinds.Table, options Options) *Codec {
	if options.EventTTL == 0 {
		options.EventTTL = time.Hour
	}
	c := &Codec{options: options, kinds: map[string]*kind{}, places: map[string]*kind{}, selectable: map[string][]kinds.Selectable{}}
	ranges := &kinds.Row{
		Version: "v1", Kind: "RangeAllocation", Plural: "ranges", Server: "core", StoragePath: "/ranges",
		Body: kinds.Known(table.Type("RangeAllocation")),
	}
	for _, row := range append(slices.Clip(table.Kinds), ranges) {
		if row.StoredAs != "" || row.ReviewOnly {
			continue
		}
		k := &kind{row: row, forms: map[string]*kinds.Row{}, protobuf: options.Protobuf && row.Server == "core"}
		k.apiVersion = apiVersion(row, row.StorageVersion())
		for _, version := range row.Versions() {
			k.forms[apiVersion(row, version)] = row
		}
		switch row.Qualified() {
		case definitions:
			k.toStored, k.fromStored, k.complete = definitionToStored, definitionFromStored, c.completeDefinition
		case "podcertificaterequests.certificates.k8s.io":
			k.toStored = certificateRequestToStored
		case "services":
			k.complete = c.completeService
		}
		c.kinds[row.Qualified()], c.places[row.StoragePath] = k, k
	}
	// Another shape of the same objects is read as well, but for earlier versions, which are among those of
	// the row already.
	for _, row := range table.Kinds {
		if k := c.kinds[row.StoredAs]; k != nil && row.Same == nil {
			k.forms[apiVersion(row, row.Version)] = row
		}
	}
	return c
}

// apiVersion returns what objects of the row say in a version.
func apiVersion(row *kinds.Row, version string) string {
	if row.Group == "" {
		return version
	}
	return row.Group + "/" + version
}

// TTL returns how long the objects of a bucket are kept after their last write, 0 for ever.
func (c *Codec) TTL(bucket string) time.Duration {
	if bucket == "events" {
		return c.options.EventTTL
	}
	return 0
}

// Path returns where an object is, below the prefix of all keys. It begins with a slash.
func (c *Codec) Path(bucket, key string) string {
	if k := c.kinds[bucket]; k != nil {
		return k.row.StoragePath + "/" + key
	}
	plural, group, _ := strings.Cut(bucket, ".")
	return "/" + group + "/" + plural + "/" + key
}

// Place is the way back from Path. ok is false for what is no object that is served: another path than
// that of the kind, a name that is missing, or too many.
func (c *Codec) Place(path string) (bucket, key string, ok bool) {
	first := strings.IndexByte(strings.TrimPrefix(path, "/"), '/') + 1
	if first < 2 || path[0] != '/' {
		return "", "", false
	}
	k, key := c.places[path[:first]], path[first+1:]
	if k == nil {
		// The second name belongs to the kind as well.
		plural, rest, _ := strings.Cut(key, "/")
		if k, key = c.places[path[:first+1+len(plural)]], rest; k == nil {
			bucket = plural + "." + path[1:first]
			// Built-in kinds are elsewhere, and none of their groups is one of custom resources.
			if plural == "" || strings.Contains(plural, ".") || !strings.Contains(path[:first], ".") || c.kinds[bucket] != nil {
				return "", "", false
			}
		}
	}
	namespace, name, namespaced := strings.Cut(key, "/")
	if namespace == "" || namespaced && name == "" || strings.Contains(name, "/") {
		return "", "", false
	}
	if k == nil {
		return bucket, key, true
	}
	return k.row.Qualified(), key, namespaced == k.row.Namespaced
}
