package strategy

import (
	"fmt"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Profiles that bound what a container's processes may do, and whom they run as on Windows.

// checkSeccompProfile is the rule of type SeccompProfile: a file of the node goes with type Localhost.
func checkSeccompProfile(v *kinds.Visit) {
	path, has := v.Obj["localhostProfile"].(string)
	switch local := v.Obj["type"] == "Localhost"; {
	case local && !has:
		v.Add(field.Required(v.Path("localhostProfile"), "must be set when seccomp type is Localhost"))
	case local:
		for _, why := range descendingErrors(path) {
			v.Add(field.Invalid(v.Path("localhostProfile"), path, why))
		}
	case has:
		v.Add(field.Invalid(v.Path("localhostProfile"), v.Obj, "can only be set when seccomp type is Localhost"))
	}
	checkProfileType(v, "type is required when seccompProfile is set")
}

// checkAppArmorProfile is the rule of type AppArmorProfile: the name of a loaded profile goes with type Localhost.
func checkAppArmorProfile(v *kinds.Visit) {
	checkProfileType(v, "type is required when appArmorProfile is set")
	name, has := v.Obj["localhostProfile"].(string)
	switch v.Obj["type"] {
	case "Localhost":
		const why = "must be set when AppArmor type is Localhost"
		switch trimmed := strings.TrimSpace(name); {
		case !has:
			v.Add(field.Required(v.Path("localhostProfile"), why))
		case trimmed != name:
			v.Add(field.Invalid(v.Path("localhostProfile"), name, "must not be padded with whitespace"))
		case name == "":
			v.Add(field.Required(v.Path("localhostProfile"), why))
		}
		if len(name) > 4095 {
			v.Add(field.TooLong(v.Path("localhostProfile"), 4095))
		}
	case "RuntimeDefault", "Unconfined":
		if has {
			v.Add(field.Invalid(v.Path("localhostProfile"), name, "can only be set when AppArmor type is Localhost"))
		}
	}
}

// checkProfileType checks the type of a profile of either sort.
func checkProfileType(v *kinds.Visit, required string) {
	switch t := tree.Text(v.Obj, "type"); t {
	case "Localhost", "RuntimeDefault", "Unconfined":
	case "":
		v.Add(field.Required(v.Path("type"), required))
	default:
		v.Add(field.NotSupported(v.Path("type"), t, "Localhost", "RuntimeDefault", "Unconfined"))
	}
}

// Limits of what Windows takes.
const (
	maxCredentialSpec = 64 << 10
	maxUserDomain     = 256
	maxUserName       = 104
)

// checkWindowsOptions is the rule of type WindowsSecurityContextOptions.
func checkWindowsOptions(v *kinds.Visit) {
	if name, ok := v.Obj["gmsaCredentialSpecName"].(string); ok {
		for _, why := range field.DNSSubdomainErrors(name) {
			v.Add(field.Invalid(v.Path("gmsaCredentialSpecName"), name, why))
		}
	}
	if spec, ok := v.Obj["gmsaCredentialSpec"].(string); ok {
		if spec == "" {
			v.Add(field.Invalid(v.Path("gmsaCredentialSpec"), spec, "gmsaCredentialSpec cannot be an empty string"))
		} else if len(spec) > maxCredentialSpec {
			v.Add(field.Invalid(v.Path("gmsaCredentialSpec"), spec, "gmsaCredentialSpec size must be under 64 KiB"))
		}
	}
	if name, ok := v.Obj["runAsUserName"].(string); ok {
		for _, why := range windowsUserErrors(name) {
			v.Add(field.Invalid(v.Path("runAsUserName"), name, why))
		}
	}
}

// windowsUserErrors returns what is wrong with the name of a Windows user, which may have a domain in front.
func windowsUserErrors(s string) (errs []string) {
	domain, user, domained := strings.Cut(s, "\\")
	if !domained {
		domain, user = "", s
	}
	switch {
	case s == "":
		return []string{"runAsUserName cannot be an empty string"}
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return []string{"runAsUserName cannot contain control characters"}
	case strings.Contains(user, "\\"):
		return []string{"runAsUserName cannot contain more than one backslash"}
	}
	if len(domain) >= maxUserDomain {
		errs = append(errs, fmt.Sprintf("runAsUserName's Domain length must be under %d characters", maxUserDomain))
	}
	if domained && !isNetBIOS(domain) && !isWindowsDomain(domain) {
		errs = append(errs, "runAsUserName's Domain doesn't match the NetBios nor the DNS format")
	}
	if user == "" {
		errs = append(errs, "runAsUserName's User cannot be empty")
	} else if len(user) > maxUserName {
		errs = append(errs, fmt.Sprintf("runAsUserName's User length must not be longer than %d characters", maxUserName))
	}
	if user != "" && strings.Trim(user, ". ") == "" {
		errs = append(errs, "runAsUserName's User cannot contain only periods or spaces")
	}
	if strings.ContainsAny(user, `"/\:;|=,+*?<>@[]`) {
		errs = append(errs, `runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`)
	}
	return errs
}

// isNetBIOS reports whether s is a domain of the older sort: up to fifteen characters but a few.
func isNetBIOS(s string) bool {
	n := 0
	for range s {
		n++
	}
	return n >= 1 && n <= 15 && s[0] != '.' && !strings.ContainsAny(s, `\/:*?"<>|`)
}

// isWindowsDomain reports whether s is labels of up to 63 letters, digits and inner hyphens, with dots between.
func isWindowsDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !isAlphanumeric(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return true
}
