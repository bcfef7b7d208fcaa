package library

import (
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"apichain/internal/cel"
)

// TestHostile: expressions that ask for much with little are cheap, or out of budget, and never long or large. The times are many
// times what they take, for a computer that does other things.
func TestHostile(t *testing.T) {
	const mega = 1 << 20
	bomb := "optional.of(lists.range(100))"
	for range 8 {
		bomb += ".optMap(l, [l, l, l, l, l, l, l, l, l, l])"
	}
	x := map[string]any{
		"big": strings.Repeat("a", mega), "text": strings.Repeat("ab", 5000), "digits": strings.Repeat("7", mega), "dots": strings.Repeat("1.", mega/2),
		"url": "http://x/?" + strings.Repeat("a=b&", mega/4), "list": make([]any, 20000), "words": []any{strings.Repeat("a", mega), strings.Repeat("b", mega)},
		"cidr": strings.Repeat("1", mega) + "/8", "percents": strings.Repeat("%s", 5000),
	}
	for i := range x["list"].([]any) {
		x["list"].([]any)[i] = int64(i)
	}
	env := testEnv(Stored())
	for i, c := range []struct {
		expression string
		over       bool // it is out of budget
	}{
		{"x.text.replace('a', x.text).size() > 0", true},                                           // 25 MB
		{"x.text.replace('', x.text).size() > 0", true},                                            // 100 MB
		{"lists.range(10000).map(i, x.text.replace('a', x.text.substring(0, 1000)).size())", true}, // 5 MB each time
		{"lists.range(1000).map(i, x.big).join()", true},
		{"lists.range(100).map(i, x.words).map(l, l.join()).size()", true},
		{bomb + ".optMap(l, '%s'.format([l]).size())", true},
		{bomb + ".optMap(l, [l].flatten(100).size())", true},
		{bomb + ".optMap(l, l.indexOf(l[0]))", true},
		{bomb + ".optMap(l, l.lastIndexOf(dyn(1)))", true},
		{bomb + ".optMap(l, l.distinct().size())", true},
		{"lists.range(100000).map(i, x.percents.format(x.list).size())", true},
		{"'%.1000000000f'.format([1.5]) != '' && '%.32767f'.format([1.5e300]) != '' && '%.65535e'.format([1.5]) != ''", false},
		{"lists.range(9000).map(i, '%.32767f'.format([5e-324]).size())", false},
		{"lists.range(1000000000).size()", false}, // an error
		{"lists.range(1000000).size()", true},
		{"x.list.sort().size()", true},
		{"x.list.distinct().size()", true},
		{"x.list.sortBy(i, -i).size()", true},
		{"sets.contains(x.list, x.list)", true},
		{"sets.equivalent(x.list, x.list)", true},
		{"x.list.map(i, x.list).flatten().size()", true},
		{"x.list.map(i, x.list).flatten(5).size()", true},
		{"x.list.reverse().slice(0, 20000).size()", false},
		{"x.big.find(x.big)", true},
		{"'a'.find(x.big)", false},
		{"'aaaa'.find('((((a{100}){100}){100}){100})')", false}, // an error
		{"x.big.findAll('').size()", false},
		{"lists.range(50000).map(i, 'a'.find(string(i) + '(?:abcdefghijklmnopqrstuvwxyz){1000}'))", true},
		{"lists.range(50000).exists(i, 'a'.matches(string(i) + '(?:abcdefghijklmnopqrstuvwxyz){1000}'))", true},
		{"lists.range(20).exists(i, 'b'.matches('^[a-z]{1,253}(\\\\.[a-z]{1,63})*' + string(i)))", false},
		{"x.big.split('').size()", false},
		{"x.big.indexOf(x.big + 'b') + x.big.lastIndexOf('b' + x.big)", false},
		{"quantity(x.digits).add(quantity(x.digits)).isGreaterThan(quantity(x.digits))", false},
		{"quantity('1e2147483647').add(1)", false}, // an error
		{"quantity('12345678901234567890e2147483647').isGreaterThan(quantity('1e-2147483648'))", false},
		{"isQuantity(x.dots) || isSemver(x.dots) || isIP(x.dots) || isCIDR(x.cidr) || isSemver(x.digits + '.1.1', true)", false},
		{"url(x.url).getQuery().size() == 1", false},
		{"optional.of(url(x.url)).optMap(u, lists.range(50).map(i, u.getQuery().size() + u.getEscapedPath().size())).hasValue()", false},
		{"format.dns1123Subdomain().validate(x.big).hasValue()", true},
		{"lists.range(30000).transformMap(i, v, v).size()", false},
		{"lists.range(100000).transformMap(i, v, v).size()", false},
		{"optional.of(semver('1.0.0-' + x.dots + '1')).optMap(v, lists.range(100000).map(i, v.compareTo(v)))", true},
		{"optional.of(url(x.url + x.text)).optMap(u, lists.range(100000).map(i, u.getQuery().size()))", true},
		{"optional.of(url('/' + x.big)).optMap(u, lists.range(100000).map(i, u.getEscapedPath().size()))", true},
		{"optional.of(quantity(x.digits)).optMap(q, lists.range(100000).map(i, q.compareTo(q)))", true},
		{"authorizer.group('').resource('pods').labelSelector(x.text)", false},
		{"authorizer.group('').resource('pods').labelSelector(x.big)", true},
		{"x.big.charAt(1000000) + x.big.upperAscii() + strings.quote(x.big) + jsonpatch.escapeKey(x.big)", false},
	} {
		if testing.Short() && i%5 != 0 {
			continue
		}
		checked, err := env.Check(c.expression)
		if err != nil {
			t.Fatal(err)
		}
		program, err := checked.Program()
		if err != nil {
			if c.over {
				t.Errorf("%s: %v", c.expression, err)
			}
			continue
		}
		debug.FreeOSMemory()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		v, cost := program.Eval([]cel.Value{AuthorizerValue(rights{}), cel.Of(x, nil)}, cel.Limit{Cost: budget})
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		if over := errors.Is(v.Err(), cel.ErrBudget); over != c.over {
			t.Errorf("%.90s is out of budget: %t (%.100s, cost %d)", c.expression, over, text(v), cost)
		}
		made := (after.TotalAlloc - before.TotalAlloc) >> 20
		if took > 20*time.Second || made > 8000 {
			t.Errorf("%.90s took %v and made %d MiB", c.expression, took, made)
		}
		t.Logf("%8v %5d MiB cost %7d %.100s", took.Round(time.Millisecond), made, min(cost, 9999999), c.expression)
	}
}
