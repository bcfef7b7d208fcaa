package expression

import (
	"strings"
	"testing"
)

// TestCompileDevice: expressions of upstream's k8s.io/dynamic-resource-allocation/cel/compile_test.go, as they are with the features that
// are on in v1.37.2, compile or say why not.
func TestCompileDevice(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{`true`, `true`, ``},
		{`false`, `false`, ``},
		{`syntax-error`, `?!`, `Syntax error`},
		{`type-error`, `1`, `must evaluate to bool or the unknown type, not int`},
		{`runtime-error-lookup-identifier`, `device.attributes["no-such-domain"].noSuchAttr.isGreaterThan(quantity("0"))`, ``},
		{`runtime-error-lookup-map`, `device.attributes["no-such-domain"]["noSuchAttr"].isGreaterThan(quantity("0"))`, ``},
		{`domain-check-negative`, `"no-such-domain" in device.attributes`, ``},
		{`domain-check-positive`, `"dra.example.com" in device.attributes`, ``},
		{`empty-driver-name`, `device.driver == ""`, ``},
		{`real-driver-name`, `device.driver == "dra.example.com"`, ``},
		{`driver-name-qualifier`, `device.attributes["dra.example.com"].name`, ``},
		{`driver-name-qualifier-map-lookup`, `device.attributes["dra.example.com"]["name"]`, ``},
		{`bind`, `cel.bind(dra, device.attributes["dra.example.com"], dra.name)`, ``},
		{`qualified-attribute-name`, `device.attributes["other.example.com"].name`, ``},
		{`bool`, `device.attributes["dra.example.com"].name`, ``},
		{`int`, `device.attributes["dra.example.com"].name > 0`, ``},
		{`string`, `device.attributes["dra.example.com"].name == "fish"`, ``},
		{`macro-compilation-error-new-expressions`, `device.attributes["dra.example.com"].ids.exists(id, id == 1)`, `compilation failed`},
		{`list-result-type-causes-match-error`, `device.attributes["dra.example.com"].names`, ``},
		{`list-of-bool`, `device.attributes["dra.example.com"].names.size() == 2`, ``},
		{`list-of-int`, `device.attributes["dra.example.com"].names.size() == 2`, ``},
		{`list-of-string`, `device.attributes["dra.example.com"].names.size() == 2`, ``},
		{`list-of-semver`, `device.attributes["dra.example.com"].names.size() == 2`, ``},
		{`includes-function-compilation-error`, `device.attributes["dra.example.com"].attr.includes("fish")`, `undeclared reference to 'includes'`},
		{`in-operator-on-list`, `1 in device.attributes["dra.example.com"].names`, ``},
		{`version`, `device.attributes["dra.example.com"].name.isGreaterThan(semver("0.0.1"))`, ``},
		{`version_v`, `device.attributes["dra.example.com"].name.isGreaterThan(semver("v0.0.1", true)) && isSemver("v1.0.0", true)`, ``},
		{`quantity`, `device.capacity["dra.example.com"].name.isGreaterThan(quantity("1Ki"))`, ``},
		{`check-positive`, `"name" in device.capacity["dra.example.com"] && device.capacity["dra.example.com"].name.isGreaterThan(quantity("1Ki"))`, ``},
		{`check-negative`, `!("name" in device.capacity["dra.example.com"]) || device.capacity["dra.example.com"].name.isGreaterThan(quantity("1Ki"))`, ``},
		{`all`, `
device.capacity["dra.example.com"].quantity.isGreaterThan(quantity("1Ki")) &&
device.attributes["dra.example.com"].bool &&
device.attributes["dra.example.com"].int > 0 &&
device.attributes["dra.example.com"].string == "fish" &&
device.attributes["dra.example.com"].version.isGreaterThan(semver("0.0.1")) &&
device.capacity["dra.example.com"]["quantity"].isGreaterThan(quantity("1Ki")) &&
device.attributes["dra.example.com"]["bool"] &&
device.attributes["dra.example.com"]["int"] > 0 &&
device.attributes["dra.example.com"]["string"] == "fish" &&
device.attributes["dra.example.com"]["version"].isGreaterThan(semver("0.0.1"))
`, ``},
		{`many`, `device.attributes["dra.example.com"].a && device.attributes["dra.example.com"].b && device.attributes["dra.example.com"].c`, ``},
		{`check_attribute_domains`, `device.attributes.exists_one(x, x == "dra.example.com")`, ``},
		{`check_attribute_ids`, `device.attributes["dra.example.com"].exists_one(x, x == "services")`, ``},
		{`split_attribute`, `device.attributes["dra.example.com"].services.split("example").size() >= 2`, ``},
		{`regexp_attribute`, `device.attributes["dra.example.com"].services.matches("[^a]?sym")`, ``},
		{`check_capacity_domains`, `device.capacity.exists_one(x, x == "dra.example.com")`, ``},
		{`check_capacity_ids`, `device.capacity["dra.example.com"].exists_one(x, x == "memory")`, ``},
		{`expensive`, `[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(x, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(y, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(z, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(z2, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(z3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(z4, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(z5, int('1'.find('[0-9]*')) < 100)))))))`, ``},
		{`allow_multiple_allocations`, `device.allowMultipleAllocations == true`, ``},
		{`allow_multiple_allocations_default`, `device.allowMultipleAllocations == false`, ``},
		{`allow_multiple_allocations_false`, `device.allowMultipleAllocations == false`, ``},
		{`allow_multiple_allocations_new`, `device.allowMultipleAllocations == false`, ``},
		{`allow_multiple_allocations_enabled`, `device.allowMultipleAllocations == false`, ``},
	} {
		fault, cost := CompileDevice(c.text)
		switch {
		case c.want == "" && fault != nil:
			t.Errorf("%s: %s", c.name, fault.Detail)
		case c.want != "" && (fault == nil || !strings.Contains(fault.Detail, c.want)):
			t.Errorf("%s: %v, want %s", c.name, fault, c.want)
		case fault == nil && cost == 0 && c.text != "true" && c.text != "false":
			t.Errorf("%s costs nothing", c.name)
		}
	}
}

// TestDeviceCost: what may cost too much has a cost above the limit, and what sizes bound has not.
func TestDeviceCost(t *testing.T) {
	for text, dear := range map[string]bool{
		`device.attributes["d"].model == "a"`: false,
		`device.attributes.all(d, device.attributes[d].all(a, device.attributes.all(e, device.attributes[e].all(b, a == b))))`: true,
	} {
		if fault, cost := CompileDevice(text); fault != nil || (cost > DeviceBudget) != dear {
			t.Errorf("%s: %v, %d", text, fault, cost)
		}
	}
}
