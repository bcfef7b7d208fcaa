package aggregation

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// What an answer says of where things are, as upstream's proxy rewrites it: Location, and in pages of exactly the type
// text/html the URLs in attributes. A URL without a host, or with that of the server behind, and an absolute path
// gets the scheme and the address of the server behind; others stay. (Upstream's proxy knows a prefix too, which
// aggregation has not.)
//
//	<a href="/logs/x">  ->  <a href="https://10.0.0.7:443/logs/x">
//
// A page is rewritten while it passes, tag by tag, so its size does not count; only a tag is kept whole, and one that is
// longer than mostTag passes as it is. What is no tag passes as it is too: comments, and what is in script and the like. Pages
// compressed with gzip or deflate are decompressed and compressed again, other encodings are left alone.

// rewrite rewrites what is to be rewritten of an answer. The error is the client's.
func (p *passage) rewrite(res *http.Response) error {
	if to := res.Header.Get("Location"); to != "" {
		u, err := url.Parse(to)
		if err != nil {
			return errors.New("Internal error occurred: error trying to parse Location header: " + err.Error())
		}
		res.Header["Location"] = []string{p.moved(u)}
		return nil
	}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(kind) != "text/html" {
		return nil
	}
	page := &page{body: res.Body, moved: p.moved}
	var from io.Reader = res.Body
	// Without compression nothing has an end of its own.
	page.to, page.end = &page.out, func() error { return nil }
	switch res.Header.Get("Content-Encoding") {
	case "":
	case "gzip":
		g, err := gzip.NewReader(from)
		if err != nil {
			return errors.New("error trying to reach service: the answer is no gzip: " + err.Error())
		}
		w := gzip.NewWriter(&page.out)
		from, page.to, page.end = g, w, w.Close
	case "deflate":
		w, _ := flate.NewWriter(&page.out, flate.BestCompression) // the level is one
		from, page.to, page.end = flate.NewReader(from), w, w.Close
	default:
		return nil
	}
	// Text without tags passes in pieces of this size.
	page.in = bufio.NewReaderSize(from, 4<<10)
	// Whatever length it had, it has another, known when it has passed.
	res.Body, res.ContentLength = page, -1
	delete(res.Header, "Content-Length")
	return nil
}

// moved returns a URL of an answer as the client is told it.
func (p *passage) moved(u *url.URL) string {
	if (u.Host == "" || u.Host == p.url.Host) && strings.HasPrefix(u.Path, "/") {
		u.Scheme, u.Host = p.url.Scheme, p.url.Host
	}
	return u.String()
}

// mostTag is how long a tag may be to be rewritten.
const mostTag = 64 << 10

// urlAttributes are the attributes of elements that have URLs, by HTML 4 and 5.
var urlAttributes = map[string]string{
	"a": "href", "applet": "codebase", "area": "href", "audio": "src", "base": "href", "blockquote": "cite", "body": "background",
	"button": "formaction", "command": "icon", "del": "cite", "embed": "src", "form": "action", "frame": "longdesc src", "head": "profile",
	"html": "manifest", "iframe": "longdesc src", "img": "longdesc src usemap", "input": "src usemap formaction",
	"ins": "cite", "link": "href",
	"object": "classid codebase data usemap", "q": "cite", "script": "src", "source": "src", "video": "poster src",
}

// rawElements have no tags in them, but their own end.
const rawElements = " iframe noembed noframes noscript plaintext script style textarea title xmp "

// page is the body of a page that is rewritten while it is read.
type page struct {
	body  io.Closer
	in    *bufio.Reader
	to    io.Writer // out, or what compresses into it
	end   func() error
	out   bytes.Buffer
	moved func(*url.URL) string
	// raw is the element that the text is in where that has no tags; "": none.
	raw string
	err error
}

// Read reads what is rewritten.
func (p *page) Read(b []byte) (int, error) {
	// More is taken as long as it is there, since what is returned is sent on at once.
	for p.out.Len() == 0 || p.err == nil && p.out.Len() < len(b) && p.in.Buffered() > 0 {
		if p.err != nil {
			return 0, p.err
		}
		// Only after a good end: what is compressed must not look whole where the original broke off.
		if p.err = p.step(); p.err == io.EOF {
			if err := p.end(); err != nil {
				p.err = err
			}
		}
	}
	return p.out.Read(b)
}

// Close closes the server's body.
func (p *page) Close() error { return p.body.Close() }

