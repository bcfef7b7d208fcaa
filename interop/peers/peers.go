// Package peers is what apichain is measured beside: the same small services built with
// other servers and routers.
package peers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/emicklei/go-restful/v3"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/tracing"
)

// Token is the bearer token that the chains take.
const Token = "admin-token"

// KubeChain is kube-apiserver's whole default filter chain around h, with one token and
// everything allowed, without priority and fairness and without audit.
func KubeChain(h http.Handler) http.Handler {
	c := server.NewConfig(serializer.NewCodecFactory(runtime.NewScheme()))
	tokens := tokenfile.New(map[string]*user.DefaultInfo{Token: {Name: "admin", UID: "1", Groups: []string{"system:masters"}}})
	c.Authentication.Authenticator = group.NewAuthenticatedGroupAdder(bearertoken.New(authenticator.Token(tokens)))
	c.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
	c.RequestInfoResolver = server.NewRequestInfoResolver(c)
	c.FlowControl = nil
	c.FeatureGate = feature.DefaultFeatureGate
	c.TracerProvider = tracing.NewNoopTracerProvider()
	return server.DefaultBuildHandlerChain(h, c)
}

// ChiChain is chi with four middlewares that do a part of the same work.
func ChiChain(h http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.RequestID, middleware.Recoverer, middleware.Timeout(time.Minute), middleware.NoCache)
	r.Handle("/bench", h)
	return r
}

// MuxChain is http.ServeMux behind a token check and a time limit in the context.
func MuxChain(h http.Handler) http.Handler {
	m := http.NewServeMux()
	m.Handle("/bench", h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+Token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		m.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Pattern and Path are the i-th route of the routing benchmarks, and a request for it.
func Pattern(i int) string {
	return fmt.Sprintf("/apis/g%d.example.com/v1/namespaces/{ns}/things/{name}", i)
}

// Path is a request for the i-th route.
func Path(i int) string {
	return fmt.Sprintf("/apis/g%d.example.com/v1/namespaces/default/things/one", i)
}

// Chi routes n patterns.
func Chi(n int, h http.HandlerFunc) http.Handler {
	r := chi.NewRouter()
	for i := range n {
		r.Get(Pattern(i), h)
	}
	return r
}

// Restful routes n patterns, a web service for each group, as the API server has them.
func Restful(n int, h http.HandlerFunc) http.Handler {
	c := restful.NewContainer()
	for i := range n {
		ws := new(restful.WebService).Path(fmt.Sprintf("/apis/g%d.example.com/v1", i))
		ws.Route(ws.GET("/namespaces/{ns}/things/{name}").To(func(req *restful.Request, resp *restful.Response) { h(resp.ResponseWriter, req.Request) }))
		c.Add(ws)
	}
	return c
}

// Mux routes n patterns.
func Mux(n int, h http.HandlerFunc) http.Handler {
	m := http.NewServeMux()
	for i := range n {
		m.HandleFunc("GET "+Pattern(i), h)
	}
	return m
}
