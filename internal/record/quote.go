package record

// AppendQuoted appends b to dst as a string of JSON. Bytes from 0x20 on stay as they are, valid UTF-8 or not, so that a Decoder
// gives back the same bytes.
func AppendQuoted[T string | []byte](dst []byte, b T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := range len(b) {
		c := b[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, b[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, b[start:]...), '"')
}