// step takes text up to the next tag, and the tag.
func (p *page) step() error {
	text, err := p.in.ReadSlice('<')
	// Text that is longer than the buffer: it passes, and the next step goes on with it.
	if err == bufio.ErrBufferFull {
		_, err = p.to.Write(text)
		return err
	}
	if err != nil {
		_, _ = p.to.Write(text)
		return err
	}
	if _, err := p.to.Write(text[:len(text)-1]); err != nil {
		return err
	}
	// Fewer at the end of the page, where it is no comment either.
	next, _ := p.in.Peek(3)
	switch {
	case p.raw != "":
		// In script and the like nothing is a tag but the end of just that.
		end, _ := p.in.Peek(1 + len(p.raw))
		if strings.EqualFold(string(end), "/"+p.raw) {
			p.raw = ""
		}
	case string(next) == "!--":
		return p.comment()
	case len(next) > 0 && (next[0] >= 'a' && next[0] <= 'z' || next[0] >= 'A' && next[0] <= 'Z'):
		return p.tag()
	}
	_, err = p.to.Write([]byte{'<'})
	return err
}

// comment takes a comment to its end.
func (p *page) comment() error {
	if _, err := p.to.Write([]byte{'<'}); err != nil {
		return err
	}
	// The two bytes before: a comment ends with -->, wherever that stands.
	before := [2]byte{}
	for {
		c, err := p.in.ReadByte()
		if err != nil {
			return err
		}
		if _, err := p.to.Write([]byte{c}); err != nil || c == '>' && before == [2]byte{'-', '-'} {
			return err
		}
		before = [2]byte{before[1], c}
	}
}

// tag takes a tag, whose < was taken.
func (p *page) tag() error {
	text := []byte{'<'}
	var quote byte
	for {
		c, err := p.in.ReadByte()
		if err != nil {
			_, _ = p.to.Write(text)
			return err
		}
		text = append(text, c)
		switch {
		case quote != 0 && quote == c:
			quote = 0
		// A quote begins a value only behind a =; elsewhere it is a letter, and > ends the tag.
		case quote == 0 && (c == '"' || c == '\'') && bytes.HasSuffix(bytes.TrimRight(text[:len(text)-1], " \t\r\n\f"), []byte{'='}):
			quote = c
		case quote == 0 && c == '>':
			_, err := io.WriteString(p.to, p.rewriteTag(string(text)))
			return err
		case len(text) > mostTag:
			_, err := p.to.Write(text)
			return err
		}
	}
}

// rewriteTag returns a tag with its URLs as clients are told them: as it is where none is another. One that is written anew has its
// names in small letters and its values in quotes.
func (p *page) rewriteTag(text string) string {
	name, attributes, closes := parseTag(text)
	if strings.Contains(rawElements, " "+name+" ") {
		p.raw = name
	}
	isOther := false
	for i := range attributes {
		a := &attributes[i]
		if !hasWord(urlAttributes[name], a.name) {
			continue
		}
		// What is no URL is left as it is, for the browser to make of it what it likes.
		if u, err := url.Parse(a.value); err == nil {
			moved := p.moved(u)
			isOther = isOther || moved != a.value
			a.value = moved
		}
	}
	if !isOther {
		return text
	}
	var b strings.Builder
	b.WriteString("<" + name)
	for _, a := range attributes {
		b.WriteString(" " + a.name + `="` + escape(a.value) + `"`)
	}
	if closes {
		b.WriteByte('/')
	}
	b.WriteByte('>')
	return b.String()
}

// hasWord reports whether one of the words of a list is word.
func hasWord(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}

// attribute is one of a tag.
type attribute struct{ name, value string }

// blanks are what stands between attributes.
const blanks = " \t\r\n\f"

// parseTag takes a start tag apart. closes says that it ends in a slash.
func parseTag(text string) (name string, attributes []attribute, closes bool) {
	rest := text[1 : len(text)-1]
	end := strings.IndexAny(rest, blanks+"/")
	if end < 0 {
		return strings.ToLower(rest), nil, false
	}
	name, rest = strings.ToLower(rest[:end]), rest[end:]
	for {
		// Of what is left, so the last look decides: a slash between two attributes says nothing.
		closes = strings.HasSuffix(rest, "/")
		rest = strings.TrimLeft(rest, blanks+"/")
		if rest == "" {
			return name, attributes, closes
		}
		var a attribute
		// From the second byte on, since a name may begin with =.
		end := strings.IndexAny(rest[1:], blanks+"/=") + 1
		if end == 0 {
			end = len(rest)
		}
		a.name, rest = strings.ToLower(rest[:end]), rest[end:]
		if value, ok := strings.CutPrefix(strings.TrimLeft(rest, blanks), "="); ok {
			a.value, rest = cutValue(strings.TrimLeft(value, blanks))
		}
		attributes = append(attributes, a)
	}
}

// escape and unescape write the characters by name that a value in quotes cannot have, and read how pages write them.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "'", "&#39;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(s)
}

func unescape(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	return strings.NewReplacer("&amp;", "&", "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#34;", `"`, "&quot;", `"`, "&apos;", "'").Replace(s)
}

// cutValue returns the value of an attribute, and what is behind it.
func cutValue(s string) (value, rest string) {
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		value, rest, _ = strings.Cut(s[1:], s[:1])
		return unescape(value), rest
	}
	end := strings.IndexAny(s, blanks)
	if end < 0 {
		end = len(s)
	}
	return unescape(s[:end]), s[end:]
}
