package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/request"
)

// TestTokenExpires at its second, by the clock.
func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := func(namespace, name string) (string, bool) { return "u", namespace == "n" && name == "a" }
		tokens := NewAccounts(Lookups{Account: account})
		c := &claims{Audiences: []string{"x"}, Issuer: ServerAudience, Expires: time.Now().Unix() + 600}
		c.Account.Namespace, c.Account.ServiceAccount.Name, c.Account.ServiceAccount.UID = "n", "a", "u"
		token := tokens.sign(c)
		for _, step := range []struct {
			after time.Duration
			valid bool
		}{{0, true}, {599 * time.Second, true}, {time.Second, false}, {time.Hour, false}} {
			time.Sleep(step.after) // of the bubble's clock
			u, audiences := tokens.User(token)
			if (u != nil) != step.valid || step.valid && !slices.Equal(audiences, []string{"x"}) {
				t.Errorf("after %v more: %v, want %v", step.after, u, step.valid)
			}
		}
	})
}

// there is a Lookup of one object.
func there(namespace, name, uid string) Lookup {
	return func(ns, n string) (string, bool) {
		if ns != namespace || n != name {
			return "", false
		}
		return uid, true
	}
}

// robot is a grant for the account n/robot, good for an hour.
func robot(edit func(*Grant)) Grant {
	g := Grant{Namespace: "n", Account: "robot", UID: "u-1", Audiences: []string{ServerAudience}, Issued: time.Now(), Expires: time.Now().Add(time.Hour)}
	if edit != nil {
		edit(&g)
	}
	return g
}

// TestTokenForm: three parts in base64url, upstream's claims in them, and a signature as
// RFC 7515 computes it (appendix A.1).
func TestTokenForm(t *testing.T) {
	a := NewAccounts(Lookups{Account: there("n", "robot", "u-1"), Secret: there("n", "s", "u-2")})
	token := a.Issue(Grant{
		Namespace: "n", Account: "robot", UID: "u-1", Bound: Bound{Secret: &Ref{"s", "u-2"}}, Audiences: []string{"a", "b"},
		Issued: time.Unix(1000, 999_999_999), Expires: time.Unix(4600, 999_999_999),
	})
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	var text [3]string
	for i, part := range parts {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		text[i] = string(b)
	}
	if want := `{"alg":"HS256","typ":"JWT"}`; text[0] != want {
		t.Errorf("header %s, want %s", text[0], want)
	}
	var c struct{ JTI string }
	if err := json.Unmarshal([]byte(text[1]), &c); err != nil || len(c.JTI) != 36 {
		t.Errorf("%v: ID %q is no UUID", err, c.JTI)
	}
	want := `{"aud":["a","b"],"exp":4600,"iat":1000,"nbf":1000,"iss":"https://kubernetes.default.svc.cluster.local","jti":"` + c.JTI +
		`","sub":"system:serviceaccount:n:robot","kubernetes.io":{"namespace":"n","serviceaccount":{"name":"robot","uid":"u-1"},"secret":{"name":"s","uid":"u-2"}}}`
	if text[1] != want {
		t.Errorf("claims\n%s\nwant\n%s", text[1], want)
	}
	m := hmac.New(sha256.New, a.key[:])
	m.Write([]byte(parts[0] + "." + parts[1]))
	if text[2] != string(m.Sum(nil)) {
		t.Error("the signature is another one")
	}
	if again := a.Issue(robot(nil)); strings.Contains(a.Issue(robot(nil)), again) {
		t.Error("two tokens are the same")
	}
}

