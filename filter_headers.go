package main

import (
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"

	"apichain/internal/flags"
)

// Filters that put header lines on answers: Audit-Id, Cache-Control, Strict-Transport-Security,
// the Connection: close that becomes GOAWAY in HTTP/2, and those of CORS.
//
// All of them set their lines on the way inward, before anybody answers, so that refusals carry
// them too and a handler may replace them. The answer of the time limit goes past the handler's
// header; it takes what must be on every answer from chain.outerHeader.

const cacheControlValue = "no-cache, private"

// auditInit shows the audit ID, which the exchange has from its beginning, to the
// handlers: they may hand it on, and one that sets another keeps it (upstream).
func auditInit() filter {
	return filter{brief: true, step: func(x *exchange, next handler) error {
		x.header["Audit-Id"] = x.auditID[:]
		x.because("the answer carries Audit-Id", "")
		return next(x)
	}}
}

// cacheControl forbids caches to keep answers, unless a handler says otherwise.
func cacheControl() filter {
	value := []string{cacheControlValue}
	return filter{brief: true, step: func(x *exchange, next handler) error {
		// All requests share the value. It has no room, so that a handler's Header().Add copies it.
		x.header["Cache-Control"] = value[:1:1]
		x.because("the answer forbids caches to keep it", "")
		return next(x)
	}}
}

// hstsOptions are the directives of the header; none: no header.
type hstsOptions struct{ directives []string }

func (o *hstsOptions) Register(f *flags.Set) {
	f.In("serving")
	f.List(&o.directives, "strict-transport-security-directives", nil,
		"directives of the Strict-Transport-Security header of the TLS listener: max-age=N, includeSubDomains, preload; none: no header")
}

var hstsDirective = regexp.MustCompile(`^(max-age=[0-9]+|includeSubDomains|preload)$`)

func (o *hstsOptions) Check(p *flags.Problems) {
	for _, d := range o.directives {
		p.When(!hstsDirective.MatchString(d), "strict-transport-security-directives",
			"%q is not one of max-age=N, includeSubDomains, preload", d)
	}
}

// value returns the header's value, "" for no header.
func (o *hstsOptions) value() string { return strings.Join(o.directives, "; ") }

// hsts tells browsers to come by TLS only (RFC 6797).
func hsts(p *program) filter {
	f := filter{brief: true, flags: []string{"strict-transport-security-directives"}}
	if p.opt.hsts.value() == "" {
		f.off = "no directive is given"
		return f
	}
	value := []string{p.opt.hsts.value()}
	f.step = func(x *exchange, next handler) error {
		x.header["Strict-Transport-Security"] = value[:1:1]
		x.because("the answer tells browsers to come by TLS only", "strict-transport-security-directives")
		return next(x)
	}
	return f
}

// goawayOptions are the part of requests, from 0 to 0.02, whose connection is ended.
type goawayOptions struct{ chance float64 }

func (o *goawayOptions) Register(f *flags.Set) {
	f.In("serving")
	f.Float(&o.chance, "goaway-chance", 0,
		"part of HTTP/2 requests (0 to 0.02) after which the client is told to connect anew, which spreads clients over servers")
}

func (o *goawayOptions) Check(p *flags.Problems) {
	// This way round, because NaN is neither.
	p.When(!(o.chance >= 0 && o.chance <= 0.02), "goaway-chance", "must be from 0 to 0.02, is %v", o.chance)
}

// goaway ends an HTTP/2 connection now and then: net/http turns Connection: close into
// GOAWAY, and requests under way end as usual.
func goaway(p *program) filter {
	f := filter{brief: true, flags: []string{"goaway-chance"}}
	chance := p.opt.goaway.chance
	switch {
	case p.opt.listen.disableHTTP2:
		f.off = "HTTP/2 is switched off"
		return f
	case chance == 0:
		f.off = "the chance is 0"
		return f
	}
	f.step = func(x *exchange, next handler) error {
		x.because("only HTTP/2 connections are told to connect anew, and this is HTTP/1.1", "goaway-chance")
		if x.req.ProtoMajor == 2 && rand.Float64() < chance {
			x.header["Connection"] = []string{"close"}
		}
		return next(x)
	}
	return f
}

// corsOptions are the origins whose pages may use the server, as regular expressions. check
// compiles them.
type corsOptions struct {
	origins  []string
	compiled originPatterns
}

func (o *corsOptions) Register(f *flags.Set) {
	f.In("serving")
	f.List(&o.origins, "cors-allowed-origins", nil, "regular expressions of origins whose pages may use the server; each must hold "+
		"^ or //, which pins where the host begins, and $ or :, which pins where it ends, as in //example\\.com(:|$)")
}

// Check refuses patterns that are not pinned at both ends, as upstream does: example\.com would
// allow https://example.com.evil.org too. The marks count wherever they stand, since they may be in
// a group; whether they pin is up to who writes the pattern.
func (o *corsOptions) Check(p *flags.Problems) {
	o.compiled = nil
	for _, s := range o.origins {
		re, err := regexp.Compile(s)
		if err != nil {
			p.Add("cors-allowed-origins", "%q is not a regular expression: %v", s, err)
			continue
		}
		if !strings.Contains(s, "^") && !strings.Contains(s, "//") || !strings.ContainsAny(s, "$:") {
			p.Add("cors-allowed-origins", "%q must hold ^ or //, and $ or :, else it allows origins that only contain it", s)
			continue
		}
		o.compiled = append(o.compiled, re)
	}
}

// originPatterns are the allowed origins; none allow nobody.
type originPatterns []*regexp.Regexp

// match reports whether any of them allows the origin.
func (ps originPatterns) match(origin string) bool {
	for _, p := range ps {
		if p.MatchString(origin) {
			return true
		}
	}
	return false
}

// The header lines of upstream's CORS answers, to the letter.
const (
	corsMethods = "POST, GET, OPTIONS, PUT, DELETE, PATCH"
	corsHeaders = "Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since"
)

// cors lets pages of allowed origins use the server. A preflight is answered here,
// before authentication; other origins get no CORS header and pass on (upstream).
func cors(p *program) filter {
	f := filter{flags: []string{"cors-allowed-origins"}}
	patterns := p.opt.cors.compiled
	if len(patterns) == 0 {
		f.off = "no origin is allowed"
		return f
	}
	f.step = func(x *exchange, next handler) error {
		origin := x.req.Header.Get("Origin")
		if origin == "" {
			x.because("it names no Origin", "")
			return next(x)
		}
		// Not refused: it is the browser that keeps the answer from the page.
		if !patterns.match(origin) {
			x.because("the Origin is not allowed: the answer carries no CORS header", "cors-allowed-origins")
			return next(x)
		}
		h := x.header
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Expose-Headers", "Date")
		h.Set("Access-Control-Allow-Credentials", "true")
		// Every OPTIONS with an allowed Origin is taken for a preflight: no resource has the method.
		if x.req.Method == http.MethodOptions {
			x.because("a preflight of an allowed Origin is answered here", "cors-allowed-origins")
			x.WriteHeader(http.StatusNoContent)
			return nil
		}
		x.because("the Origin is allowed: the answer carries CORS headers", "cors-allowed-origins")
		return next(x)
	}
	return f
}
