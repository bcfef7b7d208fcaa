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

// parseConfiguration is ReadConfiguration for the text of the file, in YAML or JSON.
func parseConfiguration(text []byte) (*Anonymous, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("is empty")
	}
	obj, repeated, err := tree.ParseYAMLObject(text)
	if err != nil {
		return nil, err
	}
	if len(repeated) > 0 {
		return nil, fmt.Errorf("strict decoding error: %s", repeated[0])
	}
	var c struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		JWT        []json.RawMessage `json:"jwt"`
		Anonymous  *struct {
			Enabled    bool `json:"enabled"`
			Conditions []struct {
				Path string `json:"path"`
			} `json:"conditions"`
		} `json:"anonymous"`
	}
	again, err := json.Marshal(obj)
	if err != nil {
		return nil, err
	}
	// Strict, as upstream is: a condition that is misspelt would open every path.
	d := json.NewDecoder(bytes.NewReader(again))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("strict decoding error: %w", err)
	}
	versions := []string{"apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"}
	if c.Kind != "AuthenticationConfiguration" || !slices.Contains(versions, c.APIVersion) {
		return nil, fmt.Errorf("kind %q of %q is no AuthenticationConfiguration of %s", c.Kind, c.APIVersion, versions[0])
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
