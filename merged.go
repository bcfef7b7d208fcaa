package main

import (
	"context"
	"net/http"

	"apichain/internal/aggregation"
	"apichain/internal/discovery"
)

// Discovery and OpenAPI of the whole: the catalog shows what the chain has, and what the servers behind it say that they
// have (internal/aggregation), which hooks with upstream's names ask for.

// installOpenAPI puts the documents of OpenAPI on the outermost server, once the servers behind it have had the chance to
// take these paths, as upstream has it.
func (p *program) installOpenAPI(s *Server) {
	_ = s.Handle(discovery.OpenAPIRoot, http.HandlerFunc(p.catalog.ServeOpenAPIIndex))
	_ = s.Handle(discovery.OpenAPI2Path, http.HandlerFunc(p.catalog.ServeOpenAPI2))
	_ = s.HandlePrefix(discovery.OpenAPIRoot+"/", http.HandlerFunc(p.catalog.ServeOpenAPI))
}

// addMerger adds the hooks that begin to ask other servers what they have. Discovery has been asked once of each when
// its hook ends, also of those whose APIServices are not there before made is closed, so that a server which is ready lists
// all that can be had.
func (p *program) addMerger(s *Server, made <-chan struct{}) {
	m := aggregation.NewMerger(p.aggregation, &p.catalog, func(r *aggregation.Remote) http.Handler { return hop{r} }, p.log)
	for _, hook := range []struct {
		name     string
		follower *aggregation.Follower
		isAsked  bool
	}{
		{"apiservice-discovery-controller", &m.Discovery, true},
		{"apiservice-openapi-controller", &m.OpenAPI2, false},
		{"apiservice-openapiv3-controller", &m.OpenAPI3, false},
	} {
		_ = s.AddPostStartHook(hook.name, func(ctx context.Context) error {
			if hook.isAsked {
				select {
				case <-made:
				case <-ctx.Done():
					return nil
				}
			}
			tried := make(chan struct{})
			p.owned.Go(func() { hook.follower.Run(p.background, func() { close(tried) }) })
			if hook.isAsked {
				select {
				case <-tried:
				case <-ctx.Done():
				}
			}
			return nil
		})
	}
}
