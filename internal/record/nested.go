package record

// nested scans an object or an array that nothing is taken from, without recursion.
func (s *scanner) nested(i int) (int, bool) {
	s.nest = append(s.nest[:0], s.b[i])
	i = s.space(i + 1)
	first := true // no member of the innermost one has been scanned
	for {
		in := s.nest[len(s.nest)-1]
		switch {
		case i >= len(s.b):
			return i, s.fail(i, "it ends inside a value")
		case s.b[i] == in+2: // } is { + 2 and ] is [ + 2
			i++
			if s.nest = s.nest[:len(s.nest)-1]; len(s.nest) == 0 {
				return i, true
			}
			i, first = s.space(i), false
			continue
		case first:
		case s.b[i] != ',':
			return i, s.fail(i, "a comma or a closing bracket is missing")
		default:
			i = s.space(i + 1)
		}
		var ok bool
		if in == '{' {
			if _, i, ok = s.name(i, recordKeys); !ok {
				return i, false
			}
		}
		if i < len(s.b) && (s.b[i] == '{' || s.b[i] == '[') {
			if len(s.nest) >= maxDepth-1 {
				return i, s.fail(i, "it is nested too deep")
			}
			s.nest = append(s.nest, s.b[i])
			i, first = s.space(i+1), true
			continue
		}
		if i, ok = s.scalar(i); !ok {
			return i, false
		}
		i, first = s.space(i), false
	}
}

// scalar scans a value that is neither an object nor an array.
func (s *scanner) scalar(i int) (int, bool) {
	if i < len(s.b) && s.b[i] == '"' {
		end, _, ok := s.str(i + 1)
		return end + 1, ok
	}
	end, _, ok := s.other(i)
	return end, ok
}
