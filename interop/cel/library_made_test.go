package cel

import "strings"

// madeExpressions are operations on values of each type, as upstream's tests of costs make them.
func madeExpressions() []string {
	var made []string
	cross := func(values, calls []string) {
		for _, v := range values {
			for _, c := range calls {
				made = append(made, v+c)
			}
		}
	}
	lists := []string{"[1, 2, 3, 4, 5]", "[uint(1), uint(2), uint(3)]", "[1.0, 2.0, 3.0]", "[false, true, false]",
		"['012345678901', '012345678901']", "[bytes('012345678901'), bytes('1')]", "[duration('1s'), duration('2s')]",
		"[timestamp('2011-01-01T00:00:00.000+01:00'), timestamp('2011-01-02T00:00:00.000+01:00')]", "[]", "[[1], [2, 3]]", "[null]",
		"[5, 5, 3]", "x.list", "x.empty", "dyn([1, 2.0, 3u])", "dyn([1, 'a'])", "dyn([[1], 2])", "dyn([{'a': 1}])", "dyn(1)", "dyn('abc')"}
	cross(lists, []string{".sum()", ".isSorted()", ".max()", ".min()", ".indexOf(3)", ".lastIndexOf(5)", ".indexOf(dyn('x'))", ".includes(3)",
		".includes(5u)", ".distinct()", ".sort()", ".reverse()", ".flatten()", ".flatten(0)", ".flatten(2)", ".flatten(-1)", ".slice(1, 2)",
		".slice(2, 1)", ".slice(-1, 2)", ".slice(0, 9)", ".sortBy(e, -e)", ".sortBy(e, string(e))", ".first()", ".last()", ".join()", ".join(', ')",
		".map(e, optional.of(e)).unwrapOpt()", ".all(i, e, i < 2)", ".exists(i, e, e == dyn(3))", ".existsOne(i, e, i == 1)",
		".exists_one(i, e, e == e)", ".transformList(i, e, i + 1)", ".transformList(i, e, i > 0, e)", ".transformMap(i, e, e)",
		".transformMapEntry(i, e, {e: i})", ".transformMapEntry(i, e, i > 0, {string(i): e})"})
	cross([]string{"{'a': 1, 'b': 2}", "{1: 2}", "x", "{}"}, []string{".all(k, v, v == v)", ".transformList(k, v, k)", ".transformMap(k, v, k)",
		".transformMapEntry(k, v, {'a': k})", ".transformMapEntry(k, v, {k: v})"})
	strs := []string{"'01234567890123456789'", "''", "'éà€😀a'", "'a,b,,c'", "'  trim me\\t'", "'TacoCat'", "x.text", "dyn('abc')", "dyn(5)", "'\\\\ \\n \"'"}
	cross(strs, []string{".charAt(0)", ".charAt(2)", ".charAt(30)", ".charAt(-1)", ".indexOf('1')", ".indexOf('')", ".indexOf('a', 1)", ".indexOf('', 50)",
		".indexOf('a', -1)", ".lastIndexOf('1')", ".lastIndexOf('')", ".lastIndexOf('a', 3)", ".lastIndexOf('', 2)", ".lastIndexOf('a', 50)",
		".lastIndexOf('a', -2)", ".lastIndexOf('trim me')", ".lowerAscii()", ".upperAscii()", ".replace('', '_')", ".replace('a', 'bb')",
		".replace(',', '', 1)", ".replace('a', 'b', -1)", ".split(',')", ".split('')", ".split(',', 2)", ".split(',', 0)", ".split(',', -1)",
		".substring(1)", ".substring(0, 2)", ".substring(3, 1)", ".substring(50)", ".substring(0, 50)", ".substring(-1)", ".trim()",
		".find('[a-z]+')", ".findAll('[0-9]')", ".findAll('.', 2)", ".findAll('.', 0)", ".find('(')", ".find(x.text)", ".findAll(x.text)", ".matches('a.*')",
		".includes('a')"})
	for _, s := range strs {
		made = append(made, "strings.quote("+s+")", "jsonpatch.escapeKey("+s+")", "url("+s+")", "ip("+s+")", "cidr("+s+")", "quantity("+s+")", "semver("+s+")",
			"isURL("+s+")", "isIP("+s+")", "isCIDR("+s+")", "isQuantity("+s+")", "isSemver("+s+", true)", "format.named("+s+")", "optional.ofNonZeroValue("+s+")")
	}
	urls := []string{"url('https://user:pw@example.com:8080/a%20b/c?q=1&q=2&r=%41#frag')", "url('/path?x')", "url('https://[::1]:80/')",
		"url('https:://kubernetes.io/')", "url('http://[2001:db8::1')", "url('../relative')", "url('')", "url('mailto:a@b')"}
	cross(urls, []string{".getScheme()", ".getHost()", ".getHostname()", ".getPort()", ".getEscapedPath()", ".getQuery()", " == url('/path?x')", " != url('/path?x')",
		".getQuery()['q']", " == dyn(1)"})
	addresses := []string{"ip('192.168.0.1')", "ip('::1')", "ip('2001:db8:3333:4444:5555:6666:7777:8888')", "ip('0.0.0.0')", "ip('ff02::1')", "ip('fe80::1')",
		"ip('::ffff:1.2.3.4')", "ip('fe80::1%eth0')", "ip('01.2.3.4')", "ip('')"}
	cross(addresses, []string{"", ".family()", ".isUnspecified()", ".isLoopback()", ".isLinkLocalMulticast()", ".isLinkLocalUnicast()", ".isGlobalUnicast()",
		" == ip('::1')", " != ip('::1')", " == dyn('::1')", " in [ip('::1')]"})
	networks := []string{"cidr('192.168.0.0/16')", "cidr('2001:db8::/32')", "cidr('10.0.0.7/8')", "cidr('0.0.0.0/0')", "cidr('::ffff:1.2.3.4/128')", "cidr('1.2.3.4')",
		"cidr('1.2.3.4/33')", "cidr('::1/128')"}
	cross(networks, []string{"", ".ip()", ".prefixLength()", ".masked()", ".containsIP('192.168.3.4')", ".containsIP(ip('192.168.3.4'))", ".containsIP('nonsense')",
		".containsCIDR('192.168.1.0/24')", ".containsCIDR(cidr('2001:db8::/64'))", ".containsCIDR('nonsense')", ".containsIP(dyn('10.1.2.3'))",
		".containsCIDR(dyn(cidr('10.0.0.0/9')))", " == cidr('10.0.0.7/8')", " != cidr('2001:db8::/32')", ".masked() == cidr('10.0.0.0/8')"})
	for _, a := range addresses {
		made = append(made, strings.Replace(a, "ip(", "ip.isCanonical(", 1), "string("+a+")")
	}
	for _, n := range networks {
		made = append(made, "string("+n+")", "dyn("+n+").ip()")
	}
	quantities := []string{"quantity('1.5Gi')", "quantity('100m')", "quantity('-1k')", "quantity('0')", "quantity('9223372036854775807')", "quantity('9223372036854775808')",
		"quantity('1e3')", "quantity('1e-12')", "quantity('12345678901234567890123')", "quantity('8Ei')", "quantity('0.5Ki')", "quantity('.')", "quantity('1e400')",
		"quantity('0e400')", "quantity('10Mo')", "quantity(' 1')", "quantity('1E')", "quantity('1.000000000001')"}
	calls := []string{".asInteger()", ".isInteger()", ".asApproximateFloat()", ".add(1)", ".sub(1)", ".add(9223372036854775807)", ".sub(-9223372036854775807 - 1)"}
	for _, q := range quantities {
		made = append(made, "sign("+q+")")
		for _, c := range []string{".compareTo(", ".isLessThan(", ".add(", ".sub("} {
			calls = append(calls, c+q+")")
		}
		for _, o := range quantities {
			made = append(made, q+" == "+o)
		}
	}
	cross(quantities, calls)
	versions := []string{"'1.2.3'", "'v1.2.3'", "'1.2'", "'01.02.03'", "'1.2.3-rc.1+b.2'", "'1.2.3-rc.01'", "'1.2.3-'", "'1.2.3+'", "'1.2-rc'", "''", "'1.2.3-é'",
		"'18446744073709551616.0.0'", "'1.2.3-18446744073709551616'", "'v01.1'", "'1.0.0-alpha'", "'1.0.0-alpha.1'", "'1.0.0-2'", "'1..3'", "'1.2.03'"}
	for _, v := range versions {
		made = append(made, "semver("+v+")", "semver("+v+", true)", "isSemver("+v+")", "isSemver("+v+", true)", "isSemver("+v+", false)", "semver("+v+").major()")
		for _, o := range versions {
			made = append(made, "semver("+v+").compareTo(semver("+o+"))", "semver("+v+", true).isLessThan(semver("+o+", true))", "semver("+v+") == semver("+o+")")
		}
	}
	names := []string{"'my-name'", "'My-Name'", "'a.b'", "'a-'", "'-'", "''", "'a/b'", "'/b'", "'a/b/c'", "'A_b.c'", "'1abc'", "'abc.-'", "'" + strings.Repeat("a", 64) + "'",
		"'" + strings.Repeat("a.", 130) + "'", "'" + strings.Repeat("a", 254) + "/x'", "'2021-01-01'", "'2021-13-01'", "'2021-01-01T00:00:00Z'", "'2021-01-01T24:00:00Z'",
		"'aGVsbG8='", "'aGVsbG8'", "'123e4567-e89b-12d3-a456-426614174000'", "'http://example.com'", "'relative'", "'http://a b'"}
	for _, f := range []string{"dns1123Label", "dns1123Subdomain", "dns1035Label", "qualifiedName", "dns1123LabelPrefix", "dns1123SubdomainPrefix", "dns1035LabelPrefix",
		"labelValue", "uri", "uuid", "byte", "date", "datetime", "nonsense"} {
		for _, n := range names {
			made = append(made, "format."+f+"().validate("+n+")", "format.named('"+f+"').value().validate("+n+")")
		}
		made = append(made, "format.named('"+f+"')", "format."+f+"() == format.named('"+f+"').value()", "format."+f+"() == format.uuid()", "format."+f+"() == dyn(1)")
	}
	verbs := []string{"%s", "%d", "%f", "%e", "%b", "%x", "%X", "%o", "%.3f", "%.0f", "%.12e", "%.300f", "%.40000e", "%.99999999f", "%", "%.", "%.3", "%q", "%.f", "%%", "%s %s",
		"%.99999999999999999999f", "é%é"}
	for _, verb := range verbs {
		for _, a := range []string{"1", "-5", "7u", "2.5", "-1234567.891", "1e300", "0.0000005", "'NaN'", "'Infinity'", "double('-Infinity')", "'text'", "b'\\x01\\xff'", "b'ab'", "true", "null",
			"timestamp('2021-01-01T00:00:00Z')", "duration('1h2s')", "[1, 2]", "['a', \"b\\\"\"]", "[1.5, double('NaN')]", "{'a': 1, 'b': 2}", "{1: [b'x']}", "{true: duration('1s')}", "{1.5: 1}",
			"type(1)", "optional.of(1)", "ip('::1')", "[ip('::1')]", "[null, timestamp('2021-01-01T00:00:00Z')]", "x"} {
			made = append(made, "'"+verb+"'.format(["+a+"])", "'"+verb+"'.format([dyn("+a+")])", "'"+verb+"'.format(dyn(["+a+"]))", "['"+verb+"'][0].format(["+a+"])")
		}
		made = append(made, "'"+verb+"'.format([])", "'"+verb+"'.format([1, 'a', 2.5])", "dyn('"+verb+"').format(x.list)")
	}
	for _, o := range []string{"optional.of(1)", "optional.none()", "optional.of([1, 2])", "optional.of({'a': 1})", "optional.ofNonZeroValue(0)", "optional.ofNonZeroValue([])",
		"optional.ofNonZeroValue(dyn(0.0))", "optional.ofNonZeroValue(ip('::1'))", "optional.ofNonZeroValue(duration('0s'))", "x.?text", "x.?none", "x[?'list']", "[1][?0]", "[1][?3]"} {
		for _, c := range []string{"", ".hasValue()", ".value()", ".or(optional.of(2))", ".orValue(3)", ".optMap(v, v == v)", ".optFlatMap(v, optional.of(v))", ".optMap(v, [v, v])", "[0]", "[?0]", ".?a", " == optional.of(1)",
			".optMap(1, 2)", ".optFlatMap(a.b, 2)"} {
			made = append(made, o+c)
		}
		made = append(made, "optional.unwrap(["+o+"])", "["+o+"].unwrapOpt()", "[?"+o+"]", "{?'a': "+o+"}")
	}
	for _, c := range []string{"", ".path('/a')", ".path(' ')", ".path('/a').check('get').allowed()", ".path('/a').check('post').reason()", ".group('apps').resource('deployments')",
		".group('').resource('')", ".group('apps').resource('d').subresource('s').namespace('n').name('x').check('get').reason()", ".serviceAccount('ns', 'sa').group('').resource('pods').check('get').allowed()",
		".serviceAccount('ns', 'sa').path('/x').check('broken').error()", ".path('/x').check('broken').errored()", ".path('/x').check('get').error()", ".serviceAccount('N', 'sa')", ".serviceAccount('n', 'S')",
		".group('').resource('pods').fieldSelector('a=b').labelSelector('c in (d)').check('list').allowed()", " == authorizer", ".group('') == authorizer.group('')", ".path('/x').check('get') != authorizer.path('/x').check('get')",
		".group('').check('x')", ".nonsense"} {
		made = append(made, "authorizer"+c)
	}
	return append(made, "lists.range(5)", "lists.range(0)", "lists.range(-1)", "lists.range(1000000)", "lists.range(1000001)", "lists.range(100).sum()", "lists.range(700).sort().size()",
		"lists.range(800).distinct().size()", "lists.range(5).sortBy(i, i % 2)", "lists.range(40).sortBy(i, i % 3)", "lists.range(30).map(i, string(i)).sort()", "[1, 2].sortBy(1, 2)", "'a'.sortBy(e, e)",
		"sets.contains([1, 2], [2u, 1.0])", "sets.contains(x.list, [1])", "sets.intersects(x.list, x.empty)", "sets.equivalent([[1]], [[1.0]])", "type(ip('::1')) == net.IP", "type(quantity('1'))",
		"type(optional.none()) == optional_type", "[1].all(i, i, true)", "[1].all(__result__, v, true)", "[1].all(v, __result__, true)", "[1].transformMap(1, v, true)", "{'a': 1}.transformMapEntry(k, v, {'b': 1, 'c': 2})",
		"[1, 1].transformMapEntry(i, v, {'k': v})", "[1, 2].transformMap(i, v, i)", "cel.bind(a, 1, a)", "cel.@mapInsert({}, 1, 2)", "x.text.reverse()", "[3, 1].sortBy(e, e).map(e, e * 2)")
}
