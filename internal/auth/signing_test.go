package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// testKeys are a key of each kind that tokens are signed with, by their algorithms.
func testKeys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	out := map[string]crypto.Signer{}
	var err error
	if out["RS256"], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		if out[name], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// accountsWith knows the account n/robot, and signs by s.
func accountsWith(t testing.TB, s Signing) *Accounts {
	t.Helper()
	a := NewAccounts(Lookups{Account: there("n", "robot", "u-1")})
	if err := a.Use(s); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestKeyPairs: a token of each kind of key is in the form of its RFC, is verified by its own key, and by
// no other. A bit that is changed, or the algorithm of its header, spoils it.
func TestKeyPairs(t *testing.T) {
	keys := testKeys(t)
	for algorithm, key := range keys {
		a := accountsWith(t, Signing{Signer: key})
		token := a.Issue(robot(nil))
		head, _, _ := strings.Cut(token, ".")
		var h map[string]string
		if text, err := base64.RawURLEncoding.DecodeString(head); err != nil || json.Unmarshal(text, &h) != nil {
			t.Fatalf("header %q: %v", text, err)
		}
		if h["alg"] != algorithm || len(h["kid"]) != 43 || len(h) != 2 {
			t.Errorf("%s: header %v", algorithm, h)
		}
		if u, _ := a.User(token); u == nil || u.Name != "system:serviceaccount:n:robot" {
			t.Errorf("%s: its own token is %v's", algorithm, u)
		}
		for other, foreign := range keys {
			u, _ := accountsWith(t, Signing{Signer: foreign}).User(token)
			if (u != nil) != (other == algorithm) {
				t.Errorf("a token of %s is %v's for %s", algorithm, u, other)
			}
			// Whoever is told both keys knows it.
			both := Signing{Signer: foreign, Keys: []crypto.PublicKey{foreign.Public(), key.Public()}}
			if u, _ := accountsWith(t, both).User(token); u == nil {
				t.Errorf("a token of %s is nobody's where the key is the second", algorithm)
			}
		}
		for i := 0; i < len(token); i += 7 {
			if token[i] == '.' {
				continue
			}
			b := []byte(token)
			// Not the last bits of a part, which base64 may leave over.
			b[i] = map[bool]byte{true: 'B', false: 'A'}[b[i] == 'A']
			if i+1 < len(token) && token[i+1] == '.' || i+1 == len(token) {
				continue
			}
			if u, _ := a.User(string(b)); u != nil {
				t.Errorf("%s: the token counts with byte %d changed", algorithm, i)
			}
		}
		// Another algorithm in the header, over the same body, signed with the same key.
		rest := token[len(head):]
		for _, alg := range []string{"none", "HS256", "RS512", ""} {
			forged := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+alg+`","kid":"`+h["kid"]+`"}`)) + rest
			if u, _ := a.User(forged); u != nil {
				t.Errorf("%s: the token counts as %q", algorithm, alg)
			}
		}
		// The zero value's key is another one.
		if u, _ := a.User(accountsWith(t, Signing{}).Issue(robot(nil))); u != nil {
			t.Errorf("%s: a token of the process's key counts", algorithm)
		}
	}
}

// TestIssuersAndAudiences: the first issuer issues and all count; without audiences they are this server's
// names.
func TestIssuersAndAudiences(t *testing.T) {
	key := testKeys(t)["ES256"]
	old := accountsWith(t, Signing{Issuers: []string{"https://old"}, Signer: key})
	token := old.Issue(robot(nil))
	for _, tt := range []struct {
		s         Signing
		counts    bool
		audiences []string
	}{
		{Signing{}, false, []string{ServerAudience}},
		{Signing{Issuers: []string{"https://new"}}, false, []string{"https://new"}},
		{Signing{Issuers: []string{"https://new", "https://old"}}, true, []string{"https://new", "https://old"}},
		{Signing{Issuers: []string{"https://old"}, Audiences: []string{"a"}}, true, []string{"a"}},
	} {
		tt.s.Signer = key
		a := accountsWith(t, tt.s)
		if u, _ := a.User(token); (u != nil) != tt.counts {
			t.Errorf("%+v: %v", tt.s.Issuers, u)
		}
		if !slices.Equal(a.Audiences(), tt.audiences) || a.Issuer() != slices.Concat(tt.s.Issuers, []string{ServerAudience})[0] {
			t.Errorf("audiences %q of %q", a.Audiences(), a.Issuer())
		}
	}
	if got := (*Accounts)(nil).Audiences(); !slices.Equal(got, []string{ServerAudience}) {
		t.Errorf("no accounts are called %q", got)
	}
	if err := NewAccounts(Lookups{}).Use(Signing{Keys: []crypto.PublicKey{ed25519.PublicKey{}}}); err == nil {
		t.Error("a key of Ed25519 was taken")
	}
}

