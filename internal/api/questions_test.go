package api_test

import "testing"

// TestRefusedQuestions: reviews and requests for tokens that ask for nothing, or for what
// there is not.
func TestRefusedQuestions(t *testing.T) {
	r := newReviewed(t)
	review := func(kind, more string) string {
		return `{"kind":"` + kind + `","apiVersion":"authorization.k8s.io/v1"` + more + `}`
	}
	const (
		authn = "/apis/authentication.k8s.io/v1/"
		local = "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews"
		token = answerSpaces + "/default/serviceaccounts/default/token"
		maps  = `"resourceAttributes":{"verb":"get","resource":"configmaps","namespace":"default"}`
		path  = `"nonResourceAttributes":{"verb":"get","path":"/x"}`
	)
	r.refuses([]refusal{
		{"POST " + authn + "tokenreviews", `{"kind":"TokenReview","spec":{}}`, "400 BadRequest: token is required for TokenReview in authentication"},
		{"POST " + authn + "tokenreviews", ``, "400 BadRequest: the object provided is unrecognized (must be of type TokenReview): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"},
		{"POST " + authorization + "selfsubjectaccessreviews", review("SelfSubjectAccessReview", ""), `422 Invalid: SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified`},
		{"POST " + authorization + "selfsubjectaccessreviews", review("SelfSubjectAccessReview", `,"spec":{`+maps+`,`+path+`}`), `422 Invalid: SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec: Invalid value: {"Path":"/x","Verb":"get"}: exactly one of nonResourceAttributes or resourceAttributes must be specified`},
		{"POST " + authorization + "subjectaccessreviews", review("SubjectAccessReview", `,"spec":{`+maps+`}`), `422 Invalid: SubjectAccessReview.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified`},
		{"POST " + authorization + "subjectaccessreviews", review("SubjectAccessReview", `,"spec":{"groups":[]}`), `422 Invalid: SubjectAccessReview.authorization.k8s.io "" is invalid: [spec: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified, spec.user: Invalid value: "": at least one of user or group must be specified]`},
		{"POST " + local, review("LocalSubjectAccessReview", `,"metadata":{"namespace":"other"},"spec":{"user":"u",`+maps+`}`), "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request"},
		{"POST " + local, review("LocalSubjectAccessReview", `,"spec":{"user":"u","resourceAttributes":{"verb":"get","resource":"configmaps"}}`), `422 Invalid: LocalSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "": must match metadata.namespace`},
		{"POST " + local, review("LocalSubjectAccessReview", `,"spec":{"user":"u",`+path+`}`), `422 Invalid: LocalSubjectAccessReview.authorization.k8s.io "" is invalid: spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":"get"}: disallowed on this kind of request`},
		{"POST " + authorization + "selfsubjectrulesreviews", review("SelfSubjectRulesReview", `,"spec":{}`), "400 BadRequest: no namespace on request"},
		{"GET " + authorization + "selfsubjectrulesreviews", ``, "405 MethodNotAllowed: the server does not allow this method on the requested resource"},
		{"POST " + token, `{"spec":{"expirationSeconds":599}}`, `422 Invalid: TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes`},
		{"POST " + token, `{"spec":{"expirationSeconds":4294967297}}`, `422 Invalid: TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds`},
		{"POST " + token, `{"spec":{"expirationSeconds":"x"}}`, `400 BadRequest: TokenRequest in version "v1" cannot be handled as a TokenRequest: json: cannot unmarshal string into Go struct field TokenRequestSpec.spec.expirationSeconds of type int64`},
		{"POST " + token, `{"spec":{"boundObjectRef":{"kind":"Pod","name":"p"}}}`, `404 NotFound: pods "p" not found`},
		{"POST " + token, `{"spec":{"boundObjectRef":{"kind":"Secret","name":"none"}}}`, `404 NotFound: secrets "none" not found`},
		{"POST " + answerSpaces + "/default/serviceaccounts/none/token", `{}`, `404 NotFound: serviceaccounts "none" not found`},
	})
}

// TestRefusedEnds: deletes whose conditions do not hold, and writes of what is being deleted.
func TestRefusedEnds(t *testing.T) {
	r := newReviewed(t)
	const gone = `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"d","finalizers":["example.com/x"]}}`
	r.ask("POST "+reviewMaps, gone)
	r.ask("POST "+answerSpaces, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"held"},"spec":{"finalizers":["example.com/x"]}}`)
	r.widget("w", `,"finalizers":["x"]`)
	for _, path := range []string{reviewMaps + "/d", answerSpaces + "/held", reviewDefinitions + "/widgets.example.com"} {
		if w := r.ask("DELETE "+path, ""); w.Code != 200 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	r.p.API.Customs.Follow()
	uid := r.at(r.ask("GET "+reviewMaps+"/d", ""), "metadata", "uid")
	for _, row := range []refusal{
		{"DELETE " + reviewMaps + "/d", `{"preconditions":{"uid":"` + uid + `0"}}`, `409 Conflict: Operation cannot be fulfilled on ConfigMap "d": the UID in the precondition (ANY0) does not match the UID in record (ANY). The object might have been deleted and then recreated`},
		{"DELETE " + reviewMaps + "/d", `{"preconditions":{"resourceVersion":"1"}}`, `409 Conflict: Operation cannot be fulfilled on ConfigMap "d": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (…`},
		{"DELETE " + reviewWidgets + "/w", `{"preconditions":{"resourceVersion":"1"}}`, `409 Conflict: Operation cannot be fulfilled on Widget.example.com "w": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (…`},
		{"DELETE " + reviewMaps, `{"dryRun":["x"]}`, `422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]: supported values: "All"`},
		{"DELETE " + reviewMaps, `{"propagationPolicy":"foreground"}`, `422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "foreground": supported values: "Foreground", "Background", "Orphan", "nil"`},
		{"DELETE " + reviewMaps + "/none", ``, `404 NotFound: configmaps "none" not found`},
		{"PATCH " + reviewMaps + "/d", `{"metadata":{"finalizers":["example.com/x","example.com/y"]}}`, `422 Invalid: ConfigMap "d" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/y"}`},
		{"POST " + reviewMaps, gone, `409 AlreadyExists: object is being deleted: configmaps "d" already exists`},
		{"POST " + answerSpaces + "/held/configmaps", answerMap, `403 Forbidden: configmaps "a" is forbidden: unable to create new content in namespace held because it is being terminated`},
		{"POST " + answerSpaces + "/held/configmaps?dryRun=All", answerMap, `403 Forbidden: configmaps "a" is forbidden: unable to create new content in namespace held because it is being terminated`},
		{"POST " + reviewWidgets, `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"x"}}`, `403 Forbidden: widgets.example.com "x" is forbidden: create not allowed while custom resource definition is terminating`},
		{"PUT " + reviewWidgets + "/x", `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"x"}}`, `404 NotFound: widgets.example.com "x" not found`},
	} {
		r.refusesOne(row)
	}
}
