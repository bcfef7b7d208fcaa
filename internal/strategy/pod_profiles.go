package strategy

import (
	"fmt"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Profiles that bound what a container's processes may do, and whom they run as on Windows. A
// profile is the runtime's own, none at all, or one of the node (Localhost): a file of seccomp,
// or a loaded profile of AppArmor, which the server cannot see; so its name is only checked for
// form.

// checkSeccompProfile is the rule of type SeccompProfile: a file of the node goes with type
// Localhost, and with no other (upstream's validateSeccompProfileField).
func checkSeccompProfile(v *kinds.Visit) {
	path, has := v.Obj["localhostProfile"].(string)
	switch local := v.Obj["type"] == "Localhost"; {
	case local && !has:
		v.Add(field.Required(v.Path("localhostProfile"), "must be set when seccomp type is Localhost"))
	// The path is below the kubelet's folder for profiles, and must not lead out of it.
	case local:
		for _, why := range descendingErrors(path) {
			v.Add(field.Invalid(v.Path("localhostProfile"), path, why))
		}
	case has:
		v.Add(field.Invalid(v.Path("localhostProfile"), v.Obj, "can only be set when seccomp type is Localhost"))
	}
	checkProfileType(v, "type is required when seccompProfile is set")
}

// checkAppArmorProfile is the rule of type AppArmorProfile: the name of a loaded profile goes
// with type Localhost, and with no other (upstream's ValidateAppArmorProfileField). Unlike a
// file, the name may have slashes anywhere.
func checkAppArmorProfile(v *kinds.Visit) {
	checkProfileType(v, "type is required when appArmorProfile is set")
	name, has := v.Obj["localhostProfile"].(string)
	switch v.Obj["type"] {
	case "Localhost":
		const why = "must be set when AppArmor type is Localhost"
		// A name of white space alone is padded, and not missing.
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
	// With an unknown type nothing is said of the name: it might be right for the one that was
	// meant.
	case "RuntimeDefault", "Unconfined":
		if has {
			v.Add(field.Invalid(v.Path("localhostProfile"), name, "can only be set when AppArmor type is Localhost"))
		}
	}
}

// checkProfileType checks the type of a profile of either sort. required is what is said of
// none.
func checkProfileType(v *kinds.Visit, required string) {
	switch t := tree.Text(v.Obj, "type"); t {
	case "Localhost", "RuntimeDefault", "Unconfined":
	case "":
		v.Add(field.Required(v.Path("type"), required))
	default:
		v.Add(field.NotSupported(v.Path("type"), t, "Localhost", "RuntimeDefault", "Unconfined"))
	}
}

// Limits of what Windows takes: bytes of a credential spec, and characters of names, by
// upstream's validateWindowsSecurityContextOptions.
const (
	maxCredentialSpec = 64 << 10
	maxUserDomain     = 256
	maxUserName       = 104
)

// checkWindowsOptions is the rule of type WindowsSecurityContextOptions. What hosts and pods
// have to do with each other is in hostProcess; here is what one value is alone.
func checkWindowsOptions(v *kinds.Visit) {
	if name, ok := v.Obj["gmsaCredentialSpecName"].(string); ok {
		for _, why := range field.DNSSubdomainErrors(name) {
			v.Add(field.Invalid(v.Path("gmsaCredentialSpecName"), name, why))
		}
	}
	if spec, ok := v.Obj["gmsaCredentialSpec"].(string); ok {
		// A webhook fills the spec in by its name; one that is there and empty would hide that.
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

// windowsUserErrors returns what is wrong with the name of a Windows user, which may have a
// domain in front: DOMAIN\user. The first three faults stand alone, since the parts are unsure
// then.
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
	// The bound of the domain is not in it, that of the user is (upstream).
	if len(domain) >= maxUserDomain {
		errs = append(errs, fmt.Sprintf("runAsUserName's Domain length must be under %d characters", maxUserDomain))
	}
	// A domain of the older sort has a short name, any other is a name of DNS.
	if domained && !isNetBIOS(domain) && !isWindowsDomain(domain) {
		errs = append(errs, "runAsUserName's Domain doesn't match the NetBios nor the DNS format")
	}
	if user == "" {
		errs = append(errs, "runAsUserName's User cannot be empty")
	} else if len(user) > maxUserName {
		errs = append(errs, fmt.Sprintf("runAsUserName's User length must not be longer than %d characters", maxUserName))
	}
	// No user of Windows has a name of nothing else.
	if user != "" && strings.Trim(user, ". ") == "" {
		errs = append(errs, "runAsUserName's User cannot contain only periods or spaces")
	}
	if strings.ContainsAny(user, `"/\:;|=,+*?<>@[]`) {
		errs = append(errs, `runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`)
	}
	return errs
}

// isNetBIOS reports whether s is a domain of the older sort: up to fifteen characters but a
// few, counted as characters and not as bytes.
func isNetBIOS(s string) bool {
	n := 0
	for range s {
		n++
	}
	return n >= 1 && n <= 15 && s[0] != '.' && !strings.ContainsAny(s, `\/:*?"<>|`)
}

// isWindowsDomain reports whether s is labels of up to 63 letters, digits and inner hyphens,
// with dots between. Unlike a name of Kubernetes it may be in upper case.
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
