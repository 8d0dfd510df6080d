package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/buger/jsonparser"
)

// jsonStep leads from an object to the value of a key or, where there is an index from 0, from an array to an element.
type jsonStep struct {
	key   string
	index int
}

func keyStep(key string) jsonStep { return jsonStep{key, -1} }

// jsonPath splits servers[0].name and ["a b"].c into steps.
func jsonPath(path string) ([]jsonStep, error) {
	bad := fmt.Errorf("invalid path %q: write keys as in request.headers[0], and other keys as in [\"x y\"]", path)
	var steps []jsonStep
	for rest := path; rest != ""; {
		switch {
		case strings.HasPrefix(rest, `["`):
			end := strings.Index(rest, `"]`)
			if end < 2 {
				return nil, bad
			}
			steps, rest = append(steps, keyStep(rest[2:end])), rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 2 {
				return nil, bad
			}
			n, err := strconv.ParseUint(rest[1:end], 10, 31)
			if err != nil {
				return nil, bad
			}
			steps, rest = append(steps, jsonStep{index: int(n)}), rest[end+1:]
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, bad
			}
			steps, rest = append(steps, keyStep(rest[:end])), rest[end:]
		}
	}
	if len(steps) == 0 {
		return nil, bad
	}
	return steps, nil
}

// lookup follows steps from an object that is valid JSON. What is not there is of no kind. It goes step by step: jsonparser.Get, where a key holds no array, takes
// the index in the next array that it meets, whatever its key. It fails when ctx ends.
func lookup(ctx context.Context, value []byte, steps []jsonStep) (found []byte, kind jsonparser.ValueType, err error) {
	kind = jsonparser.Object
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return nil, jsonparser.NotExist, err
		}
		switch {
		case s.index < 0 && kind == jsonparser.Object:
			value, kind, err = member(value, s.key)
		case s.index >= 0 && kind == jsonparser.Array:
			value, kind, err = element(value, s.index)
		default:
			return nil, jsonparser.NotExist, nil
		}
		if err != nil {
			return nil, jsonparser.NotExist, err
		}
	}
	return value, kind, nil
}

// member returns the value of a key, the last one where there are several, as the stage takes it that takes out all keys.
func member(object []byte, key string) (value []byte, kind jsonparser.ValueType, err error) {
	err = jsonparser.ObjectEach(object, func(k, v []byte, t jsonparser.ValueType, _ int) error {
		if string(k) == key && t != jsonparser.Null {
			value, kind = v, t
		}
		return nil
	})
	return value, kind, err
}

func element(array []byte, index int) (value []byte, kind jsonparser.ValueType, err error) {
	i := 0
	_, err = jsonparser.ArrayEach(array, func(v []byte, t jsonparser.ValueType, _ int, _ error) {
		if i == index {
			value, kind = v, t
		}
		i++
	})
	return value, kind, err
}
