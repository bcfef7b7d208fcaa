package field

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"apichain/internal/tree"
)

// Where a webhook is and which versions of its questions it knows: what configurations of admission and
// definitions of custom resources have in common.

// maxWebhookText bounds the bytes of what is said of one webhook's path, which is shown with each of its
// segments that is wrong, and of its versions.
const maxWebhookText = 1 << 18

// WebhookErrors returns what is wrong with a client config at a path: it has a URL or a service.
func WebhookErrors(at string, config map[string]any) []Error {
	service, address := tree.Object(config, "service"), config["url"]
	switch {
	case (address == nil) == (service == nil):
		return []Error{Required(at, "exactly one of url or service is required")}
	case service == nil:
		return webhookURLErrors(at+".url", tree.Text(config, "url"))
	}
	return webhookServiceErrors(at+".service", service)
}

// webhookURLErrors returns what is wrong with the URL of a webhook.
func webhookURLErrors(at, text string) (errs []Error) {
	const form = "; desired format: https://host[/path]"
	u, err := url.Parse(text)
	if err != nil {
		return []Error{Required(at, "url must be a valid URL: "+err.Error()+form)}
	}
	if u.Scheme != "https" {
		errs = append(errs, Invalid(at, u.Scheme, "'https' is the only allowed URL scheme"+form))
	}
	if u.Host == "" {
		errs = append(errs, Invalid(at, "", "host must be specified"+form))
	}
	if u.User != nil {
		errs = append(errs, Invalid(at, u.User.String(), "user information is not permitted in the URL"))
	}
	if u.Fragment != "" {
		errs = append(errs, Invalid(at, u.Fragment, "fragments are not permitted in the URL"))
	}
	if u.RawQuery != "" {
		errs = append(errs, Invalid(at, u.RawQuery, "query parameters are not permitted in the URL"))
	}
	return errs
}

// webhookServiceErrors returns what is wrong with the service of a webhook, which has its default port.
func webhookServiceErrors(at string, service map[string]any) (errs []Error) {
	// Upstream hands the two over in the wrong order, and each is reported as the other.
	for _, f := range [...][2]string{{"namespace", "name"}, {"name", "namespace"}} {
		if tree.Text(service, f[0]) == "" {
			errs = append(errs, Required(at+"."+f[1], ""))
		}
	}
	if port, _ := service["port"].(int64); port < 1 || port > 65535 {
		errs = append(errs, Invalid(at+".port", port, "port is not valid: must be between 1 and 65535, inclusive"))
	}
	at += ".path"
	path := tree.Text(service, "path")
	switch path {
	case "", "/":
		return errs
	case "//":
		return append(errs, Invalid(at, path, "segment[0] may not be empty"))
	}
	if path[0] != '/' {
		errs = append(errs, Invalid(at, path, "must start with a '/'"))
	}
	// The first byte goes whatever it is (upstream).
	for i, step := range strings.Split(strings.TrimSuffix(path[1:], "/"), "/") {
		switch {
		case len(errs)*len(path) > maxWebhookText:
			return errs
		case step == "":
			errs = append(errs, Invalid(at, path, fmt.Sprintf("segment[%d] may not be empty", i)))
		default:
			for _, why := range DNSSubdomainErrors(step) {
				errs = append(errs, Invalid(at, path, fmt.Sprintf("segment[%d]: %s", i, why)))
			}
		}
	}
	return errs
}

// maxCompared is how many versions before it a version is compared with.
const maxCompared = 100

// ReviewVersionErrors returns what is wrong with the versions of a review that a webhook knows, of which
// there is one at least.
func ReviewVersionErrors(at string, given []any) (errs []Error) {
	versions := tree.Strings(given)
	for i, v := range versions {
		if i*len(at) > maxWebhookText { // nobody reads so many
			break
		}
		path := fmt.Sprintf("%s[%d]", at, i)
		// Bounded, or a long list would cost the square of its length.
		if slices.Contains(versions[:min(i, maxCompared)], v) {
			errs = append(errs, Invalid(path, v, "duplicate version"))
			continue
		}
		for _, why := range DNS1035LabelErrors(v) {
			errs = append(errs, Invalid(path, v, why))
		}
	}
	if !slices.Contains(versions, "v1") && !slices.Contains(versions, "v1beta1") {
		errs = append(errs, Invalid(at, given, "must include at least one of v1, v1beta1"))
	}
	return errs
}
