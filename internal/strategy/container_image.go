package strategy

import "strings"

// Names of images, as far as they say when an image is pulled: one without a tag and without a digest means the
// tag latest, which may be another image tomorrow. A name that is none is not pulled again, and is refused
// by nobody here: kubelets do that.
//
//	nginx                          latest
//	registry.local:5000/a/b:v1     v1
//	nginx@sha256:0123…             none
//	Nginx                          none: it is no name

// pullPolicy returns when an image is pulled unless its container says so (upstream's
// SetDefaults_Container).
func pullPolicy(image string) string {
	if imageTag(image) == "latest" {
		return "Always"
	}
	return "IfNotPresent"
}

// imageTag returns the tag of an image, latest where that is meant, and "" for a name without a
// tag and for what is no name. It reads a name as the library does that upstream parses it with
// (distribution's reference), by hand: without its patterns and in one pass.
func imageTag(image string) string {
	name, digest, digested := strings.Cut(image, "@")
	// Sixty-four digits of base 16 are the number of an image, and not a name.
	if digested && !isDigest(digest) || len(image) == 64 && isHex(image) {
		return ""
	}
	// Without a tag latest is meant, unless a digest says which image it is.
	tag := ""
	// A colon before the last slash is that of a registry's port.
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		if name, tag = name[:colon], name[colon+1:]; !isTag(tag) {
			return ""
		}
	} else if !digested {
		tag = "latest"
	}
	// What is in front of the first slash is a registry if it looks like a host; else it is a
	// part of a path on the registry that is meant where none is named.
	path := name
	switch host, rest, ok := strings.Cut(name, "/"); {
	case !ok:
		path = "library/" + name
	case host == "localhost" || strings.ContainsAny(host, ".:") || strings.ToLower(host) != host:
		if isHost(host) {
			path = rest
		}
	}
	// The bound is that of the path, with the library that a short name is in, and not of the
	// host.
	if len(path) > 255 {
		return ""
	}
	for part := range strings.SplitSeq(path, "/") {
		if !isPathComponent(part) {
			return ""
		}
	}
	return tag
}

// isAlphanumeric reports whether c is a digit or an ASCII letter.
func isAlphanumeric(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// isHex reports whether s is digits of base 16 in lower case.
func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// isDigest reports whether s is the digest of an image, by one of the algorithms that there
// are.
func isDigest(s string) bool {
	algorithm, sum, _ := strings.Cut(s, ":")
	size := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algorithm]
	return size > 0 && len(sum) == size && isHex(sum)
}

// isTag reports whether s is a tag: up to 128 letters, digits, underscores, and, but at its
// beginning, dots and hyphens.
func isTag(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '_' && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// isHost reports whether s is the name or the address of a registry, with its port or without.
func isHost(s string) bool {
	// A colon inside brackets is a part of an address.
	if colon := strings.LastIndexByte(s, ':'); colon >= 0 && !strings.HasSuffix(s, "]") {
		if port := s[colon+1:]; port == "" || strings.Trim(port, "0123456789") != "" {
			return false
		}
		s = s[:colon]
	}
	// Only the characters are looked at: whether it is an address shows when it is called.
	if v6, ok := strings.CutPrefix(s, "["); ok {
		v6, ok = strings.CutSuffix(v6, "]")
		return ok && v6 != "" && strings.Trim(v6, "0123456789abcdefABCDEF:") == ""
	}
	for part := range strings.SplitSeq(s, ".") {
		for i := range len(part) {
			if !isAlphanumeric(part[i]) && (part[i] != '-' || i == 0 || i == len(part)-1) {
				return false
			}
		}
		if part == "" {
			return false
		}
	}
	return true
}

// isPathComponent reports whether s is words of lower case, with a dot, one or two underscores
// or any hyphens between them.
func isPathComponent(s string) bool {
	for len(s) > 0 {
		rest := strings.TrimLeft(s, "0123456789abcdefghijklmnopqrstuvwxyz")
		if rest == s {
			return false
		}
		// What separates words stands between two: after it the loop wants a word again, so
		// that a separator at the end leaves nothing, and the answer is no.
		separator := len(rest) - len(strings.TrimLeft(rest, "-"))
		switch {
		case rest == "":
			return true
		case separator > 0:
		case rest[0] == '.':
			separator = 1
		case strings.HasPrefix(rest, "__"):
			separator = 2
		case rest[0] == '_':
			separator = 1
		default:
			return false
		}
		s = rest[separator:]
	}
	return false
}
