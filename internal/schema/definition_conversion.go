package schema

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The check of spec.conversion: how objects of one version become objects of another. A webhook is
// checked as upstream checks it, down to the certificates it is to be trusted by, and not called.
// The paths are those of the older form, which has no field "webhook" between:
//
//	spec.conversion.webhook.clientConfig.service.port    is    spec.conversion.webhookClientConfig.service.port

// conversion checks spec.conversion. old is the whole CRD that is replaced, nil on create.
func (c *crdCheck) conversion(old map[string]any) {
	p, conversion := specPath("conversion"), tree.Object(c.spec, "conversion")
	if conversion == nil {
		return
	}
	strategy := tree.Text(conversion, "strategy")
	if strategy != "None" && c.preservesAll() {
		c.invalid(p.Child("strategy"), strategy, "must be None if spec.preserveUnknownFields is true")
	}
	switch strategy {
	case "":
		c.required(p.Child("strategy"), "")
	case "None":
	case "Webhook":
		c.clientConfig(p.Child("webhookClientConfig"), tree.Object(conversion, "webhook", "clientConfig"), old)
		c.reviewVersions(p.Child("conversionReviewVersions"), tree.List(conversion, "webhook", "conversionReviewVersions"))
		return
	default:
		c.notSupported(p.Child("strategy"), strategy, "None", "Webhook")
	}
	const unwanted = "should not be set when strategy is not set to Webhook"
	if tree.At(conversion, "webhook", "clientConfig") != nil {
		c.forbidden(p.Child("webhookClientConfig"), unwanted)
	}
	if len(tree.List(conversion, "webhook", "conversionReviewVersions")) > 0 {
		c.forbidden(p.Child("conversionReviewVersions"), unwanted)
	}
}

// clientConfig checks where a webhook is: at a URL, or behind a service.
func (c *crdCheck) clientConfig(p *field.Path, config, old map[string]any) {
	if config == nil {
		c.required(p, "required when strategy is set to Webhook")
		return
	}
	switch service, address := tree.Object(config, "service"), config["url"]; {
	case (address == nil) == (service == nil):
		c.required(p, "exactly one of url or service is required")
	case service == nil:
		c.webhookURL(p.Child("url"), tree.Text(config, "url"))
	default:
		c.webhookService(p.Child("service"), service)
	}
	// Certificates that could not be read were accepted before upstream looked at them, and still are
	// until the CRD is established.
	if isEstablished(old) && caProblem(old) == nil {
		if err := caProblem(map[string]any{"spec": c.spec}); err != nil {
			c.invalid(p.Child("caBundle"), config["caBundle"], err.Error())
		}
	}
}

// webhookURL checks the URL of a webhook.
func (c *crdCheck) webhookURL(p *field.Path, text string) {
	const form = "; desired format: https://host[/path]"
	u, err := url.Parse(text)
	if err != nil {
		c.required(p, "url must be a valid URL: "+err.Error()+form)
		return
	}
	if u.Scheme != "https" {
		c.invalid(p, u.Scheme, "'https' is the only allowed URL scheme"+form)
	}
	if u.Host == "" {
		c.invalid(p, "", "host must be specified"+form)
	}
	if u.User != nil {
		c.invalid(p, u.User.String(), "user information is not permitted in the URL")
	}
	if u.Fragment != "" {
		c.invalid(p, u.Fragment, "fragments are not permitted in the URL")
	}
	if u.RawQuery != "" {
		c.invalid(p, u.RawQuery, "query parameters are not permitted in the URL")
	}
}

// webhookService checks the service of a webhook, which has its default port.
func (c *crdCheck) webhookService(p *field.Path, service map[string]any) {
	// Upstream hands the two over in the wrong order, and each is reported as the other.
	for _, f := range [][2]string{{"namespace", "name"}, {"name", "namespace"}} {
		if tree.Text(service, f[0]) == "" {
			c.required(p.Child(f[1]), "")
		}
	}
	if port, _ := service["port"].(int64); port < 1 || port > 65535 {
		c.invalid(p.Child("port"), port, "port is not valid: must be between 1 and 65535, inclusive")
	}
	p, path := p.Child("path"), tree.Text(service, "path")
	switch path {
	case "", "/":
		return
	case "//":
		c.invalid(p, path, "segment[0] may not be empty")
		return
	}
	if path[0] != '/' {
		c.invalid(p, path, "must start with a '/'")
	}
	// The first byte goes whatever it is (upstream).
	for i, step := range strings.Split(strings.TrimSuffix(path[1:], "/"), "/") {
		if c.full() {
			return
		}
		if step == "" {
			c.invalid(p, path, fmt.Sprintf("segment[%d] may not be empty", i))
			continue
		}
		for _, words := range field.DNSSubdomainErrors(step) {
			c.invalid(p, path, fmt.Sprintf("segment[%d]: %s", i, words))
		}
	}
}

// maxCompared is how many review versions before it a version is compared with.
const maxCompared = 100

// reviewVersions checks which versions of ConversionReview a webhook understands.
func (c *crdCheck) reviewVersions(p *field.Path, given []any) {
	versions := tree.Strings(given)
	if len(versions) == 0 {
		c.required(p, "")
		return
	}
	for i, v := range versions {
		// Bounded, or a long list would cost the square of its length.
		if slices.Contains(versions[:min(i, maxCompared)], v) {
			c.invalid(p.Index(i), v, "duplicate version")
		} else {
			for _, words := range field.DNS1035LabelErrors(v) {
				c.invalid(p.Index(i), v, words)
			}
		}
	}
	if !slices.Contains(versions, "v1") && !slices.Contains(versions, "v1beta1") {
		c.invalid(p, given, "must include at least one of v1, v1beta1")
	}
}

// caBundle returns the certificates of a webhook. What is no base64 is refused when the CRD is read.
func caBundle(config map[string]any) []byte {
	b, _ := base64.StdEncoding.DecodeString(tree.Text(config, "caBundle"))
	return b
}

// caProblem returns why the certificates of a CRD's webhook cannot be used, in upstream's words; nil
// if they can, or there are none.
func caProblem(crd map[string]any) error {
	rest := caBundle(tree.Object(crd, "spec", "conversion", "webhook", "clientConfig"))
	if len(rest) == 0 || x509.NewCertPool().AppendCertsFromPEM(rest) {
		return nil
	}
	// One good certificate would have been enough, so the first bad one is the reason.
	why := errors.New("no valid certificate authority data seen")
	for len(rest) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			why = errors.New("unable to parse bytes as PEM block")
			break
		}
		if block.Type != "CERTIFICATE" || len(block.Headers) != 0 {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			why = fmt.Errorf("failed to parse certificate: %w", err)
			break
		}
	}
	return fmt.Errorf("unable to load root certificates: %w", why)
}
