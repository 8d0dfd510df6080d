package rawobj

import (
	"slices"

	"lethe/internal/catalog"
)

// Remember adds bodies to a memory of consumed ones: those of one identity become one, with all names. It changes neither argument.
func Remember(memory, bodies []catalog.Body) []catalog.Body {
	type identity struct {
		first, digest string
		length        int64
	}
	idOf := func(b *catalog.Body) identity { return identity{b.First, b.Digest, b.Length} }
	// Of the two it is the memory that is long: it is looked through, not looked up in.
	where := make(map[identity]int, len(bodies))
	for i := range bodies {
		where[idOf(&bodies[i])] = -1
	}
	out := make([]catalog.Body, len(memory), len(memory)+len(bodies))
	copy(out, memory)
	for i := range out {
		if _, ok := where[idOf(&out[i])]; ok {
			where[idOf(&out[i])] = i
		}
	}
	for i := range bodies {
		b := &bodies[i]
		at := where[idOf(b)]
		if at < 0 {
			where[idOf(b)] = len(out)
			out = append(out, *b)
			continue
		}
		names := slices.Clone(out[at].Names)
		for _, name := range b.Names {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		out[at].Names = names
	}
	return out
}
