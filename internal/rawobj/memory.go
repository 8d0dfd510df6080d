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
	out := slices.Clone(memory)
	known := make(map[identity]int, len(out))
	for i, b := range out {
		known[identity{b.First, b.Digest, b.Length}] = i
	}
	for _, b := range bodies {
		id := identity{b.First, b.Digest, b.Length}
		i, ok := known[id]
		if !ok {
			known[id] = len(out)
			out = append(out, b)
			continue
		}
		names := slices.Clone(out[i].Names)
		for _, name := range b.Names {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		out[i].Names = names
	}
	return out
}
