package expression

import "apichain/internal/cel"

// The types of what expressions may name, with upstream's names and fields. They count when an expression is compiled: the values are
// what they are, so that a time is a string (upstream).

// object returns the type of objects that have the fields given, in pairs of a name and a type.
func object(name string, pairs ...any) *cel.Type {
	t := &cel.Type{Kind: cel.Object, Name: "kubernetes." + name, Fields: map[string]*cel.Field{}, Max: cel.Unbounded}
	for i := 0; i < len(pairs); i += 2 {
		key, typ := pairs[i].(string), pairs[i+1].(*cel.Type)
		t.Fields[key] = &cel.Field{Type: typ, Key: key}
	}
	return t
}

// texts returns the type of objects whose fields are strings.
func texts(name string, fields ...string) *cel.Type {
	t := object(name)
	for _, f := range fields {
		t.Fields[f] = &cel.Field{Type: cel.StringType, Key: f}
	}
	return t
}

// requestType returns the type of request.
func requestType() *cel.Type {
	kind := texts("GroupVersionKind", "group", "version", "kind")
	resource := texts("GroupVersionResource", "group", "version", "resource")
	user := texts("UserInfo", "username", "uid")
	user.Fields["groups"] = &cel.Field{Type: cel.ListOf(cel.StringType), Key: "groups"}
	user.Fields["extra"] = &cel.Field{Type: cel.MapOf(cel.StringType, cel.ListOf(cel.StringType)), Key: "extra"}
	return object("AdmissionRequest", "kind", kind, "resource", resource, "subResource", cel.StringType, "requestKind", kind,
		"requestResource", resource, "requestSubResource", cel.StringType, "name", cel.StringType, "namespace", cel.StringType,
		"operation", cel.StringType, "userInfo", user, "dryRun", cel.BoolType, "options", cel.DynType)
}

// namespaceType returns the type of namespaceObject. Its uid is called as upstream calls it, under which name there is nothing.
func namespaceType() *cel.Type {
	words := cel.MapOf(cel.StringType, cel.StringType)
	metadata := object("NamespaceMetadata", "name", cel.StringType, "generateName", cel.StringType, "namespace", cel.StringType,
		"labels", words, "annotations", words, "UID", cel.StringType, "creationTimestamp", cel.TimestampType,
		"deletionGracePeriodSeconds", cel.IntType, "deletionTimestamp", cel.TimestampType, "generation", cel.IntType,
		"resourceVersion", cel.StringType, "finalizers", cel.ListOf(cel.StringType))
	condition := object("NamespaceCondition", "status", cel.StringType, "type", cel.StringType, "lastTransitionTime", cel.TimestampType,
		"message", cel.StringType, "reason", cel.StringType)
	return object("Namespace", "metadata", metadata, "spec", object("NamespaceSpec", "finalizers", cel.ListOf(cel.StringType)),
		"status", object("NamespaceStatus", "conditions", cel.ListOf(condition), "phase", cel.StringType))
}

// ConfigurationResult and PatchResult are what the two sorts of mutations evaluate to.
var (
	ConfigurationResult = cel.ObjectOf("Object")
	PatchResult         = cel.ListOf(cel.ObjectOf("JSONPatch"))
)

// patchTypes returns the types that mutations build: Object and everything below it, and JSONPatch.
func patchTypes() []*cel.Type {
	patch := &cel.Type{Kind: cel.Object, Name: "JSONPatch", Fields: map[string]*cel.Field{}, Max: cel.Unbounded}
	for name, t := range map[string]*cel.Type{"op": cel.StringType, "path": cel.StringType, "from": cel.StringType, "value": cel.DynType} {
		patch.Fields[name] = &cel.Field{Type: t, Key: name}
	}
	return []*cel.Type{patch, {Kind: cel.Object, Name: "Object", Open: true, Max: cel.Unbounded}}
}
