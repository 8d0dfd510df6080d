package pipeline

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"
)

// funcs are the functions of a template: those of LogQL that work on text and numbers. What they make counts for the line that is bound.
func funcs(b *bound) template.FuncMap {
	all := template.FuncMap{
		"__line__":      func() string { return string(b.entry.Line) },
		"__timestamp__": func() time.Time { return time.Unix(0, b.entry.Time).UTC() },
		"date":          func(layout string, t time.Time) string { return t.Format(layout) },
		"unixEpoch":     func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
		"unixEpochMillis": func(t time.Time) string {
			return strconv.FormatInt(t.UnixMilli(), 10)
		},
		"toDate":                 func(layout, s string) (time.Time, error) { return time.Parse(layout, s) },
		"unixToTime":             unixToTime,
		"unixEpochNanos":         func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },
		"regexReplaceAll":        func(re, s, to string) (string, error) { return b.replace(re, s, to, false) },
		"regexReplaceAllLiteral": func(re, s, to string) (string, error) { return b.replace(re, s, to, true) },
		"count":                  b.count,
		"printf":                 b.printf,
		"fromJson":               b.fromJSON,
	}
	for _, some := range []template.FuncMap{textFuncs(), numberFuncs()} {
		maps.Copy(all, some)
	}
	for name, f := range all {
		all[name] = b.guarded(f)
	}
	return all
}

func textFuncs() template.FuncMap {
	return template.FuncMap{
		"lower": strings.ToLower, "upper": strings.ToUpper, "ToLower": strings.ToLower, "ToUpper": strings.ToUpper,
		"title":      title,
		"trim":       strings.TrimSpace,
		"trimAll":    func(cut, s string) string { return strings.Trim(s, cut) },
		"trimPrefix": func(p, s string) string { return strings.TrimPrefix(s, p) },
		"trimSuffix": func(p, s string) string { return strings.TrimSuffix(s, p) },
		"contains":   func(sub, s string) bool { return strings.Contains(s, sub) },
		"hasPrefix":  func(p, s string) bool { return strings.HasPrefix(s, p) },
		"hasSuffix":  func(p, s string) bool { return strings.HasSuffix(s, p) },
		"replace":    replace,
		"repeat":     repeat,
		"indent":     indent,
		"nindent":    func(n int, s string) (string, error) { s, err := indent(n, s); return "\n" + s, err },
		"trunc":      trunc,
		"substr":     substr,
		"alignLeft":  func(n int, s string) (string, error) { return align(n, s, false) },
		"alignRight": func(n int, s string) (string, error) { return align(n, s, true) },
		"default":    func(d, s string) string { return map[bool]string{true: d, false: s}[s == ""] },
		"b64enc":     encodeBase64,
		"b64dec": func(s string) (string, error) {
			d, err := base64.StdEncoding.DecodeString(s)
			return string(d), err
		},
		"urlencode": encodeURL,
		"urldecode": url.QueryUnescape,
	}
}

// replace refuses to multiply a line: by replacing nothing, or by a text that makes it longer than a template's.
func replace(from, to, s string) (string, error) {
	if from == "" {
		return "", errors.New("replace: nothing to replace")
	}
	if len(s)+strings.Count(s, from)*(len(to)-len(from)) > MaxFormatBytes {
		return "", errLong
	}
	return strings.ReplaceAll(s, from, to), nil
}

// repeat refuses a result that is longer than a template's text before it is made.
func repeat(n int, s string) (string, error) {
	if n < 0 || len(s) > 0 && n > MaxFormatBytes/len(s) {
		return "", errLong
	}
	return strings.Repeat(s, n), nil
}

// indent puts n spaces before each line of a text.
func indent(n int, s string) (string, error) {
	if n < 0 || n > MaxFormatBytes || len(s)+n*(1+strings.Count(s, "\n")) > MaxFormatBytes {
		return "", errLong
	}
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad), nil
}

// unixToTime reads days, seconds, milliseconds, microseconds or nanoseconds since 1970: which, the number of digits says.
func unixToTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	var t time.Time
	switch len(s) {
	case 5:
		t = time.Unix(n*24*60*60, 0)
	case 10:
		t = time.Unix(n, 0)
	case 13:
		t = time.UnixMilli(n)
	case 16:
		t = time.UnixMicro(n)
	case 19:
		t = time.Unix(0, n)
	default:
		return t, fmt.Errorf("unixToTime: %q has neither 5, 10, 13, 16 nor 19 digits", s)
	}
	return t.UTC(), nil
}

// encodeBase64 refuses a result that is longer than a template's text before it is made: a chain of it would grow without bounds.
func encodeBase64(s string) (string, error) {
	if base64.StdEncoding.EncodedLen(len(s)) > MaxFormatBytes {
		return "", errLong
	}
	return base64.StdEncoding.EncodeToString([]byte(s)), nil
}

// encodeURL refuses what may become longer than a template's text, each byte three.
func encodeURL(s string) (string, error) {
	if 3*len(s) > MaxFormatBytes && len(s)+2*escapes(s) > MaxFormatBytes {
		return "", errLong
	}
	return url.QueryEscape(s), nil
}

// escapes counts the bytes that a URL may not hold as they are; a space becomes one byte too.
func escapes(s string) int {
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~ ", c) >= 0:
		default:
			n++
		}
	}
	return n
}

// title makes the first letter of each word a capital.
func title(s string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		first := !unicode.IsLetter(before) && !unicode.IsDigit(before) && before != '_' && before != '\''
		before = r
		if first {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

// trunc keeps the first n characters, or the last where n is negative.
func trunc(n int, s string) string {
	if n < 0 {
		return s[offset(s, max(0, utf8.RuneCountInString(s)+n)):]
	}
	return s[:offset(s, n)]
}

// substr keeps the characters from one number up to, not including, another. A negative number is the begin or the end of the text; two of them
// leave nothing.
func substr(from, to int, s string) string {
	switch {
	case from < 0 && to < 0:
		return ""
	case to < 0:
		return s[offset(s, from):]
	}
	begin := offset(s, max(from, 0))
	return s[begin:max(begin, offset(s, to))]
}

// offset is where the character n begins, the end of s where it has fewer.
func offset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// align fills or cuts a text to n characters.
func align(n int, s string, right bool) (string, error) {
	have := utf8.RuneCountInString(s)
	switch {
	case n < 0 || n > MaxFormatBytes:
		return "", errLong
	case have >= n && right:
		return trunc(-n, s), nil
	case have >= n:
		return trunc(n, s), nil
	case right:
		return strings.Repeat(" ", n-have) + s, nil
	}
	return s + strings.Repeat(" ", n-have), nil
}
