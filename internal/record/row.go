// Package record is the log line as all packages share it: the row, its order, and the codecs that read raw lines.
package record

import (
	"cmp"
	"strings"

	"lethe/internal/layout"
)

// Row is one log line. Which of the labels are set depends on the kind: of a pod's line Namespace, Pod, Container, Stream
// and Node; of a node's line Node and Process. Unknown labels are empty.
type Row struct {
	// Time is the line's own time in Unix nanoseconds, UTC.
	Time int64
	// Namespace and, for node logs, Node are the target in the object's key, whatever the record said.
	Namespace, Pod, Container, Stream, Node, Process string
	// Log is the line without its line end. It may hold any bytes. Who hands out a Row says how long Log stays valid.
	Log []byte
}

// MaxLineBytes is the longest line that is kept whole. A longer one is cut at a rune's edge and ends with CutMark.
const MaxLineBytes = 1 << 20

// CutMark ends a line that was cut, with the number of bytes that are missing in place of %d.
const CutMark = "… [cut: %d bytes more]"

// Group returns the labels that a block is sorted by before time: pod and container, or process and "".
func (r *Row) Group(k layout.Kind) (string, string) {
	if k == layout.Node {
		return r.Process, ""
	}
	return r.Pod, r.Container
}

// CompareStored is the order of rows in a block: pod, container (or process), time. Rows that compare equal keep the order
// in which their agent sent them: sort stably.
func CompareStored(k layout.Kind, a, b *Row) int {
	a1, a2 := a.Group(k)
	b1, b2 := b.Group(k)
	if c := strings.Compare(a1, b1); c != 0 {
		return c
	}
	if c := strings.Compare(a2, b2); c != 0 {
		return c
	}
	return cmp.Compare(a.Time, b.Time)
}

// Labels of each kind, in the order in which errors and listings name them.
var (
	PodLabels  = []string{"namespace", "pod", "container", "stream", "node"}
	NodeLabels = []string{"node", "process"}
)

// LabelsOf returns the names of the labels of a kind.
func LabelsOf(k layout.Kind) []string {
	if k == layout.Node {
		return NodeLabels
	}
	return PodLabels
}

// Label returns the value of a label, "" for one that the row does not have.
func (r *Row) Label(name string) string {
	switch name {
	case "namespace":
		return r.Namespace
	case "pod":
		return r.Pod
	case "container":
		return r.Container
	case "stream":
		return r.Stream
	case "node":
		return r.Node
	case "process":
		return r.Process
	}
	return ""
}