// TestTokenUser: who a token makes of its bearer.
func TestTokenUser(t *testing.T) {
	a := NewAccounts(Lookups{Account: there("n", "robot", "u-1")})
	got, audiences := a.User(a.Issue(robot(func(g *Grant) { g.Audiences = []string{"x", ServerAudience} })))
	if got == nil || len(got.Extra["authentication.kubernetes.io/credential-id"]) != 1 || !strings.HasPrefix(got.Extra["authentication.kubernetes.io/credential-id"][0], "JTI=") {
		t.Fatalf("%+v", got)
	}
	got.Extra = nil
	want := &request.User{Name: "system:serviceaccount:n:robot", UID: "u-1", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated"}}
	if !reflect.DeepEqual(got, want) || !slices.Equal(audiences, []string{"x", ServerAudience}) {
		t.Errorf("%+v for %q", got, audiences)
	}
	// Impersonating the account gives the same groups.
	acting := &request.User{Name: want.Name}
	if CompleteGroups(acting, false); !slices.Equal(acting.Groups, want.Groups) {
		t.Errorf("impersonated it is in %q", acting.Groups)
	}
}

// TestTokenEnds: with its account, with its secret, and with others that have their names.
func TestTokenEnds(t *testing.T) {
	bound := func(g *Grant) { g.Bound.Secret = &Ref{"s", "u-2"} }
	none := func(string, string) (string, bool) { return "", false }
	for _, c := range []struct {
		name            string
		account, secret Lookup
		edit            func(*Grant)
		valid           bool
	}{
		{"account", there("n", "robot", "u-1"), none, nil, true},
		{"no account", none, none, nil, false},
		{"account of another UID", there("n", "robot", "u-9"), none, nil, false},
		{"account of another namespace", there("m", "robot", "u-1"), none, nil, false},
		{"no account, no UID in the token", none, none, func(g *Grant) { g.UID = "" }, false},
		{"secret", there("n", "robot", "u-1"), there("n", "s", "u-2"), bound, true},
		{"no secret", there("n", "robot", "u-1"), none, bound, false},
		{"secret of another UID", there("n", "robot", "u-1"), there("n", "s", "u-9"), bound, false},
		{"secret of another namespace", there("n", "robot", "u-1"), there("m", "s", "u-2"), bound, false},
		{"pod", there("n", "robot", "u-1"), there("n", "s", "u-2"), func(g *Grant) { g.Bound = Bound{Pod: &Ref{"s", "u-2"}, Node: &Ref{Name: "gone"}} }, true},
		{"no pod", there("n", "robot", "u-1"), none, func(g *Grant) { g.Bound.Pod = &Ref{"s", "u-2"} }, false},
		{"pod of another UID", there("n", "robot", "u-1"), there("n", "s", "u-9"), func(g *Grant) { g.Bound.Pod = &Ref{"s", "u-2"} }, false},
		{"node", there("n", "robot", "u-1"), there("", "s", "u-2"), func(g *Grant) { g.Bound.Node = &Ref{"s", "u-2"} }, true},
		{"no node", there("n", "robot", "u-1"), none, func(g *Grant) { g.Bound.Node = &Ref{"s", "u-2"} }, false},
		{"secret but no account", none, there("n", "s", "u-2"), bound, false},
		{"expired", there("n", "robot", "u-1"), none, func(g *Grant) { g.Expires = time.Now().Add(-time.Second) }, false},
	} {
		a := NewAccounts(Lookups{Account: c.account, Secret: c.secret, Pod: c.secret, Node: c.secret})
		if u, _ := a.User(a.Issue(robot(c.edit))); (u != nil) != c.valid {
			t.Errorf("%s: %+v, want valid %t", c.name, u, c.valid)
		}
	}
	var nobody *Accounts
	if u, audiences := nobody.User("a.b.c"); u != nil || audiences != nil {
		t.Errorf("without accounts: %v", u)
	}
}

// TestForeignTokens: tokens that others could make, and how others write them.
func TestForeignTokens(t *testing.T) {
	a, other := NewAccounts(Lookups{Account: there("n", "robot", "u-1")}), NewAccounts(Lookups{Account: there("n", "robot", "u-1")})
	good := a.Issue(robot(nil))
	parts := strings.Split(good, ".")
	encode := base64.RawURLEncoding.EncodeToString
	signed := func(header, claims string) string { // with our own key: the header alone must not be trusted
		s := encode([]byte(header)) + "." + claims
		return s + "." + encode(a.mac(s))
	}
	for name, token := range map[string]string{
		"of another process":            other.Issue(robot(nil)),
		"without signature":             parts[0] + "." + parts[1] + ".",
		"without its dot":               parts[0] + "." + parts[1],
		"alg none":                      encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + ".",
		"alg none, signed":              signed(`{"alg":"none","typ":"JWT"}`, parts[1]),
		"alg HS512":                     signed(`{"alg":"HS512","typ":"JWT"}`, parts[1]),
		"header in other order":         signed(`{"typ":"JWT","alg":"HS256"}`, parts[1]),
		"header with a key":             signed(`{"alg":"HS256","typ":"JWT","kid":"x"}`, parts[1]),
		"claims no JSON":                signed(`{"alg":"HS256","typ":"JWT"}`, encode([]byte("x"))),
		"claims no base64":              signed(`{"alg":"HS256","typ":"JWT"}`, "?"),
		"padded":                        good + "=",
		"spaced":                        " " + good,
		"four parts":                    good + "." + parts[2],
		"signature of the claims alone": parts[0] + "." + parts[1] + "." + encode(a.mac(parts[1])),
		"other claims":                  parts[0] + "." + encode([]byte(`{"exp":99999999999,"kubernetes.io":{"namespace":"n","serviceaccount":{"name":"robot","uid":"u-1"}}}`)) + "." + parts[2],
		"empty":                         "", "dots": "..", "header alone": parts[0] + ".",
	} {
		if u, _ := a.User(token); u != nil {
			t.Errorf("%s: it is %s's", name, u.Name)
		}
	}
	if u, _ := a.User(good); u == nil {
		t.Error("the good one does not count")
	}
}

// FuzzTokens: no text but what was issued is a token. The last character of a signature has
// bits to spare, which base64 ignores; what was signed is the same.
func FuzzTokens(f *testing.F) {
	a := NewAccounts(Lookups{Account: there("n", "robot", "u-1")})
	good := a.Issue(robot(nil))
	for _, s := range []string{good, good[:len(good)-1], good[1:], "..", joseHeader + "..", "Bearer " + good, strings.ToUpper(good)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		u, _ := a.User(token)
		if u != nil && (len(token) != len(good) || token[:len(token)-1] != good[:len(good)-1]) {
			t.Errorf("%q is %s's", token, u.Name)
		}
	})
}

// TestNoPartMayChange: each byte of a token counts.
func TestNoPartMayChange(t *testing.T) {
	a := NewAccounts(Lookups{Account: there("n", "robot", "u-1")})
	good := a.Issue(robot(nil))
	for i := range len(good) - 1 {
		b := []byte(good)
		if b[i]++; b[i] == '.' || b[i] > 'z' {
			b[i] = 'A'
		}
		if u, _ := a.User(string(b)); u != nil {
			t.Errorf("byte %d (%q, was %q): it is %s's", i, b[i], good[i], u.Name)
		}
	}
}

func BenchmarkTokenUser(b *testing.B) {
	a := NewAccounts(Lookups{Account: there("n", "robot", "u-1")})
	token := a.Issue(robot(nil))
	b.ReportAllocs()
	for b.Loop() {
		if u, _ := a.User(token); u == nil {
			b.Fatal("it does not count")
		}
	}
}
