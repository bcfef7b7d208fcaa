package schema

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

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
	for _, e := range field.WebhookErrors(p.String(), config) {
		c.add(e)
	}
	// Certificates that could not be read were accepted before upstream looked at them, and still are
	// until the CRD is established.
	if isEstablished(old) && caProblem(old) == nil {
		if err := caProblem(map[string]any{"spec": c.spec}); err != nil {
			c.invalid(p.Child("caBundle"), config["caBundle"], err.Error())
		}
	}
}

// reviewVersions checks which versions of ConversionReview a webhook understands.
func (c *crdCheck) reviewVersions(p *field.Path, given []any) {
	if len(given) == 0 {
		c.required(p, "")
		return
	}
	for _, e := range field.ReviewVersionErrors(p.String(), given) {
		c.add(e)
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
