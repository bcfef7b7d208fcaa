package interop

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/kube-openapi/pkg/util/proto"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/yaml"
)

// TestOpenAPI2: the document in protobuf is for gnostic's decoder what the JSON is for its parser, both
// are what kube-openapi reads, and client-go has the models that kubectl checks objects by.
func TestOpenAPI2(t *testing.T) {
	s := start(t)
	config := s.config(t)
	definitions, err := apiextensions.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := definitions.ApiextensionsV1().CustomResourceDefinitions().Create(t.Context(), definition(t, "widgets.yaml"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	client := discovery.NewDiscoveryClientForConfigOrDie(config)
	got, err := client.OpenAPISchema()
	if err != nil {
		t.Fatal(err)
	}
	text, err := client.RESTClient().Get().AbsPath("/openapi/v2").SetHeader("Accept", jsonContent).Do(context.Background()).Raw()
	if err != nil {
		t.Fatal(err)
	}
	// Upstream makes its protobuf this way.
	want, err := openapi_v2.ParseDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	var swagger spec.Swagger
	if err := json.Unmarshal(text, &swagger); err != nil || len(swagger.Definitions) == 0 {
		t.Fatalf("%d definitions: %v", len(swagger.Definitions), err)
	}
	models, err := proto.NewOpenAPIData(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range models.ListModels() {
		if models.LookupModel(name) == nil {
			t.Errorf("no model of %s", name)
		}
	}
	if len(models.ListModels()) != len(swagger.Definitions) {
		t.Errorf("%d models of %d definitions", len(models.ListModels()), len(swagger.Definitions))
	}
	sameDocuments(t, got, want)
}

// sameDocuments compares path by path and definition by definition. Any JSON in them is text, which may
// be another YAML of the same.
func sameDocuments(t *testing.T, got, want *openapi_v2.Document) {
	t.Helper()
	compare := func(what string, got, want any) {
		if g, w := comparable(got), comparable(want); !reflect.DeepEqual(g, w) {
			a, _ := json.Marshal(g)
			b, _ := json.Marshal(w)
			t.Errorf("%s:\n got %.3000s\nwant %.3000s", what, a, b)
		}
	}
	paths, definitions := map[string]*openapi_v2.PathItem{}, map[string]*openapi_v2.Schema{}
	for _, p := range want.Paths.Path {
		paths[p.Name] = p.Value
	}
	for _, d := range want.Definitions.AdditionalProperties {
		definitions[d.Name] = d.Value
	}
	for _, p := range got.Paths.Path {
		compare(p.Name, p.Value, paths[p.Name])
	}
	for _, d := range got.Definitions.AdditionalProperties {
		compare(d.Name, d.Value, definitions[d.Name])
	}
	if len(got.Paths.Path) != len(paths) || len(got.Definitions.AdditionalProperties) != len(definitions) {
		t.Errorf("%d paths of %d, %d definitions of %d", len(got.Paths.Path), len(paths), len(got.Definitions.AdditionalProperties), len(definitions))
	}
	got.Paths, want.Paths, got.Definitions, want.Definitions = nil, nil, nil, nil
	compare("the rest", got, want)
}

// comparable returns a message as a tree, with the JSON of its texts of YAML.
func comparable(message any) any {
	text, _ := json.Marshal(message)
	var v any
	_ = json.Unmarshal(text, &v)
	return withoutYAML(v)
}

func withoutYAML(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if text, ok := v["yaml"].(string); ok {
			var parsed any
			if yaml.Unmarshal([]byte(text), &parsed) != nil {
				return text
			}
			return parsed
		}
		for key, e := range v {
			v[key] = withoutYAML(e)
		}
	case []any:
		for i, e := range v {
			v[i] = withoutYAML(e)
		}
	}
	return v
}
