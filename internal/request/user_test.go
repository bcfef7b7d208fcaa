package request

import (
	"regexp"
	"sync"
	"testing"
)

func TestUserIn(t *testing.T) {
	u := &User{Name: "a", Groups: []string{"one", GroupAuthenticated}}
	for _, tc := range []struct {
		user  *User
		group string
		want  bool
	}{
		{u, "one", true},
		{u, GroupAuthenticated, true},
		{u, GroupMasters, false},
		{u, "", false},
		{u, "On", false},
		{u, "One", false}, // names are compared byte by byte
		{u, "a", false},   // a user's own name is no group
		{&User{Name: "b"}, "one", false},
		{&User{Groups: []string{""}}, "", true},
		{nil, GroupUnauthenticated, false},
	} {
		if got := tc.user.In(tc.group); got != tc.want {
			t.Errorf("%+v in %q: %t", tc.user, tc.group, got)
		}
	}
}

// Names made of the prefixes are those that upstream's policies and tokens have.
func TestServiceAccountNames(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{ServiceAccountUserPrefix + "ns:account", "system:serviceaccount:ns:account"},
		{ServiceAccountGroupPrefix + "ns", "system:serviceaccounts:ns"},
		{GroupServiceAccounts + ":", ServiceAccountGroupPrefix},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}

func TestNewUUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	const goroutines, each = 4, 500
	made := make(chan string, goroutines*each)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				made <- NewUUID()
			}
		})
	}
	wg.Wait()
	close(made)
	seen := map[string]bool{}
	digits := map[byte]int{} // of all but the fixed places
	for id := range made {
		if !form.MatchString(id) {
			t.Fatalf("%q is no UUID of version 4", id)
		}
		if seen[id] {
			t.Fatalf("%q came twice", id)
		}
		seen[id] = true
		for i := range id {
			if i != 8 && i != 13 && i != 14 && i != 18 && i != 19 && i != 23 {
				digits[id[i]]++
			}
		}
	}
	// 60,000 digits, 3,750 of each: a byte that stays zero or is copied twice would show.
	for _, c := range []byte("0123456789abcdef") {
		if n := digits[c]; n < 3300 || n > 4200 {
			t.Errorf("%d of the digit %c, want some 3750", n, c)
		}
	}
	if n := testing.AllocsPerRun(100, func() { NewUUID() }); n > 1 {
		t.Errorf("%v allocations, want the string", n)
	}
}
