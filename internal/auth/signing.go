package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"os"
	"slices"
	"strings"
)

// Tokens of service accounts may be signed with a key pair, as upstream's are, so that others can verify
// them without asking: by the public keys that the server shows, and by the issuer whose keys they are.
//
// A token says by which algorithm it is signed and, by an identifier, with which key. Both are hints: the
// algorithm is that of the key (RS256 for RSA, ES256 and its like for elliptic curves), so that no token
// can choose one, and a token that names a key is verified with that one alone.

// Signing says in whose name tokens are issued, and with which keys they are signed and verified. The zero
// value signs with a key of the process, which nobody else can verify.
type Signing struct {
	// Issuers are the names of who issues tokens: the first issues, and tokens of all of them count.
	// None: ServerAudience.
	Issuers []string
	// Audiences are the names of this server: a token counts here if it is for one of them. None: the
	// issuers.
	Audiences []string
	// Signer signs; nil: a key of the process does.
	Signer crypto.Signer
	// Keys verify. None: that of Signer.
	Keys []crypto.PublicKey
}

// signingKey is a public key with what tokens call it.
type signingKey struct {
	id, algorithm string
	public        crypto.PublicKey
	hash          crypto.Hash
}

// newSigningKey names a key as upstream does: by the SHA-256 sum of its PKIX form.
func newSigningKey(public crypto.PublicKey) (signingKey, error) {
	k := signingKey{public: public, hash: crypto.SHA256}
	switch p := public.(type) {
	case *rsa.PublicKey:
		k.algorithm = "RS256"
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P256():
			k.algorithm = "ES256"
		case elliptic.P384():
			k.algorithm, k.hash = "ES384", crypto.SHA384
		case elliptic.P521():
			k.algorithm, k.hash = "ES512", crypto.SHA512
		}
	}
	if k.algorithm == "" {
		return k, errors.New("is neither RSA nor ECDSA on P-256, P-384 or P-521")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	sum := sha256.Sum256(der)
	k.id = base64.RawURLEncoding.EncodeToString(sum[:])
	return k, err
}

// digest returns the sum of what is signed, as the key's algorithm has it.
func (k *signingKey) digest(signed string) []byte {
	var h hash.Hash = k.hash.New()
	h.Write([]byte(signed))
	return h.Sum(nil)
}

// verifies reports whether a signature of signed is the key's.
func (k *signingKey) verifies(signed string, signature []byte) bool {
	switch p := k.public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(p, k.hash, k.digest(signed), signature) == nil
	case *ecdsa.PublicKey:
		// RFC 7518, section 3.4: two numbers of the size of the curve, one behind the other.
		n := (p.Curve.Params().BitSize + 7) / 8
		if len(signature) != 2*n {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])
		return ecdsa.Verify(p, k.digest(signed), r, s)
	}
	return false
}

// sign returns the signature of signed by the private key to k.
func (k *signingKey) sign(signer crypto.Signer, signed string) ([]byte, error) {
	if key, ok := signer.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, key, k.digest(signed))
		if err != nil {
			return nil, err
		}
		n := (key.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*n)
		r.FillBytes(out[:n])
		s.FillBytes(out[n:])
		return out, nil
	}
	return signer.Sign(rand.Reader, k.digest(signed), k.hash)
}

// keyPair signs and verifies with a Signing's keys.
type keyPair struct {
	signer crypto.Signer
	own    signingKey
	// header is the first part of the tokens that are made.
	header string
	keys   []signingKey
}

// newKeyPair returns what signs and verifies by s; nil where s has no signer. The error is about a key of a
// kind that tokens are not signed with.
func newKeyPair(s Signing) (*keyPair, error) {
	if s.Signer == nil && len(s.Keys) == 0 {
		return nil, nil
	}
	p := &keyPair{signer: s.Signer}
	if s.Signer != nil {
		var err error
		if p.own, err = newSigningKey(s.Signer.Public()); err != nil {
			return nil, err
		}
		text, _ := json.Marshal(keyHeader{p.own.algorithm, p.own.id})
		p.header = base64.RawURLEncoding.EncodeToString(text)
		if len(s.Keys) == 0 {
			p.keys = []signingKey{p.own}
		}
	}
	for _, public := range s.Keys {
		k, err := newSigningKey(public)
		if err != nil {
			return nil, err
		}
		p.keys = append(p.keys, k)
	}
	return p, nil
}

