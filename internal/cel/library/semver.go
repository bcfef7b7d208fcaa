package library

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/cel"
)

// Versions as semver.org has them: three numbers, what comes before a release, and the name of a build, which does not count. The
// texts of errors are those of upstream's parser.
//
//	1.0.0-alpha < 1.0.0-alpha.1 < 1.0.0-alpha.beta < 1.0.0-rc.2 < 1.0.0-rc.10 < 1.0.0 = 1.0.0+build
//
// Refused are fewer than three numbers, zeros in front, empty parts, and characters that are neither letters, digits nor dashes. With
// true as second argument a v in front and those zeros are dropped and missing numbers are 0, so that v1.02 is 1.2.0; but where numbers
// are missing, nothing may follow, as in 1.0-rc. Upstream is semverlib.go of the library of Kubernetes, over blang/semver.

// SemverType is the type of a version. Upstream has it for a message.
var SemverType = cel.ObjectOf("kubernetes.Semver")

// version is the value of that type.
type version struct {
	major, minor, patch uint64
	before              []stage
}

// stage is one of the parts behind the dash: a number, which is below any text, or a text.
type stage struct {
	number uint64
	text   string // "" for a number
}

// Equal reports whether two are the same version of perhaps different builds.
func (v *version) Equal(other cel.Value) cel.Value {
	if o, ok := other.Ref().(*version); ok {
		return cel.BoolOf(v.compare(o) == 0)
	}
	return cel.NoSuchOverload()
}

// Size is 1: versions have no length.
func (v *version) Size() uint64 { return 1 }

// Weight returns how long it takes to compare two.
func (v *version) Weight() int64 { return int64(len(v.before)) }

// String returns the version without the name of a build.
func (v *version) String() string {
	s := fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch)
	for i, st := range v.before {
		s += map[bool]string{true: "-", false: "."}[i == 0] + cmp.Or(st.text, strconv.FormatUint(st.number, 10))
	}
	return s
}

