package block

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"lethe/internal/linefilter"
	"lethe/internal/record"
)

// pieces are what random lines and literals are made of: words, identifiers, letters that fold in odd ways, bytes that are no UTF-8,
// the code points that the format escapes with, line ends.
var pieces = []string{
	"k", "K", "\u212A", "s", "S", "\u017F", "ss", "ſs", "error", "Error", "ERROR", "tasks", "TASKS", "ta\u017Fk\u017F", "é", "É", "ß", "ẞ",
	"日本", "語", "Ω", "\u2126", "ω", "\xff", "\xc3", "\xe2\x84", "\uFFFD", "\U0010FE80", "\U0010FEFF", "\xf4\x8f\xba", "\n", "\r\n", "\x00",
	"deadbeef", "DEADBEEF", "0123456789abcdef", "550e8400-e29b-41d4-a716-446655440000", "1740819600123456789", "a8sKd72hGks9", " ", "=", "\"", "[", "]", ":",
	"GET /", "500", "503", "x", "yz", "0", "a", "f", "g", "10.244.3.12", "192.168.17.4", ".", "1.2.3.4.5", "00042", "0x7f3a", "01HXK9", "12345", "9",
}

func randomText(r *rand.Rand, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		switch r.IntN(10) {
		case 0:
			b.WriteString(hexID(r, 1+r.IntN(20)))
		case 2:
			b.WriteString(fromAlphabet(r, base62, 1+r.IntN(12)))
		case 3:
			b.WriteString(fromAlphabet(r, "0123456789..", 5+r.IntN(12)))
		case 1:
			fmt.Fprint(&b, r.Uint64N(1e12))
		default:
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
	}
	return b.String()
}

// randomNeed makes a condition, often one that some line fulfils.
func randomNeed(r *rand.Rand, rows []record.Row, depth int) linefilter.Need {
	if depth > 0 && r.IntN(3) == 0 {
		n := linefilter.Need{Op: linefilter.And + linefilter.NeedOp(r.IntN(2))}
		for range r.IntN(4) {
			n.Subs = append(n.Subs, randomNeed(r, rows, depth-1))
		}
		return n
	}
	if r.IntN(20) == 0 {
		return linefilter.Need{}
	}
	n := linefilter.Need{Op: linefilter.Literal, Fold: r.IntN(2) == 0, Literal: []byte(randomText(r, 2))}
	if line := rows[r.IntN(len(rows))].Log; r.IntN(2) == 0 && len(line) > 0 {
		from := r.IntN(len(line))
		n.Literal = bytes.Clone(line[from : from+r.IntN(min(len(line)-from, 40)+1)])
	}
	if n.Fold {
		// Conditions that ignore case come from expressions, which are valid UTF-8.
		n.Literal = []byte(strings.ToValidUTF8(string(n.Literal), ""))
		if r.IntN(2) == 0 {
			n.Literal = []byte(strings.ToUpper(string(n.Literal)))
		}
	}
	return n
}

// matcherOf returns what a Need says, by other means.
func matcherOf(n *linefilter.Need) func(line []byte) bool {
	var subs []func([]byte) bool
	for i := range n.Subs {
		subs = append(subs, matcherOf(&n.Subs[i]))
	}
	switch n.Op {
	case linefilter.Literal:
		if n.Fold {
			return regexp.MustCompile("(?i)" + regexp.QuoteMeta(string(n.Literal))).Match
		}
		return func(line []byte) bool { return bytes.Contains(line, n.Literal) }
	case linefilter.And:
		return func(line []byte) bool {
			return !slices.ContainsFunc(subs, func(m func([]byte) bool) bool { return !m(line) })
		}
	case linefilter.Or:
		return func(line []byte) bool {
			return slices.ContainsFunc(subs, func(m func([]byte) bool) bool { return m(line) })
		}
	}
	return func([]byte) bool { return true }
}

func randomRows(r *rand.Rand, n int) []record.Row {
	rows := make([]record.Row, n)
	for i := range rows {
		rows[i] = record.Row{Namespace: "default", Pod: "p", Container: "c", Time: epoch + int64(i), Log: []byte(randomText(r, 6))}
	}
	return rows
}

// checkCandidates fails when a page is left out that has a line which fulfils need. It returns how many pages were left out.
func checkCandidates(t *testing.T, f *File, rows []record.Row, need *linefilter.Need) int {
	t.Helper()
	got, err := f.Candidates(*need)
	if err != nil {
		t.Fatal(err)
	}
	fulfils := matcherOf(need)
	for i, p := range f.Pages() {
		if got.Has(i) {
			continue
		}
		for j := range rows[p.Row : p.Row+p.Rows] {
			if line := rows[p.Row+int64(j)].Log; fulfils(line) {
				t.Fatalf("page %d is left out for %+v %q, and has the line %q", i, *need, need.Literal, line)
			}
		}
	}
	return len(f.Pages()) - got.Count()
}

func TestCandidatesLeaveNothingOut(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	pruned := 0
	for range 40 {
		rows := randomRows(r, 1+r.IntN(300))
		object, meta := build(t, podTarget, rows, Options{PageBytes: 1 + r.IntN(300), RowGroupRows: 1 + r.IntN(100)})
		f := open(t, podTarget, object, meta.Tail)
		for range 60 {
			need := randomNeed(r, rows, 2)
			pruned += checkCandidates(t, f, rows, &need)
		}
	}
	if pruned < 1000 {
		t.Fatalf("only %d pages were ever left out: the test tests nothing", pruned)
	}
}