// keyHeader is the first part of a token that is signed with a key pair (RFC 7515, section 4).
type keyHeader struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid,omitempty"`
}

// read returns the claims of a token that one of the keys has signed; nil for any other. Nothing but its
// header is decoded before.
func (p *keyPair) read(token string) *claims {
	head, rest, _ := strings.Cut(token, ".")
	body, tail, ok := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	signature, err2 := base64.RawURLEncoding.DecodeString(tail)
	var h keyHeader
	if !ok || err != nil || err2 != nil || json.Unmarshal(text, &h) != nil {
		return nil
	}
	keys := p.keys
	if i := slices.IndexFunc(keys, func(k signingKey) bool { return k.id == h.KeyID }); i >= 0 {
		keys = keys[i : i+1]
	}
	signed := token[:len(head)+1+len(body)]
	if !slices.ContainsFunc(keys, func(k signingKey) bool { return k.algorithm == h.Algorithm && k.verifies(signed, signature) }) {
		return nil
	}
	var c claims
	if text, err = base64.RawURLEncoding.DecodeString(body); err != nil || json.Unmarshal(text, &c) != nil {
		return nil
	}
	return &c
}

// keySet returns the public keys as a JWK set (RFC 7517), as upstream shows them, and their algorithms.
func (p *keyPair) keySet() (set []byte, algorithms []string) {
	type jwk struct {
		Use       string `json:"use"`
		Type      string `json:"kty"`
		ID        string `json:"kid"`
		Curve     string `json:"crv,omitempty"`
		Algorithm string `json:"alg"`
		N         string `json:"n,omitempty"`
		E         string `json:"e,omitempty"`
		X         string `json:"x,omitempty"`
		Y         string `json:"y,omitempty"`
	}
	number := base64.RawURLEncoding.EncodeToString
	all := []jwk{}
	for _, k := range p.keys {
		j := jwk{Use: "sig", ID: k.id, Algorithm: k.algorithm}
		switch public := k.public.(type) {
		case *rsa.PublicKey:
			j.Type, j.N, j.E = "RSA", number(public.N.Bytes()), number(big.NewInt(int64(public.E)).Bytes())
		case *ecdsa.PublicKey:
			// An uncompressed point: 4, and then both coordinates at full size.
			point, err := public.Bytes()
			if err != nil {
				continue // no point of its curve
			}
			n := len(point) / 2
			j.Type, j.Curve, j.X, j.Y = "EC", public.Curve.Params().Name, number(point[1:1+n]), number(point[1+n:])
		}
		all = append(all, j)
		algorithms = append(algorithms, k.algorithm)
	}
	set, _ = json.Marshal(map[string]any{"keys": all})
	slices.Sort(algorithms)
	return set, slices.Compact(algorithms)
}

// LoadSigner reads the first private key of a PEM file.
func LoadSigner(file string) (crypto.Signer, error) {
	keys, err := readKeys(file)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s: has no private key of RSA or ECDSA in PEM", file)
}

// LoadPublicKeys reads the keys of a PEM file by which tokens can be verified: public ones, those of
// certificates, and those to private keys.
func LoadPublicKeys(file string) (public []crypto.PublicKey, err error) {
	keys, err := readKeys(file)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if s, ok := k.(crypto.Signer); ok {
			k = s.Public()
		}
		public = append(public, k)
	}
	if len(public) == 0 {
		return nil, fmt.Errorf("%s: has no key of RSA or ECDSA in PEM", file)
	}
	return public, nil
}

// readKeys returns the keys of a PEM file, private ones as crypto.Signer. Blocks of other kinds, such as the
// parameters of a curve, are left out, and so are keys that no token is signed with.
func readKeys(file string) (keys []any, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(bytes.TrimSpace(text)); block == nil {
			return keys, nil
		}
		var key any
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "PUBLIC KEY":
			key, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			key, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "CERTIFICATE":
			var c *x509.Certificate
			if c, err = x509.ParseCertificate(block.Bytes); err == nil {
				key = c.PublicKey
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, block.Type, err)
		}
		switch key.(type) {
		case *rsa.PrivateKey, *ecdsa.PrivateKey, *rsa.PublicKey, *ecdsa.PublicKey:
			keys = append(keys, key)
		}
	}
}
