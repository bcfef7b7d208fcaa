package ctl

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"apichain/internal/client"
)

// The client of the admin endpoint. Which endpoint is asked, and as whom, follows from three
// flags, each of which the next one can only fill up:
//
//	--admin A             is the address
//	--ready-file F        its first admin address, if --admin is not given; its kubeconfig
//	neither               the address that --listen-admin has by default
//	--kubeconfig K        the CA and the credentials, for an address with https alone
//
// The endpoint changes a control only for the generation that the caller has seen (If-Match), so
// that two users do not undo each other's work unknowingly. A subcommand says what is to be, not
// what it has seen: change reads the generation first and tries again once.

// defaultAdmin is where a program listens that has no --listen-admin.
const defaultAdmin = "http://127.0.0.1:8081"

// requestLimit is how long an answer may take, connecting included. The endpoint itself answers
// within 250 ms; the rest is for the way there.
const requestLimit = 10 * time.Second

// location says where the endpoint is and who asks, as flags say it. Empty: not given.
type location struct{ admin, readyFile, kubeconfig string }

// adminClient asks the admin endpoint of a running program, each question over a connection of
// its own. It may be used concurrently.
type adminClient struct {
	// at is where the endpoint is dialled.
	at client.Endpoint
	// base is scheme://host:port, which a request's URL begins with.
	base string
	// given is the address as the user gave it, for messages.
	given string
	// token is sent as a bearer token, if it is not empty.
	token string
	// version is that of this program, for the User-Agent.
	version string
}

// newAdminClient finds the endpoint and reads the files that lead to it; it does not dial. The
// server of a kubeconfig is not used: it is that of another listener. An error names the flag
// that is wrong.
func newAdminClient(at location, version string) (*adminClient, error) {
	address, kubeconfig := at.admin, at.kubeconfig
	if at.readyFile != "" {
		var err error
		if address, kubeconfig, err = readReadyFile(at); err != nil {
			return nil, err
		}
	}
	address = cmp.Or(address, defaultAdmin)
	c := &adminClient{given: address, version: version}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		// Host must be one that the endpoint takes for itself: it refuses foreign names, against
		// pages that a browser loads from elsewhere.
		c.at, c.base = client.Endpoint{Network: "unix", Address: path}, "http://localhost"
		return c, nil
	}
	u, err := url.Parse(address)
	if err != nil || !isEndpoint(u) {
		return nil, fmt.Errorf("--admin: %q is not http://HOST:PORT, https://HOST:PORT or unix:PATH", address)
	}
	c.at, c.base = client.Endpoint{Network: "tcp", Address: u.Host}, u.Scheme+"://"+u.Host
	if u.Port() == "" {
		// The dialler knows the names of the schemes as names of their ports.
		c.at.Address = net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	if u.Scheme == "https" {
		c.at.TLS = &tls.Config{}
		if kubeconfig != "" {
			k, err := client.ReadKubeconfig(kubeconfig)
			if err != nil {
				return nil, fmt.Errorf("--kubeconfig: %w", err)
			}
			c.token, c.at.TLS = k.Token, k.TLS
		}
		// A name in the kubeconfig is there because the address is not in the certificate.
		c.at.TLS.ServerName = cmp.Or(c.at.TLS.ServerName, u.Hostname())
	}
	return c, nil
}

// isEndpoint reports whether u has a scheme and a host and nothing else. A path, a query or a
// password would be dropped silently: it is better refused.
func isEndpoint(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.User == nil
}

// readReadyFile returns the address and the kubeconfig to use, which the flags have given or the
// ready file has. Of the file it reads these two fields alone, so that programs of other versions
// may write others. The error names --ready-file.
func readReadyFile(at location) (address, kubeconfig string, err error) {
	var ready struct {
		Admin      []string
		Kubeconfig string
	}
	b, err := os.ReadFile(at.readyFile)
	if err == nil {
		err = json.Unmarshal(b, &ready)
	}
	if err != nil {
		return "", "", fmt.Errorf("--ready-file: %w", err)
	}
	if at.admin == "" && len(ready.Admin) == 0 {
		return "", "", fmt.Errorf("--ready-file: %s has no admin address: --listen-admin is off", at.readyFile)
	}
	address = at.admin
	if address == "" {
		address = ready.Admin[0]
	}
	return address, cmp.Or(at.kubeconfig, ready.Kubeconfig), nil
}

// refusal is an answer of the endpoint that is not 2xx, or the answer of somebody else.
type refusal struct {
	code    int
	message string
}

// Error returns the message of the answer's Status.
func (r *refusal) Error() string { return r.message }

// unreachable says that nothing answered: the dial failed, the connection broke, or the limit
// passed. It gives exit code 4.
type unreachable struct{ err error }

// Error says where nothing answers and which flags name another address.
func (u *unreachable) Error() string { return u.err.Error() }

// ask sends one request and returns the body and ETag of its 2xx answer. target is a path with
// its query. ifMatch and body may be empty; a body is JSON. An error is a *refusal, an
// *unreachable, or ctx's.
func (c *adminClient) ask(
	ctx context.Context, method, target, accept, ifMatch string, body []byte,
) (answer []byte, etag string, err error) {
	req, err := c.request(ctx, method, target, accept, body)
	if err != nil {
		return nil, "", err
	}
	if ifMatch != "" {
		req.Header.Set("If-Match", ifMatch)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, answer, err := c.at.Ask(ctx, req, requestLimit)
	switch {
	case ctx.Err() != nil:
		// Before err, which says only that the connection was closed under us.
		return nil, "", ctx.Err()
	case err != nil:
		err = fmt.Errorf("nothing answers at %s: %w: start apichain, or name its address with --admin or --ready-file", c.given, err)
		return nil, "", &unreachable{err}
	case resp.StatusCode/100 != 2:
		return nil, "", &refusal{resp.StatusCode, c.refusalText(req, target, resp.Status, answer)}
	}
	return answer, resp.Header.Get("ETag"), nil
}

// request returns a request of this program. target is a path with its query.
func (c *adminClient) request(ctx context.Context, method, target, accept string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "apichain/"+c.version)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, nil
}

// refusalText returns the message of the Status that an endpoint refuses with. Who sends no
// Status is most likely somebody else, so the text asks that.
func (c *adminClient) refusalText(req *http.Request, target, status string, answer []byte) string {
	var refused struct{ Message string }
	if json.Unmarshal(answer, &refused) != nil || refused.Message == "" {
		return fmt.Sprintf("%s answers %s to %s %s: is it an apichain admin endpoint?", c.given, status, req.Method, target)
	}
	return refused.Message
}

// change sends a PUT or DELETE for the generation that it reads first, and once more when that
// has moved meanwhile. Moved twice, the user should look: the refusal (412) is returned.
func (c *adminClient) change(ctx context.Context, method, path, accept string, body []byte) ([]byte, error) {
	for again := true; ; again = false {
		_, etag, err := c.ask(ctx, http.MethodGet, path, "application/json", "", nil)
		if err != nil {
			return nil, err
		}
		answer, _, err := c.ask(ctx, method, path, accept, etag, body)
		if r := (*refusal)(nil); again && errors.As(err, &r) && r.code == http.StatusPreconditionFailed {
			continue
		}
		return answer, err
	}
}
