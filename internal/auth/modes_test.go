package auth

import (
	"context"
	"testing"

	"apichain/internal/request"
)

// TestForModes: what each mode allows to whom. The answers for AlwaysAllow and AlwaysDeny are the real
// server's; so are those for RBAC where nobody is allowed.
func TestForModes(t *testing.T) {
	anonymous := &request.User{Name: request.UserAnonymous, Groups: []string{request.GroupUnauthenticated}}
	alice := &request.User{Name: "alice", Groups: []string{"dev", request.GroupAuthenticated}}
	node := &request.User{Name: "system:node:a", Groups: []string{request.GroupNodes}}
	master := &request.User{Name: "admin", Groups: []string{request.GroupMasters, request.GroupAuthenticated}}
	pods := &request.Info{IsResourceRequest: true, Verb: "list", Resource: "pods"}
	healthz := &request.Info{Verb: "get", Path: "/healthz"}
	for _, tt := range []struct {
		modes []string
		user  *request.User
		info  *request.Info
		allow bool
	}{
		{nil, alice, pods, false},
		{nil, master, pods, true},
		{nil, anonymous, healthz, true},
		{[]string{ModeAlwaysAllow}, alice, pods, true},
		{[]string{ModeAlwaysAllow}, anonymous, pods, true}, // it is never asked about one: anonymous requests are off
		{[]string{ModeAlwaysAllow}, nil, pods, true},
		{[]string{ModeAlwaysDeny}, alice, healthz, false},
		{[]string{ModeAlwaysDeny}, anonymous, healthz, false},
		{[]string{ModeAlwaysDeny}, master, pods, true},
		{[]string{ModeAlwaysDeny, ModeAlwaysAllow}, alice, pods, true},
		{[]string{ModeRBAC}, alice, pods, true},
		{[]string{ModeRBAC}, anonymous, pods, false},
		{[]string{ModeRBAC}, anonymous, healthz, true},
		{[]string{ModeRBAC}, nil, pods, false},
		{[]string{ModeNode}, alice, pods, false},
		{[]string{ModeNode}, node, pods, true},
		{[]string{ModeNode, ModeRBAC}, alice, pods, true},
		{[]string{ModeNode, ModeRBAC}, anonymous, &request.Info{Verb: "get", Path: "/api"}, false},
	} {
		a := ForModes(tt.modes)
		d := a.Authorize(context.Background(), tt.user, tt.info)
		if (d.Verdict == Allow) != tt.allow || d.Err != nil {
			t.Errorf("%v: %+v %s: %+v", tt.modes, tt.user, tt.info.Verb, d)
		}
		if d.Verdict == Allow && d.Rule == "" {
			t.Errorf("%v: no rule is named: %+v", tt.modes, d)
		}
		// Every one of them can list what it allows, and lists what it allows.
		resources, paths, complete := rulesFor(t, a, tt.user)
		if !complete || covered(resources, paths, tt.info) != tt.allow {
			t.Errorf("%v: %+v: %v %v %v", tt.modes, tt.user, resources, paths, complete)
		}
	}
	d := ForModes([]string{ModeAlwaysDeny}).Authorize(context.Background(), alice, pods)
	if d.Reason != "alwaysdeny: Everything is forbidden." {
		t.Errorf("got %q", d.Reason)
	}
}
