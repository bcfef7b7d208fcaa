package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
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
//	contexts: [{name: local, context: {cluster: c, user: u, namespace: n}}]
//	clusters: [{name: c, cluster: {server: ..., certificate-authority-data: ...}}]
//	users:    [{name: u, user: {token: ...}}]

// Kubeconfig is what the current context of such a file leads to.
type Kubeconfig struct {
	// Server is the URL of the cluster, and Namespace that of the context; "" where the file has none.
	Server, Namespace string
	// Token is the bearer token of the user, or "".
	Token string
	// TLS trusts the CA of the cluster and shows the certificate of the user. Its ServerName is that of
	// the cluster, mostly none: whoever dials sets it then. It is never nil.
	TLS *tls.Config
}

// ReadKubeconfig returns what the current context of a kubeconfig leads to. It is what client-go
// makes of such a file, with less: exec plugins, auth providers, user names and passwords are not
// used, nor is tokenFile; KUBECONFIG and the file in the home directory are not looked at. An error
// names the file and what it lacks.
func ReadKubeconfig(path string) (k Kubeconfig, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return k, err
	}
	defer func() {
		if err != nil {
			k, err = Kubeconfig{}, fmt.Errorf("%s: %w", path, err)
		}
	}()
	context, cluster, user, err := currentContext(b)
	if err != nil {
		return k, err
	}
	k = Kubeconfig{
		Server: tree.Text(cluster, "server"), Namespace: tree.Text(context, "namespace"), Token: tree.Text(user, "token"),
		TLS: &tls.Config{ServerName: tree.Text(cluster, "tls-server-name")},
	}
	k.TLS.InsecureSkipVerify, _ = cluster["insecure-skip-tls-verify"].(bool)
	// Relative paths in a kubeconfig start at the file, wherever the user stands.
	dir := filepath.Dir(path)
	ca, err := fileOrData(dir, cluster, "certificate-authority")
	if err != nil {
		return k, err
	}
	if ca != nil {
		if err := Trust(k.TLS, ca); err != nil {
			return k, fmt.Errorf("certificate-authority %w", err)
		}
	}
	cert, err := fileOrData(dir, user, "client-certificate")
	if err != nil {
		return k, err
	}
	key, err := fileOrData(dir, user, "client-key")
	if err != nil {
		return k, err
	}
	// Beside a token too: a server that asks for both gets both, and decides.
	if cert != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return k, fmt.Errorf("client-certificate: %w", err)
		}
		k.TLS.Certificates = []tls.Certificate{pair}
	}
	return k, nil
}

// Trust makes the authorities of ca, as PEM, those that c trusts. From then on the system's own count
// no longer.
func Trust(c *tls.Config, ca []byte) error {
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(ca) {
		return errors.New("holds no certificate")
	}
	return nil
}

// currentContext returns the current context, its cluster and its user. The error says which list
// lacks the entry that is named.
func currentContext(content []byte) (context, cluster, user map[string]any, err error) {
	doc, _, err := tree.ParseYAMLObject(content)
	if err != nil {
		return nil, nil, nil, err
	}
	if context, err = namedEntry(doc, "contexts", "context", tree.Text(doc, "current-context")); err != nil {
		return nil, nil, nil, err
	}
	if cluster, err = namedEntry(doc, "clusters", "cluster", tree.Text(context, "cluster")); err != nil {
		return nil, nil, nil, err
	}
	user, err = namedEntry(doc, "users", "user", tree.Text(context, "user"))
	return context, cluster, user, err
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
