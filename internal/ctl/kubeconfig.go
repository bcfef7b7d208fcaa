package ctl

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"apichain/internal/tree"
)

// A kubeconfig holds clusters, users, and contexts that pair them; one context is current. The
// program writes such a file itself (--kubeconfig), but any other will do:
//
//	current-context: local
//	contexts: [{name: local, context: {cluster: c, user: u}}]
//	clusters: [{name: c, cluster: {server: ..., certificate-authority-data: ...}}]
//	users:    [{name: u, user: {token: ...}}]
//
// Of a cluster only what is trusted is read, not its server, since the admin listener has an
// address of its own under the same CA.

// readKubeconfig returns what the current context of a kubeconfig trusts and shows: the CA, and
// a token or a client certificate. It is what client-go makes of such a file, with less: exec
// plugins, auth providers, user names and passwords are not used, nor is tokenFile; KUBECONFIG
// and the file in the home directory are not looked at. An error names the file and what it lacks.
func readKubeconfig(path string) (token string, conf *tls.Config, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	cluster, user, err := currentContext(b)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	// Relative paths in a kubeconfig start at the file, wherever the user stands.
	dir := filepath.Dir(path)
	conf = &tls.Config{ServerName: tree.Text(cluster, "tls-server-name")}
	conf.InsecureSkipVerify, _ = cluster["insecure-skip-tls-verify"].(bool)
	ca, err := fileOrData(dir, cluster, "certificate-authority")
	if err != nil {
		return "", nil, err
	}
	if ca != nil {
		// From here on the system's own authorities count no longer.
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(ca) {
			return "", nil, fmt.Errorf("%s: certificate-authority holds no certificate", path)
		}
	}
	cert, err := fileOrData(dir, user, "client-certificate")
	if err != nil {
		return "", nil, err
	}
	key, err := fileOrData(dir, user, "client-key")
	if err != nil {
		return "", nil, err
	}
	// Beside a token too: a server that asks for both gets both, and decides.
	if cert != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return "", nil, fmt.Errorf("%s: client-certificate: %w", path, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return tree.Text(user, "token"), conf, nil
}

// currentContext returns the cluster and the user of the current context. The error says which
// list lacks the entry that is named.
func currentContext(content []byte) (cluster, user map[string]any, err error) {
	doc, _, err := tree.ParseYAMLObject(content)
	if err != nil {
		return nil, nil, err
	}
	context, err := namedEntry(doc, "contexts", "context", tree.Text(doc, "current-context"))
	if err != nil {
		return nil, nil, err
	}
	if cluster, err = namedEntry(doc, "clusters", "cluster", tree.Text(context, "cluster")); err != nil {
		return nil, nil, err
	}
	user, err = namedEntry(doc, "users", "user", tree.Text(context, "user"))
	return cluster, user, err
}

// namedEntry returns what the entry called name has at key, in one of a kubeconfig's lists:
//
//	clusters:
//	- name: local
//	  cluster: {server: https://127.0.0.1:6443}
//
// It is nil if the entry has nothing there, which is no error: a user may have no credentials.
func namedEntry(doc any, list, key, name string) (map[string]any, error) {
	entries := tree.List(doc, list)
	i := slices.IndexFunc(entries, func(e any) bool {
		// As values: an entry without a name is not the one that is called "".
		return tree.At(e, "name") == name
	})
	if i < 0 {
		return nil, fmt.Errorf("%s has no entry named %q", list, name)
	}
	return tree.Object(entries[i], key), nil
}

// fileOrData returns what m has at key-data, in base64, or else the content of the file that key
// names; nil without either. The data win over the file, as client-go has it.
func fileOrData(dir string, m map[string]any, key string) ([]byte, error) {
	if data := tree.Text(m, key+"-data"); data != "" {
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, fmt.Errorf("%s-data: %w", key, err)
		}
		return b, nil
	}
	path := tree.Text(m, key)
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return os.ReadFile(path)
}