// TestTokensMadeElsewhere: who has the key may make tokens elsewhere, with one audience as a text, and with times
// of its own.
func TestTokensMadeElsewhere(t *testing.T) {
	key := testKeys(t)["ES256"]
	a := accountsWith(t, Signing{Issuers: []string{"i"}, Signer: key})
	now := time.Now().Unix()
	for _, tt := range []struct {
		aud    string
		nbf    int64
		exp    int64
		counts bool
	}{
		{`"x"`, now, now + 60, true}, {`["x"]`, now, now + 60, true}, {`["x"]`, now + 50, now + 99, true},
		{`["x"]`, now + 1000, now + 2000, false}, {`["x"]`, now, now - 1, false}, {`{}`, now, now + 60, false}, {`1`, now, now + 60, false},
	} {
		body, _ := json.Marshal(map[string]any{
			"iss": "i", "aud": json.RawMessage(tt.aud), "nbf": tt.nbf, "exp": tt.exp,
			"kubernetes.io": map[string]any{"namespace": "n", "serviceaccount": map[string]any{"name": "robot", "uid": "u-1"}},
		})
		signed := a.pair.header + "." + base64.RawURLEncoding.EncodeToString(body)
		signature, err := a.pair.own.sign(key, signed)
		if err != nil {
			t.Fatal(err)
		}
		u, audiences := a.User(signed + "." + base64.RawURLEncoding.EncodeToString(signature))
		if (u != nil) != tt.counts || tt.counts && !slices.Equal(audiences, []string{"x"}) {
			t.Errorf("%+v: %v for %q", tt, u, audiences)
		}
	}
	for _, token := range []string{"", ".", "..", "a.b.c", strings.Repeat(".", 1000), a.pair.header + "..", a.pair.header + ".e30.", a.pair.header} {
		if u, _ := a.User(token); u != nil {
			t.Errorf("%q is %v's", token, u)
		}
	}
}

// TestKeyFiles: the forms in which keys come.
func TestKeyFiles(t *testing.T) {
	keys, dir := testKeys(t), t.TempDir()
	private, public := keys["RS256"].(*rsa.PrivateKey), keys["RS256"].Public()
	ec := keys["ES256"].(*ecdsa.PrivateKey)
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1)}
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{1}})
	for _, tt := range []struct {
		name, block string
		der         []byte
		signs       bool
		key         crypto.PublicKey
	}{
		{"pkcs8", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(private)), true, public},
		{"pkcs1", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(private), true, public},
		{"sec1", "EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ec)), true, ec.Public()},
		{"pkix", "PUBLIC KEY", must(x509.MarshalPKIXPublicKey(public)), false, public},
		{"pkcs1-public", "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&private.PublicKey), false, public},
		{"certificate", "CERTIFICATE", must(x509.CreateCertificate(rand.Reader, leaf, leaf, public, private)), false, public},
	} {
		file := filepath.Join(dir, tt.name)
		// openssl puts the parameters of a curve in front of its key.
		text := append(slices.Clone(parameters), pem.EncodeToMemory(&pem.Block{Type: tt.block, Bytes: tt.der})...)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := LoadPublicKeys(file)
		if err != nil || len(got) != 1 || !got[0].(interface{ Equal(crypto.PublicKey) bool }).Equal(tt.key) {
			t.Errorf("%s: %v %v", tt.name, got, err)
		}
		if s, err := LoadSigner(file); (err == nil) != tt.signs || tt.signs && !s.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(tt.key) {
			t.Errorf("%s: signer %v %v", tt.name, s, err)
		}
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: tt.block, Bytes: tt.der[:9]}), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadPublicKeys(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s, cut: %v", tt.name, err)
		}
	}
	if _, err := LoadPublicKeys(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing file has keys")
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadPublicKeys(empty); err == nil {
		t.Error("an empty file has keys")
	}
}

// TestPublicKeys: the key set says of each key what RFC 7517 and 7518 want, and the private part of none.
func TestPublicKeys(t *testing.T) {
	if set, algorithms := accountsWith(t, Signing{}).PublicKeys(); set != nil || algorithms != nil {
		t.Errorf("the key of the process is shown: %s %q", set, algorithms)
	}
	keys := testKeys(t)
	set, algorithms := accountsWith(t, Signing{Signer: keys["ES256"], Keys: []crypto.PublicKey{keys["ES512"].Public(), keys["RS256"].Public()}}).PublicKeys()
	var got struct{ Keys []map[string]string }
	if err := json.Unmarshal(set, &got); err != nil || len(got.Keys) != 2 || !slices.Equal(algorithms, []string{"ES512", "RS256"}) {
		t.Fatalf("%s %q %v", set, algorithms, err)
	}
	curve, modulus := got.Keys[0], got.Keys[1]
	if curve["kty"] != "EC" || curve["crv"] != "P-521" || len(curve["x"]) != 88 || len(curve["y"]) != 88 || curve["alg"] != "ES512" || curve["use"] != "sig" {
		t.Errorf("a curve: %v", curve)
	}
	if modulus["kty"] != "RSA" || modulus["e"] != "AQAB" || len(modulus["n"]) != 342 || modulus["alg"] != "RS256" || len(modulus) != 6 {
		t.Errorf("a modulus: %v", modulus)
	}
}
