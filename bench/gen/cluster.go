package gen

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"lethe/internal/record"
)

// pod is what all lines of a container have in common. It never changes, so a generator may run more than once.
type pod struct {
	row         record.Row
	containerID string
	write       func(s *scribe, p *pod)
	pid         int
	index       int // among all pods
	// what its lines speak of again and again
	uid, image string
}

// program is a kind of workload. Its weight is the share of pods that run it.
type program struct {
	name, container string
	weight          int
	write           func(s *scribe, p *pod)
}

// programs in their order; the first pods of a namespace run one of each.
var programs = []program{
	{"nginx", "nginx", 5, (*scribe).nginx},
	{"checkout", "api", 5, (*scribe).service},
	{"controller-manager", "manager", 3, (*scribe).klog},
	{"orders", "app", 4, (*scribe).java},
	{"ingester", "ingester", 4, (*scribe).logfmt},
	{"postgres", "postgres", 2, (*scribe).postgres},
	{"event-exporter", "exporter", 1, (*scribe).events},
	{"session-cache", "cache", 1, (*scribe).noise},
}

var namespaceNames = []string{"default", "shop", "payments", "kube-system", "monitoring", "search", "billing", "ml-batch"}

// cluster makes the pods of all namespaces.
func cluster(r *rand.Rand, o Options) []*pod {
	var pods []*pod
	for n := range o.Namespaces {
		namespace := namespaceNames[n%len(namespaceNames)]
		if n >= len(namespaceNames) {
			namespace = fmt.Sprintf("%s-%d", namespace, n/len(namespaceNames))
		}
		for i := range o.Pods {
			prog := programs[i%len(programs)]
			if i >= len(programs) {
				prog = pickProgram(r)
			}
			node := fmt.Sprintf("ip-10-0-%d-%d.eu-west-1.compute.internal", r.IntN(4), 10+r.IntN(o.Nodes))
			pods = append(pods, &pod{
				row: record.Row{
					Namespace: namespace, Container: prog.container, Stream: "stdout", Node: node,
					Pod: fmt.Sprintf("%s-%s-%s", prog.name, text(r, suffixLetters, 9), text(r, suffixLetters, 5)),
				},
				index:       len(pods),
				containerID: text(r, hexDigits, 64),
				write:       prog.write,
				pid:         1 + r.IntN(300),
				uid:         string(appendUUID(nil, r)),
				image:       fmt.Sprintf("registry.example.com/%s/%s:v1.%d.%d", namespace, prog.name, r.IntN(30), r.IntN(10)),
			})
		}
	}
	limitNodes(pods, o.Nodes)
	return pods
}

// limitNodes puts the pods on as many nodes as there are.
func limitNodes(pods []*pod, n int) {
	var nodes []string
	for _, p := range pods {
		if !slices.Contains(nodes, p.row.Node) {
			if len(nodes) < n {
				nodes = append(nodes, p.row.Node)
			} else {
				p.row.Node = nodes[len(p.row.Pod)%n]
			}
		}
	}
}

func pickProgram(r *rand.Rand) program {
	total := 0
	for _, p := range programs {
		total += p.weight
	}
	n := r.IntN(total)
	for _, p := range programs {
		if n -= p.weight; n < 0 {
			return p
		}
	}
	return programs[0]
}

// shares gives pods a share of the lines by Zipf's law, in a random order, as sums.
func shares(r *rand.Rand, n int) []float64 {
	shares := make([]float64, n)
	var total float64
	for i, rank := range r.Perm(n) {
		shares[i] = 1 / float64(rank+1)
		total += shares[i]
	}
	var sum float64
	for i := range shares {
		sum += shares[i] / total
		shares[i] = sum
	}
	shares[n-1] = 1
	return shares
}
