package linefilter

import "lethe/internal/literals"

// many finds one of many literals, in one pass.
type many struct {
	*literals.Set
	texts [][]byte
}

// fewLits is up to how many literals that multi does not take are searched for one after the other.
const fewLits = 8

func newMany(texts [][]byte) *many { return &many{literals.New(texts), texts} }

type manyCursor struct {
	*many
	data []byte
}

func (c manyCursor) next(from int) (int, int) { return c.Next(c.data, from) }

func (m *many) in(data []byte) cursor { return manyCursor{m, data} }

func (m *many) found(line []byte) bool { return m.In(line) }

// cost is that of a search that looks at each byte.
func (m *many) cost() int { return 200 }

func (m *many) needs() Need {
	n := Need{Op: Or}
	for _, t := range m.texts {
		n.Subs = append(n.Subs, Need{Op: Literal, Literal: t})
	}
	return n
}
