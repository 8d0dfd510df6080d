package literals

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// first is what Next must equal.
func first(texts [][]byte, data []byte, from int) (start, end int) {
	for i := from; i < len(data); i++ {
		end := -1
		for _, t := range texts {
			if bytes.HasPrefix(data[i:], t) && (end < 0 || i+len(t) < end) {
				end = i + len(t)
			}
		}
		if end >= 0 {
			return i, end
		}
	}
	return -1, -1
}

func check(t *testing.T, texts [][]byte, data []byte) {
	t.Helper()
	s := New(texts)
	for from := range len(data) + 1 {
		start, end := s.Next(data, from)
		if wantStart, wantEnd := first(texts, data, from); start != wantStart || end != wantEnd {
			t.Fatalf("%q in %q from %d: %d to %d, want %d to %d", texts, data, from, start, end, wantStart, wantEnd)
		}
	}
	if start, _ := first(texts, data, 0); s.In(data) != (start >= 0) {
		t.Fatalf("%q in %q: %v", texts, data, s.In(data))
	}
}

func TestNextEqualsThePlainSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	random := func(letters string, most int) []byte {
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return b
	}
	for i := range 4000 {
		letters := []string{"ab", "abc", "abcdefgh", "a\xff\x00é"}[i%4]
		var texts [][]byte
		for range 1 + r.IntN(12) {
			texts = append(texts, random(letters, 1+r.IntN(8)))
		}
		check(t, texts, random(letters, 40))
	}
}

// A text that another begins with, ends with, or holds.
func TestTextsInsideOfEachOther(t *testing.T) {
	for _, texts := range []string{"he she his hers", "abcd bc", "abcd c", "abcde bcd cx", "a aa aaa", "abab bab", "aab ab b", "xabcdy bcz c"} {
		var set [][]byte
		for text := range strings.FieldsSeq(texts) {
			set = append(set, []byte(text))
		}
		for _, data := range []string{"ushers", "xabcdex", "abcabcd", "aaaa", "xabcdzabcdy", "babab", "", "c"} {
			check(t, set, []byte(data))
		}
	}
}

// However alike the texts and the buffer are, each byte is looked at a few times.
func TestManyTexts(t *testing.T) {
	var texts [][]byte
	for i := range 1000 {
		texts = append(texts, fmt.Appendf(nil, "%s%d", strings.Repeat("a", 40), i))
	}
	s := New(texts)
	if len(s.nodes) > 2000 {
		t.Errorf("%d nodes", len(s.nodes))
	}
	data := append(bytes.Repeat([]byte("a"), 1<<20), texts[999]...)
	if start, end := s.Next(data, 0); start != 1<<20 || end != start+41 {
		t.Error(start, end)
	}
}

func FuzzNext(f *testing.F) {
	f.Add("he\nshe\nhis\nhers", "ushers")
	f.Fuzz(func(t *testing.T, texts, data string) {
		var set [][]byte
		for text := range strings.SplitSeq(texts, "\n") {
			if text != "" {
				set = append(set, []byte(text))
			}
		}
		if len(set) > 0 && len(data) < 200 {
			check(t, set, []byte(data))
		}
	})
}

func BenchmarkNext(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 9))
	line := []byte(`2026-03-01T09:00:00Z level=info msg="request served" method=GET path=/api/v1/users/4711 status=200 took=12.5ms trace=4bf92f3577b34da6` + "\n")
	data := bytes.Repeat(line, 8000)
	for _, n := range []int{40, 1000} {
		var texts [][]byte
		for range n {
			texts = append(texts, fmt.Appendf(nil, "%016x", r.Uint64()))
		}
		s := New(texts)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				s.Next(data, 0)
			}
		})
	}
}
