package backend

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"apichain/internal/tree"
)

// Who the server is to webhooks: the users of a kubeconfig, chosen by the name of the target. The file has nothing but
// them to say here; its clusters are not looked at, and of its contexts only the current one's user.
//
//	users:
//	- name: webhook1.ns1.svc      # the service webhook1 in ns1, at port 443; another port is written behind the name
//	  user: {client-certificate: cert.pem, client-key: key.pem}
//	- name: "*.example.com"       # every host below it
//	  user: {token: abc}
//	- name: "*"                   # all others
//	  user: {username: u, password: p}
//
// The order is upstream's (k8s.io/apiserver pkg/util/webhook authentication.go): host:port; a star for leading labels,
// of the longest rest first; for port 443 both again without the port; "*"; the current context's user; nobody.

// Users are the users of a kubeconfig, as they were read. They do not change.
type Users struct {
	byName  map[string]map[string]any
	current string
	dir     string
}

// ParseUsers reads a kubeconfig of the folder dir, where its relative paths begin. The files that it names are read
// when a target needs them; here only the form is judged.
func ParseUsers(content []byte, dir string) (*Users, error) {
	doc, _, err := tree.ParseYAMLObject(content)
	if err != nil {
		return nil, err
	}
	if _, ok := doc.(map[string]any); !ok && doc != nil {
		return nil, errors.New("is no kubeconfig")
	}
	u := &Users{byName: map[string]map[string]any{}, dir: dir}
	for i, e := range tree.List(doc, "users") {
		name := tree.Text(e, "name")
		if name == "" {
			return nil, fmt.Errorf("users[%d] has no name", i)
		}
		if _, twice := u.byName[name]; twice {
			return nil, fmt.Errorf("users has the name %q twice", name)
		}
		u.byName[name] = tree.Object(e, "user")
	}
	// A context that is current and missing is no error: upstream asks for it last of all, and finds nobody.
	current := tree.Text(doc, "current-context")
	for _, e := range tree.List(doc, "contexts") {
		if current != "" && tree.Text(e, "name") == current {
			u.current = tree.Text(e, "context", "user")
			break
		}
	}
	return u, nil
}

// Files returns the files that the users are read of, each once.
func (u *Users) Files() []string {
	var files []string
	seen := map[string]bool{}
	for _, user := range u.byName {
		for _, key := range []string{"client-certificate", "client-key", "tokenFile"} {
			if path := u.path(tree.Text(user, key)); path != "" && !seen[path] {
				seen[path] = true
				files = append(files, path)
			}
		}
	}
	return files
}

// path returns where a file of the kubeconfig is: relative names begin at its folder, as for kubectl. "" stays "".
func (u *Users) path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(u.dir, name)
}

// choose returns the user for host:port; nil: nobody.
func (u *Users) choose(hostPort string) map[string]any {
	names := starred(hostPort)
	if host, port, err := net.SplitHostPort(hostPort); err == nil && port == "443" {
		names = append(names, starred(host)...)
	}
	// In the order in which they count; "" is nobody's name.
	for _, name := range append(names, "*", u.current) {
		if user, ok := u.byName[name]; ok {
			return user
		}
	}
	return nil
}

// starred returns a name, and those with a star that stand for it.
func starred(name string) []string {
	names := []string{name}
	for rest := name; ; {
		var ok bool
		if _, rest, ok = strings.Cut(rest, "."); !ok {
			return names
		}
		names = append(names, "*."+rest)
	}
}

// identityFor returns what the user for a target shows and sends; nothing for nobody. A nil u has no users.
func (u *Users) identityFor(hostPort string) (*tls.Certificate, http.Header, error) {
	if u == nil {
		return nil, nil, nil
	}
	user := u.choose(hostPort)
	if user == nil {
		return nil, nil, nil
	}
	// What would run a program, or ask a third, is an error and not nobody: else a webhook that insists on a user
	// would refuse for a reason that nobody finds.
	if user["auth-provider"] != nil {
		return nil, nil, errors.New("auth provider not supported")
	}
	if user["exec"] != nil {
		return nil, nil, errors.New("exec plugins are not supported")
	}
	header, err := u.header(user)
	if err != nil {
		return nil, nil, err
	}
	cert, err := u.fileOrData(user, "client-certificate")
	if err != nil || cert == nil {
		return nil, header, err
	}
	key, err := u.fileOrData(user, "client-key")
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, err
	}
	return &pair, header, nil
}

// header returns what a user sends with each request; nil: nothing.
func (u *Users) header(user map[string]any) (http.Header, error) {
	h := http.Header{}
	token := tree.Text(user, "token")
	if file := u.path(tree.Text(user, "tokenFile")); token == "" && file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		token = strings.TrimSpace(string(b))
	}
	name, password := tree.Text(user, "username"), tree.Text(user, "password")
	// Upstream refuses both together when it makes the client, which is here.
	switch {
	case token != "" && name+password != "":
		return nil, errors.New("username/password or bearer token may be set, but not both")
	case token != "":
		h.Set("Authorization", "Bearer "+token)
	case name+password != "":
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":"+password)))
	}
	// Impersonation is kubectl's --as, written down; the other side must be an API server to understand it.
	if as := tree.Text(user, "as"); as != "" {
		h.Set("Impersonate-User", as)
		if uid := tree.Text(user, "as-uid"); uid != "" {
			h.Set("Impersonate-Uid", uid)
		}
		h["Impersonate-Group"] = tree.Strings(tree.List(user, "as-groups"))
		for key, values := range tree.Object(user, "as-user-extra") {
			list, _ := values.([]any)
			h[http.CanonicalHeaderKey("Impersonate-Extra-"+url.PathEscape(key))] = tree.Strings(list)
		}
	}
	if len(h) == 0 {
		return nil, nil
	}
	return h, nil
}

// fileOrData returns what a user has at key-data, in base64, or in the file that it names at key; nil without either.
func (u *Users) fileOrData(user map[string]any, key string) ([]byte, error) {
	if data := tree.Text(user, key+"-data"); data != "" {
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, fmt.Errorf("%s-data: %w", key, err)
		}
		return b, nil
	}
	if file := u.path(tree.Text(user, key)); file != "" {
		return os.ReadFile(file)
	}
	return nil, nil
}
