package sample

// nodes of the cluster.
var nodes = [...]string{"node-1", "node-2", "node-3"}

// pods that write logs. The container's name is that of its template; the rate is in entries a minute of each pod.
var pods = [...]struct {
	namespace, container string
	pods                 []string
	rate                 float64
}{
	{"ingress-nginx", "ingress", []string{"ingress-nginx-controller-6b8f9d4c7-kx2vd", "ingress-nginx-controller-6b8f9d4c7-9tq5w"}, 4},
	{"shop", "checkout", []string{"checkout-7d4f8c9b6-zz9pl", "checkout-7d4f8c9b6-4hj7k", "checkout-7d4f8c9b6-q8rmn"}, 2.5},
	{"shop", "orders", []string{"orders-85c6d5f9b-x7w2c", "orders-85c6d5f9b-l5v8t"}, 1.5},
	{"shop", "recommender", []string{"recommender-5c9d7f6b48-m2x9q"}, 1},
	{"db", "postgres", []string{"postgres-0"}, 0.8},
	{"kube-system", "coredns", []string{"coredns-565d847f94-x2x7p", "coredns-565d847f94-6nb4s"}, 1.5},
}

// processes that write to the journal of each node.
var processes = [...]struct {
	name string
	rate float64
}{{"kubelet", 0.5}, {"containerd", 0.3}, {"kernel", 0.1}, {"sshd", 0.1}}
