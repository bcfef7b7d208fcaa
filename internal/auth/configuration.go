package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"apichain/internal/tree"
)

// An AuthenticationConfiguration is upstream's file about who may come (apiserver.config.k8s.io, v1 and its
// two predecessors). Its anonymous part is read:
//
//	apiVersion: apiserver.config.k8s.io/v1
//	kind: AuthenticationConfiguration
//	anonymous:
//	  enabled: true
//	  conditions:
//	  - path: /livez
//
// Issuers of tokens in its jwt part are refused: who lists them relies on them being asked.

// Anonymous says which requests without credentials pass.
type Anonymous struct {
	Enabled bool
	// Paths are the only ones where they do; empty: all.
	Paths []string
}

// ReadConfiguration reads the file. It returns nil where the file says nothing of anonymous requests. An
// error names the file.
func ReadConfiguration(file string) (*Anonymous, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	a, err := parseConfiguration(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return a, nil
}

// parseConfiguration is ReadConfiguration for the text of the file.
func parseConfiguration(text []byte) (*Anonymous, error) {
	var c struct {
		header
		JWT       []json.RawMessage `json:"jwt"`
		Anonymous *struct {
			Enabled    bool `json:"enabled"`
			Conditions []struct {
				Path string `json:"path"`
			} `json:"conditions"`
		} `json:"anonymous"`
	}
	if err := decodeStrictly(text, &c, &c.header, "AuthenticationConfiguration"); err != nil {
		return nil, err
	}
	switch {
	case len(c.JWT) > 0:
		return nil, errors.New("jwt: no token of another issuer is verified: leave it out, and use --token-auth-file or --client-ca-file")
	case c.Anonymous == nil:
		return nil, nil
	case !c.Anonymous.Enabled && len(c.Anonymous.Conditions) > 0:
		return nil, errors.New("anonymous.conditions: enabled should be set to true when conditions are defined")
	}
	a := &Anonymous{Enabled: c.Anonymous.Enabled}
	for _, condition := range c.Anonymous.Conditions {
		a.Paths = append(a.Paths, condition.Path)
	}
	return a, nil
}

// ReadModes reads an AuthorizationConfiguration, upstream's file about who decides. It returns the modes of its
// authorizers in their order, as ForModes takes them. Webhooks are refused: nobody would be asked. An error
// names the file.
func ReadModes(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	modes, err := parseModes(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return modes, nil
}

// parseModes is ReadModes for the text of the file.
func parseModes(text []byte) (modes []string, err error) {
	var c struct {
		header
		Authorizers []struct {
			Type    string          `json:"type"`
			Name    string          `json:"name"`
			Webhook json.RawMessage `json:"webhook"`
		} `json:"authorizers"`
	}
	if err := decodeStrictly(text, &c, &c.header, "AuthorizationConfiguration"); err != nil {
		return nil, err
	}
	if len(c.Authorizers) == 0 {
		return nil, errors.New("authorizers: at least one authorization mode must be defined")
	}
	for i, a := range c.Authorizers {
		at := fmt.Sprintf("authorizers[%d]", i)
		switch {
		case !slices.Contains([]string{ModeAlwaysAllow, ModeAlwaysDeny, ModeRBAC, ModeNode}, a.Type):
			return nil, fmt.Errorf("%s.type: %q is refused, since nobody would be asked", at, a.Type)
		case slices.Contains(modes, a.Type):
			return nil, fmt.Errorf("%s.type: Duplicate value: %q", at, a.Type)
		case a.Name == "":
			return nil, fmt.Errorf("%s.name: Required value", at)
		case len(a.Webhook) > 0:
			return nil, fmt.Errorf("%s.webhook: may only be specified when type=Webhook", at)
		}
		modes = append(modes, a.Type)
	}
	return modes, nil
}

// header says of which kind a file is.
type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// decodeStrictly reads YAML or JSON of a kind of apiserver.config.k8s.io into v, whose header is h. It refuses
// fields that v does not have, and those that stand twice, as upstream does: a condition that is misspelt
// would allow what it was to keep out.
func decodeStrictly(text []byte, v any, h *header, kind string) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("is empty")
	}
	obj, repeated, err := tree.ParseYAMLObject(text)
	if err != nil {
		return err
	}
	if len(repeated) > 0 {
		return fmt.Errorf("strict decoding error: %s", repeated[0])
	}
	again, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(again))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("strict decoding error: %w", err)
	}
	versions := []string{"apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"}
	if h.Kind != kind || !slices.Contains(versions, h.APIVersion) {
		return fmt.Errorf("kind %q of %q is no %s of %s", h.Kind, h.APIVersion, kind, versions[0])
	}
	return nil
}