func FuzzCandidates(f *testing.F) {
	for _, p := range pieces {
		f.Add([]byte("prefix "+p+" suffix\nnext"), []byte(p), true)
		f.Add([]byte(p), []byte(p), false)
	}
	f.Fuzz(func(t *testing.T, text, literal []byte, fold bool) {
		if fold && !utf8.Valid(literal) {
			return
		}
		var rows []record.Row
		for _, line := range bytes.SplitAfter(text, []byte("\n")) {
			rows = append(rows, record.Row{Namespace: "default", Log: line})
		}
		object, meta := build(t, podTarget, rows, Options{PageBytes: 40})
		need := linefilter.Need{Op: linefilter.Literal, Literal: literal, Fold: fold}
		checkCandidates(t, open(t, podTarget, object, meta.Tail), rows, &need)
	})
}

// TestIndexFinds asserts how sharp the index is, and what it costs, on logs of a cluster.
func TestIndexFinds(t *testing.T) {
	rows := generate(1, 50_000)
	object, meta := build(t, podTarget, rows, Options{PageBytes: 128 << 10, MinPageBytes: 32 << 10, RowGroupRows: 12_000})
	f := open(t, podTarget, object, meta.Tail)
	if share := float64(f.IndexBytes()) / float64(meta.Size); share > 0.05 {
		t.Errorf("the index is %.2f%% of the file", 100*share)
	}
	for _, text := range []string{"payment accepted", "nowhere at all", "ledger_entries"} {
		got, err := f.Candidates(linefilter.Need{Op: linefilter.Literal, Literal: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		truth := 0
		for _, p := range f.Pages() {
			for i := range rows[p.Row : p.Row+p.Rows] {
				if bytes.Contains(rows[p.Row+int64(i)].Log, []byte(text)) {
					truth++
					break
				}
			}
		}
		if got.Count() != truth {
			t.Errorf("%q: %d candidates of %d pages, %d have it", text, got.Count(), len(f.Pages()), truth)
		}
	}
	for _, kind := range needleKinds {
		left := pagesLeft(t, f, needlesOf(kind.make))
		t.Logf("%s: %.1f%% of %d pages", kind.name, left, len(f.Pages()))
		if left > kind.most {
			t.Errorf("%s: %.1f%% of the pages are left, it can be %v%%", kind.name, left, kind.most)
		}
	}
}

func TestDamagedIndex(t *testing.T) {
	rows := generate(2, 3000)
	object, meta := build(t, podTarget, rows, Options{})
	f := open(t, podTarget, object, meta.Tail)
	if f.Runs() == nil || f.IndexErr() != nil {
		t.Fatal("no index to damage")
	}
	at := bytes.Index(object, []byte(indexMagic))
	need := linefilter.Need{Op: linefilter.Literal, Literal: []byte("nowhere at all")}
	t.Run("flipped bit", func(t *testing.T) {
		bad := bytes.Clone(object)
		bad[at+100] ^= 1
		f := open(t, podTarget, bad, meta.Tail)
		got, err := f.Candidates(need)
		if !errors.Is(err, ErrIndex) || got.Count() != len(f.Pages()) {
			t.Fatalf("%d of %d pages, %v", got.Count(), len(f.Pages()), err)
		}
		if n := len(readAll(t, f, bad, ReadOptions{})); n != len(rows) {
			t.Fatalf("%d rows without the directory, there are %d", n, len(rows))
		}
	})
	t.Run("newer version", func(t *testing.T) {
		newer := bytes.Clone(object)
		newer[at+len(indexMagic)]++
		f := open(t, podTarget, newer, meta.Tail)
		got, err := f.Candidates(need)
		if err != nil || got.Count() != len(f.Pages()) || f.IndexErr() != nil {
			t.Fatalf("%d of %d pages, %v", got.Count(), len(f.Pages()), err)
		}
	})
	t.Run("left out", func(t *testing.T) {
		object, meta := build(t, podTarget, rows, Options{NoIndex: true})
		f := open(t, podTarget, object, meta.Tail)
		got, err := f.Candidates(need)
		if err != nil || got.Count() != len(f.Pages()) || f.IndexBytes() != 0 || f.Runs() == nil {
			t.Fatalf("%d of %d pages, %d bytes of index, %v", got.Count(), len(f.Pages()), f.IndexBytes(), err)
		}
	})
}

// TestSmallBlocksAreIndexed checks that a block of a minute has filters too.
func TestSmallBlocksAreIndexed(t *testing.T) {
	rows := generate(3, 400)
	object, meta := build(t, podTarget, rows, Options{PageBytes: 4000, MinPageBytes: 1000})
	f := open(t, podTarget, object, meta.Tail)
	got, err := f.Candidates(linefilter.Need{Op: linefilter.Literal, Literal: []byte("4bf92f3577b34da6a3ce929d0e0e4736")})
	if err != nil || got.Count() > len(f.Pages())/2 {
		t.Fatalf("%d candidates of %d pages, %v", got.Count(), len(f.Pages()), err)
	}
}

// TestFoldsToASCII states which code points beyond ASCII a case-insensitive ASCII letter matches: those that pages are marked for.
func TestFoldsToASCII(t *testing.T) {
	var got []rune
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			if f < utf8.RuneSelf {
				got = append(got, r)
				break
			}
		}
	}
	if want := string(longS) + string(kelvin); string(got) != want {
		t.Fatalf("%q, want %q", string(got), want)
	}
}
