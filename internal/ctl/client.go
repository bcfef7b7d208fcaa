package ctl

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"apichain/internal/tree"
)

// adminClient asks the admin endpoint of a running program, each question over a
// connection of its own. It follows no redirect and uses no proxy. http.Client would do
// more, and be half a megabyte of the program.
type adminClient struct {
	network, address string      // to dial
	base             string      // scheme://host:port
	shown            string      // the address as it was given, for messages
	tls              *tls.Config // nil: plain
	token            string
	version          string // of this program, for User-Agent
}

// defaultAdmin is where --listen-admin is without the flag.
const defaultAdmin = "http://127.0.0.1:8081"

// requestLimit is how long an answer may take; the endpoint itself answers within 250 ms.
const requestLimit = 10 * time.Second

// clientOptions say where the endpoint is and who asks.
type clientOptions struct{ admin, readyFile, kubeconfig string }

// newAdminClient finds the endpoint: --admin, or the first admin address of the ready file,
// or the default. The kubeconfig, given or the ready file's, is for an address with TLS; its
// server is not used. An error names the flag.
func newAdminClient(o clientOptions, version string) (*adminClient, error) {
	address, kubeconfig := o.admin, o.kubeconfig
	if o.readyFile != "" {
		var ready struct {
			Admin      []string
			Kubeconfig string
		}
		b, err := os.ReadFile(o.readyFile)
		if err == nil {
			err = json.Unmarshal(b, &ready)
		}
		if err != nil {
			return nil, fmt.Errorf("--ready-file: %w", err)
		}
		if address == "" && len(ready.Admin) == 0 {
			return nil, fmt.Errorf("--ready-file: %s has no admin address: --listen-admin is off", o.readyFile)
		}
		if address == "" {
			address = ready.Admin[0]
		}
		kubeconfig = cmp.Or(kubeconfig, ready.Kubeconfig)
	}
	address = cmp.Or(address, defaultAdmin)
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return &adminClient{network: "unix", address: path, base: "http://localhost", shown: address, version: version}, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("--admin: %q is not http://HOST:PORT, https://HOST:PORT or unix:PATH", address)
	}
	c := &adminClient{network: "tcp", address: u.Host, base: u.Scheme + "://" + u.Host, shown: address, version: version}
	if u.Port() == "" {
		c.address = net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	if u.Scheme == "https" {
		c.tls = &tls.Config{}
		if kubeconfig != "" {
			if c.token, c.tls, err = readKubeconfig(kubeconfig); err != nil {
				return nil, fmt.Errorf("--kubeconfig: %w", err)
			}
		}
		c.tls.ServerName = cmp.Or(c.tls.ServerName, u.Hostname())
	}
	return c, nil
}

// readKubeconfig is what the current context of a kubeconfig trusts and shows: the CA, and
// a token or a client certificate. Exec plugins and auth providers are not run.
func readKubeconfig(path string) (token string, conf *tls.Config, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	doc, _, err := tree.ParseYAMLObject(b)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	top, _ := doc.(map[string]any)
	context, err := namedEntry(top, "contexts", "context", textOf(top, "current-context"))
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	cluster, err := namedEntry(top, "clusters", "cluster", textOf(context, "cluster"))
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	user, err := namedEntry(top, "users", "user", textOf(context, "user"))
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	dir := filepath.Dir(path)
	conf = &tls.Config{ServerName: textOf(cluster, "tls-server-name")}
	conf.InsecureSkipVerify, _ = cluster["insecure-skip-tls-verify"].(bool)
	ca, err := fileOrData(dir, cluster, "certificate-authority")
	if err != nil {
		return "", nil, err
	}
	if ca != nil {
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
	if cert != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return "", nil, fmt.Errorf("%s: client-certificate: %w", path, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return textOf(user, "token"), conf, nil
}

func textOf(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

// namedEntry is the entry called name of one of a kubeconfig's lists.
func namedEntry(top map[string]any, list, key, name string) (map[string]any, error) {
	entries, _ := top[list].([]any)
	i := slices.IndexFunc(entries, func(e any) bool {
		m, _ := e.(map[string]any)
		return m["name"] == name
	})
	if i < 0 {
		return nil, fmt.Errorf("%s has no entry named %q", list, name)
	}
	m, _ := entries[i].(map[string]any)[key].(map[string]any)
	return m, nil
}

// fileOrData is key-data, in base64, or the content of the file that key names; nil
// without either.
func fileOrData(dir string, m map[string]any, key string) ([]byte, error) {
	if data := textOf(m, key+"-data"); data != "" {
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, fmt.Errorf("%s-data: %w", key, err)
		}
		return b, nil
	}
	path := textOf(m, key)
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return os.ReadFile(path)
}

// notOK is an answer of the endpoint that is not 2xx.
type notOK struct {
	code    int
	message string
}

func (r *notOK) Error() string { return r.message }

// unreachable is that nothing answered.
type unreachable struct{ err error }

func (u *unreachable) Error() string { return u.err.Error() }

// ask sends one request and returns the body and ETag of its 2xx answer. An error is a
// *notOK, an *unreachable, or ctx's.
func (c *adminClient) ask(ctx context.Context, method, target, accept, ifMatch string, body []byte) (answer []byte, etag string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+target, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "apichain/"+c.version)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if ifMatch != "" {
		req.Header.Set("If-Match", ifMatch)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, answer, err := c.exchange(ctx, req)
	switch {
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case err != nil:
		return nil, "", &unreachable{fmt.Errorf("nothing answers at %s: %w: start apichain, or name its address with --admin or --ready-file", c.shown, err)}
	case resp.StatusCode/100 != 2:
		var status struct{ Message string }
		if json.Unmarshal(answer, &status) != nil || status.Message == "" {
			status.Message = fmt.Sprintf("%s answers %s to %s %s: is it an apichain admin endpoint?", c.shown, resp.Status, method, target)
		}
		return nil, "", &notOK{resp.StatusCode, status.Message}
	}
	return answer, resp.Header.Get("ETag"), nil
}

// exchange sends a request and reads its answer to the end.
func (c *adminClient) exchange(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, c.network, c.address)
	if err != nil {
		return nil, nil, err
	}
	if c.tls != nil {
		conn = tls.Client(conn, c.tls)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	req.Close = true
	if err := req.Write(conn); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

// change sends a PUT or DELETE for the generation that it reads first, and once more when
// that has moved meanwhile.
func (c *adminClient) change(ctx context.Context, method, path, accept string, body []byte) ([]byte, error) {
	for again := true; ; again = false {
		_, etag, err := c.ask(ctx, http.MethodGet, path, "application/json", "", nil)
		if err != nil {
			return nil, err
		}
		answer, _, err := c.ask(ctx, method, path, accept, etag, body)
		if r := (*notOK)(nil); again && errors.As(err, &r) && r.code == http.StatusPreconditionFailed {
			continue
		}
		return answer, err
	}
}