// compare returns -1, 0 or 1.
func (v *version) compare(o *version) int {
	if c := cmp.Or(cmp.Compare(v.major, o.major), cmp.Compare(v.minor, o.minor), cmp.Compare(v.patch, o.patch)); c != 0 {
		return c
	}
	// What is before a release is less than it; otherwise the first part that differs decides, or the number of parts.
	if len(v.before) == 0 || len(o.before) == 0 {
		return cmp.Compare(len(o.before), len(v.before))
	}
	for i := range min(len(v.before), len(o.before)) {
		// A number has no text, and so is below one that has.
		a, b := v.before[i], o.before[i]
		if c := cmp.Or(cmp.Compare(a.text, b.text), cmp.Compare(a.number, b.number)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(v.before), len(o.before))
}

// The characters of a number and of the other parts.
const (
	digits   = "0123456789"
	alphanum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-" + digits
)

// only reports whether s has no other characters than those of a set.
func only(s, set string) bool { return strings.Trim(s, set) == "" }

// malformed returns an error in the words of upstream's parser, which begin with capitals.
func malformed(format string, args ...any) error { return fmt.Errorf(format, args...) }

// parseSemver returns a version.
func parseSemver(s string) (*version, error) {
	if s == "" {
		return nil, malformed("Version string empty")
	}
	parts := strings.SplitN(s, ".", 3)
	if len(parts) != 3 {
		return nil, malformed("No Major.Minor.Patch elements found")
	}
	v := &version{}
	// A dash may be part of the name of a build, but not the other way round.
	patch, build, hasBuild := strings.Cut(parts[2], "+")
	patch, before, hasBefore := strings.Cut(patch, "-")
	for _, n := range []struct {
		what, title, text string
		to                *uint64
	}{{"major", "Major", parts[0], &v.major}, {"minor", "Minor", parts[1], &v.minor}, {"patch", "Patch", patch, &v.patch}} {
		if !only(n.text, digits) {
			return nil, malformed("Invalid character(s) found in %s number %q", n.what, n.text)
		}
		if len(n.text) > 1 && n.text[0] == '0' {
			return nil, malformed("%s number must not contain leading zeroes %q", n.title, n.text)
		}
		var err error
		if *n.to, err = strconv.ParseUint(n.text, 10, 64); err != nil {
			return nil, err
		}
	}
	if hasBefore {
		for part := range strings.SplitSeq(before, ".") {
			st, err := parseStage(part)
			if err != nil {
				return nil, err
			}
			v.before = append(v.before, st)
		}
	}
	if hasBuild {
		for part := range strings.SplitSeq(build, ".") {
			if part == "" {
				return nil, malformed("Build meta data is empty")
			}
			if !only(part, alphanum) {
				return nil, malformed("Invalid character(s) found in build meta data %q", part)
			}
		}
	}
	return v, nil
}

// parseStage returns a part of what comes before a release.
func parseStage(s string) (stage, error) {
	switch {
	case s == "":
		return stage{}, malformed("Prerelease is empty")
	case !only(s, alphanum):
		return stage{}, malformed("Invalid character(s) found in prerelease %q", s)
	case !only(s, digits):
		return stage{text: s}, nil
	case len(s) > 1 && s[0] == '0':
		return stage{}, malformed("Numeric PreRelease version must not contain leading zeroes %q", s)
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return stage{number: n}, err
}

// normalized puts what people write for a version into its form: without a v and leading zeros, with the numbers that are missing.
func normalized(s string) (string, error) {
	parts := strings.SplitN(strings.TrimPrefix(s, "v"), ".", 3)
	for i, p := range parts {
		// One zero stays where there would be no number, or none in front of what follows it.
		if len(p) > 1 {
			if p = strings.TrimLeft(p, "0"); p == "" || !only(p[:1], digits) {
				p = "0" + p
			}
			parts[i] = p
		}
	}
	if len(parts) < 3 {
		if strings.ContainsAny(parts[len(parts)-1], "+-") {
			return "", errors.New("short version cannot contain PreRelease/Build meta data")
		}
		for len(parts) < 3 {
			parts = append(parts, "0")
		}
	}
	return strings.Join(parts, "."), nil
}

// readSemver is parseSemver, or the same of the normalized form.
func readSemver(s string, normalize bool) (*version, error) {
	if normalize {
		var err error
		if s, err = normalized(s); err != nil {
			return nil, err
		}
	}
	return parseSemver(s)
}

// semverValue returns a version as a value, or the error.
func semverValue(v *version, err error) cel.Value {
	if err != nil {
		return cel.Fail(err)
	}
	return cel.OpaqueValue(SemverType, v)
}

// versionOf returns the version that v is, 0.0.0 for a value that is none.
func versionOf(v cel.Value) *version {
	if s, ok := v.Ref().(*version); ok {
		return s
	}
	return &version{}
}

// Semver has semver(string), with true for what has to be normalized, comparisons and the three numbers:
//
//	semver('1.2.3-rc.1').isLessThan(semver('1.2.3'))       true, and isGreaterThan, compareTo
//	semver('v1.02', true).minor()                          2, and major, patch
//	isSemver('v1'), isSemver('v1', true)                   false, true
func Semver() *cel.Library {
	t := SemverType
	part := func(name, id string, f func(*version) uint64) cel.Function {
		return cel.Function{Name: name, Overloads: []cel.Overload{one(member(id, cel.IntType, t), func(v cel.Value) cel.Value {
			return cel.IntOf(int64(f(versionOf(v))))
		})}}
	}
	compares := func(name, id string, result *cel.Type, f func(c int) cel.Value) cel.Function {
		return cel.Function{Name: name, Overloads: []cel.Overload{two(member(id, result, t, t), func(a, b cel.Value) cel.Value {
			return f(versionOf(a).compare(versionOf(b)))
		})}}
	}
	read := func(v, normalize cel.Value) cel.Value { return semverValue(readSemver(v.Str(), normalize.Bool())) }
	is := func(v, normalize cel.Value) cel.Value {
		_, err := readSemver(v.Str(), normalize.Bool())
		return cel.BoolOf(err == nil)
	}
	strict := func(f func(v, normalize cel.Value) cel.Value) func(cel.Value) cel.Value {
		return func(v cel.Value) cel.Value { return f(v, cel.False) }
	}
	return &cel.Library{
		Name:     "kubernetes.Semver",
		Equality: equality(t),
		Functions: []cel.Function{
			{Name: "semver", Cost: walked, Estimate: mayWalk, Overloads: []cel.Overload{
				one(global("string_to_semver", t, cel.StringType), strict(read)),
				two(global("string_bool_to_semver", t, cel.StringType, cel.BoolType), read),
			}},
			{Name: "isSemver", Cost: walked, Estimate: mayWalk, Overloads: []cel.Overload{
				one(global("is_semver_string", cel.BoolType, cel.StringType), strict(is)),
				two(global("is_semver_string_bool", cel.BoolType, cel.StringType, cel.BoolType), is),
			}},
			compares("isGreaterThan", "semver_is_greater_than", cel.BoolType, func(c int) cel.Value { return cel.BoolOf(c > 0) }),
			compares("isLessThan", "semver_is_less_than", cel.BoolType, func(c int) cel.Value { return cel.BoolOf(c < 0) }),
			compares("compareTo", "semver_compare_to", cel.IntType, func(c int) cel.Value { return cel.IntOf(int64(c)) }),
			part("major", "semver_major", func(v *version) uint64 { return v.major }),
			part("minor", "semver_minor", func(v *version) uint64 { return v.minor }),
			part("patch", "semver_patch", func(v *version) uint64 { return v.patch }),
		},
	}
}
