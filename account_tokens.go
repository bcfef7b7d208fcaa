package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"apichain/internal/atomicfile"
	"apichain/internal/auth"
	"apichain/internal/flags"
)

// Tokens of service accounts: whose name they have, which keys sign and verify them, and where others
// learn of the keys. What a token says and when it counts is internal/auth; the token subresource, which
// gives them out, is internal/api.
//
// With --service-account-signing-key-file others can verify a token without asking: the keys are at
// /openid/v1/jwks, which /.well-known/openid-configuration names, for an issuer that is an https URL
// (OpenID Connect Discovery, section 3).

// accountTokenOptions say how tokens of service accounts are made and verified.
type accountTokenOptions struct {
	issuers, keyFiles []string
	signingFile       string
	audiences         []string
	// most bounds how long a token is good for; 0: 2^32 seconds.
	most time.Duration
	// jwksURI is where others find the keys; "": this server.
	jwksURI string
}

// Register declares the flags of the tokens, by upstream's names.
func (o *accountTokenOptions) Register(f *flags.Set) {
	f.In("service accounts")
	f.Var((*repeated)(&o.issuers), "service-account-issuer",
		"issuer of tokens; the flag may be repeated: the first one issues, and tokens of all of them count "+
			"(default "+auth.ServerAudience+")")
	f.Var((*repeated)(&o.keyFiles), "service-account-key-file",
		"keys that tokens are verified with, PEM: public or private ones, or certificates; the flag may be repeated; "+
			"none: that of --service-account-signing-key-file")
	f.Text(&o.signingFile, "service-account-signing-key-file", "",
		"private key of RSA or ECDSA that signs tokens, PEM; none: one that is kept in --data-dir, or lives as long as the process")
	f.List(&o.audiences, "api-audiences", nil, "names of this server, of which a token must be for one; none: the issuers")
	f.Duration(&o.most, "service-account-max-token-expiration", 0, "most time that a token is good for, at least 1h; 0: no limit")
	f.Text(&o.jwksURI, "service-account-jwks-uri", "",
		"https URL of the public keys, in /.well-known/openid-configuration; none: that of this server")
}

// Check reports issuers that are no names, and bounds that upstream does not take either.
func (o *accountTokenOptions) Check(p *flags.Problems) {
	for i, issuer := range o.issuers {
		p.When(issuer == "", "service-account-issuer", "must not be empty")
		p.When(slices.Contains(o.issuers[:i], issuer), "service-account-issuer", "%q stands twice", issuer)
		if _, err := url.Parse(issuer); strings.Contains(issuer, ":") && err != nil {
			p.Add("service-account-issuer", "%q has a colon and is no URL", issuer)
		}
	}
	p.When(o.most != 0 && (o.most < time.Hour || o.most > 1<<32*time.Second), "service-account-max-token-expiration",
		"must be between 1 hour and 2^32 seconds, is %v", o.most)
	if u, err := url.Parse(o.jwksURI); o.jwksURI != "" && (err != nil || u.Scheme != "https") {
		p.Add("service-account-jwks-uri", "%q is no https URL", o.jwksURI)
	}
}

// repeated is the value of a flag of which each use adds one.
type repeated []string

// String writes all of them with a comma between.
func (v *repeated) String() string {
	// The flag package asks the zero value, for its own usage text.
	if v == nil {
		return ""
	}
	return strings.Join(*v, ",")
}

// Set adds one.
func (v *repeated) Set(s string) error {
	*v = append(*v, s)
	return nil
}

// signing reads the key files. All that is wrong with them is in the error, each with its flag.
func (o *accountTokenOptions) signing() (s auth.Signing, err error) {
	s = auth.Signing{Issuers: o.issuers, Audiences: o.audiences}
	if o.signingFile != "" {
		signer, e := auth.LoadSigner(o.signingFile)
		if s.Signer = signer; e != nil {
			err = fmt.Errorf("--service-account-signing-key-file: %w", e)
		}
	}
	for _, file := range o.keyFiles {
		keys, e := auth.LoadPublicKeys(file)
		if s.Keys = append(s.Keys, keys...); e != nil {
			err = errors.Join(err, fmt.Errorf("--service-account-key-file: %w", e))
		}
	}
	return s, err
}

// signerFile is the file of --data-dir that keeps the key of tokens.
const signerFile = "service-account.key"

// keptSigner returns the private key that a file keeps. Where there is none it is made and kept, for its owner
// alone, unless makes says otherwise: then there is no key. It is on the disk when keptSigner returns.
func keptSigner(path string, makes bool) (crypto.Signer, error) {
	signer, err := auth.LoadSigner(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return signer, err
	}
	if !makes {
		return nil, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	// Tokens that are signed with it may outlive a crash of the machine, so it must too.
	if err := atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return nil, err
	}
	return key, errors.Join(flushed(path), flushed(filepath.Dir(path)))
}

// flushed writes what the system holds of a file or a folder to the disk.
func flushed(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// installIssuer puts the public keys of tokens on the outermost server, where there are any and an issuer
// whose name may be looked up. Both documents are made once: the keys do not change.
func (p *program) installIssuer(s *Server) {
	o, tokens := &p.opt.accountTokens, p.authn.Accounts
	keys, algorithms := tokens.PublicKeys()
	u, err := url.Parse(tokens.Issuer())
	if keys == nil || err != nil || u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return
	}
	at := o.jwksURI
	if at == "" {
		at = "https://" + p.advertisedAddress() + jwksPath
	}
	config, _ := json.Marshal(struct {
		Issuer     string   `json:"issuer"`
		JWKS       string   `json:"jwks_uri"`
		Responses  []string `json:"response_types_supported"`
		Subjects   []string `json:"subject_types_supported"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}{tokens.Issuer(), at, []string{"id_token"}, []string{"public"}, algorithms})
	for path, d := range map[string]struct {
		form string
		text []byte
	}{jwksPath: {"application/jwk-set+json", keys}, openIDPath: {"application/json", config}} {
		_ = s.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h["Content-Type"], h["Cache-Control"] = []string{d.form}, []string{"public, max-age=3600"}
			_, _ = w.Write(d.text) // an error is the client's going
		}))
	}
}

// The paths of the issuer's documents.
const (
	jwksPath   = "/openid/v1/jwks"
	openIDPath = "/.well-known/openid-configuration"
)
