package strategy

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestWarnings: what a good object is warned of, in upstream's words.
func TestWarnings(t *testing.T) {
	secret := func(typ string) map[string]any {
		return objectForTest(t, `{"type":"`+typ+`","data":{"tls.crt":"`+base64.StdEncoding.EncodeToString([]byte("none"))+`"}}`)
	}
	if got := secretWarnings(secret("kubernetes.io/tls"), nil); len(got) != 1 || got[0] != "tls: failed to find any PEM data in certificate input" {
		t.Errorf("%q", got)
	}
	if got := secretWarnings(secret("Opaque"), nil); got != nil {
		t.Errorf("%q", got)
	}
	names, addresses := objectForTest(t, `{"addressType":"FQDN"}`), objectForTest(t, `{"addressType":"IPv4"}`)
	if got := sliceWarnings(names, nil); len(got) != 1 || got[0] != "spec.addressType: FQDN endpoints are deprecated" {
		t.Errorf("%q", got)
	}
	if got := append(sliceWarnings(names, names), sliceWarnings(addresses, nil)...); got != nil {
		t.Errorf("%q", got)
	}
	set := objectForTest(t, `{"metadata":{"annotations":{"kubernetes.io/enforce-mountable-secrets":"false"}}}`)
	if got := accountWarnings(set, nil); len(got) != 1 || !strings.HasPrefix(got[0], "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+") {
		t.Errorf("%q", got)
	}
	if got := append(accountWarnings(set, set), accountWarnings(map[string]any{}, nil)...); got != nil {
		t.Errorf("%q", got)
	}
}
