package admin

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// theCar asks about the object of the example.
const theCar = "/admin/v1/owners?resource=deployments.apps&namespace=shop&name=car"

// Owners gives the example, whatever is asked, and keeps the question.
func (f *fake) Owners(q OwnersRequest) (Owners, *Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.askedOwners = q
	return f.owners, f.refusesOwners
}

// TestOwnersIsTheContractsExample: key for key, and what was asked is passed on as it is.
func TestOwnersIsTheContractsExample(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	var want map[string]any
	example(t, "owners", &want)
	if got := decode(t, ask(t, h, theCar)); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
	ask(t, h, theCar+"&path=.spec*&path=.a&force=helm&manager=x")
	if asked := (OwnersRequest{"deployments.apps", "shop", "car", []string{".spec*", ".a"}, "helm"}); !reflect.DeepEqual(src.askedOwners, asked) {
		t.Errorf("asked %+v, want %+v", src.askedOwners, asked)
	}
	ask(t, h, "/admin/v1/owners?resource=nodes&name=n")
	if asked := (OwnersRequest{Resource: "nodes", Name: "n"}); !reflect.DeepEqual(src.askedOwners, asked) {
		t.Errorf("asked %+v, want %+v", src.askedOwners, asked)
	}
}

// TestOwnersAreChosen: by the rules of all lists.
func TestOwnersAreChosen(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for query, want := range map[string]string{
		"":                        "helm autoscaler helm",
		"manager=autoscaler":      "autoscaler",
		"operation=Apply":         "helm helm",
		"subresource=*":           "autoscaler",
		"path=.spec.replicas":     "helm autoscaler",
		"path=.spec*":             "helm autoscaler helm",
		"path=.spec.t*":           "helm",
		"path=.spec":              "",
		"sort=-changed":           "autoscaler helm helm",
		"limit=1":                 "helm",
		"path=.spec.t*&path=none": "helm",
	} {
		var got []string
		for _, item := range decode(t, ask(t, h, theCar+"&"+query))["items"].([]any) {
			got = append(got, item.(map[string]any)["manager"].(string))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", query, s, want)
		}
	}
}

// TestOwnersParameters: a parameter that is wrong or missing is named, and so is what is not there.
func TestOwnersParameters(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	for query, want := range map[string]string{
		"":                                    "resource is missing",
		"resource=pods":                       "name is missing",
		"resource=&name=a":                    "resource is missing",
		"resource=pods&resource=a":            `resource: "pods, a" is not one value`,
		"resource=pods&name=a&force=&force=b": `force: ", b" is not one value`,
		"resource=pods&name=a&key=b":          `unknown query parameter "key": known are id, path, manager, operation, apiVersion, subresource, changed, resource, namespace, name, force, sort, limit, pretty, wide`,
	} {
		w := ask(t, h, "/admin/v1/owners?"+query)
		if w.Code != http.StatusBadRequest || !strings.Contains(decode(t, w)["message"].(string), want) {
			t.Errorf("%q: %d %s, want %q", query, w.Code, w.Body, want)
		}
	}
	src.refusesOwners = &Error{Code: 404, Reason: "NotFound", Message: "no such car"}
	if w := ask(t, h, theCar); w.Code != 404 || decode(t, w)["message"] != "no such car" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(t, h, "PUT "+theCar); w.Code != 405 {
		t.Errorf("PUT: %d", w.Code)
	}
}

// TestOwnersAsText: a table, whose times are ages.
func TestOwnersAsText(t *testing.T) {
	h := handlerOf(t, newFake(t))
	got := ask(t, h, theCar, "Accept: text/plain").Body.String()
	want := `PATH                                            MANAGER     OPERATION  APIVERSION  SUBRESOURCE  CHANGED
.spec.replicas                                  helm        Apply      apps/v1     -            2d0h
.spec.replicas                                  autoscaler  Update     apps/v1     scale        3m0s
.spec.template.spec.containers[name="a"].image  helm        Apply      apps/v1     -            -
`
	if got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	src := newFake(t)
	src.owners = Owners{Resource: "configmaps", Name: "bare", Complete: true}
	if got := ask(t, handlerOf(t, src), theCar).Body.String(); !strings.HasSuffix(got, `"complete":true,"total":0,"items":[]}`+"\n") {
		t.Errorf("without owners: %s", got)
	}
}
