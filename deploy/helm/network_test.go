package helm_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// peer is a pod, by its namespace and labels; without labels it is somebody outside of the cluster.
type peer struct {
	namespace string
	labels    map[string]string
	spec      corev1.PodSpec
}

// pods returns the pods that a release makes, by component.
func pods(all []any) map[string]peer {
	out := map[string]peer{}
	add := func(o metav1.ObjectMeta, spec corev1.PodSpec) {
		out[o.Labels["app.kubernetes.io/component"]] = peer{"logs", o.Labels, spec}
	}
	for _, d := range all {
		switch o := d.(type) {
		case *appsv1.Deployment:
			add(o.Spec.Template.ObjectMeta, o.Spec.Template.Spec)
		case *appsv1.DaemonSet:
			add(o.Spec.Template.ObjectMeta, o.Spec.Template.Spec)
		case *appsv1.StatefulSet:
			add(o.Spec.Template.ObjectMeta, o.Spec.Template.Spec)
		case *batchv1.Job:
			add(o.Spec.Template.ObjectMeta, o.Spec.Template.Spec)
		case *batchv1.CronJob:
			add(o.Spec.JobTemplate.Spec.Template.ObjectMeta, o.Spec.JobTemplate.Spec.Template.Spec)
		case *corev1.Pod:
			add(o.ObjectMeta, o.Spec)
		}
	}
	return out
}

// reaches tells whether all network policies of a release let a client reach a pod at the port of a name.
func reaches(t *testing.T, all []any, client, server peer, port string) bool {
	t.Helper()
	if !slices.ContainsFunc(server.spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return p.Name == port }) {
		t.Fatalf("%v has no port %s", server.labels, port)
	}
	isolated, open := false, false
	for _, d := range all {
		p, ok := d.(*networkingv1.NetworkPolicy)
		if !ok || !selects(t, &p.Spec.PodSelector, server.labels) {
			continue
		}
		if !slices.Equal(p.Spec.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}) {
			t.Errorf("%s: %v would cut pods off from names and the store", p.Name, p.Spec.PolicyTypes)
		}
		isolated = true
		for _, rule := range p.Spec.Ingress {
			admitted := len(rule.From) == 0 || slices.ContainsFunc(rule.From, func(f networkingv1.NetworkPolicyPeer) bool { return admits(t, p.Namespace, f, client) })
			open = open || rule.Ports[0].Port.String() == port && admitted
		}
	}
	return open || !isolated
}

func admits(t *testing.T, namespace string, from networkingv1.NetworkPolicyPeer, client peer) bool {
	t.Helper()
	if from.IPBlock != nil || client.labels == nil {
		return false
	}
	if from.NamespaceSelector == nil && client.namespace != namespace ||
		from.NamespaceSelector != nil && !selects(t, from.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": client.namespace}) {
		return false
	}
	return from.PodSelector == nil || selects(t, from.PodSelector, client.labels)
}

func selects(t *testing.T, s *metav1.LabelSelector, of map[string]string) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(labels.Set(of))
}

// TestPoliciesLetThroughWhatIsNeeded follows each way that the pods of a release take to each other, and some that others take.
func TestPoliciesLetThroughWhatIsNeeded(t *testing.T) {
	everything := []string{"venti.enabled=true", "prometheus.enabled=true", "alertmanager.enabled=true"}
	grafana := peer{namespace: "grafana", labels: map[string]string{"app": "grafana"}}
	importer := peer{namespace: "old", labels: map[string]string{"app": "import"}}
	var outside peer
	for _, test := range []struct {
		name                     string
		sets                     []string
		grafana, importer, world bool
	}{
		{"defaults", nil, true, false, false},
		{"named clients", []string{"query.networkPolicy.from[0].ipBlock.cidr=10.0.0.0/8", "minio.networkPolicy.from[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=old"},
			false, true, false},
		{"load balancer", []string{"query.service.type=LoadBalancer"}, true, false, true},
		{"none", []string{"query.networkPolicy.enabled=false", "minio.networkPolicy.enabled=false"}, true, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := objects(t, slices.Concat(everything, test.sets)...)
			p := pods(all)
			for _, way := range []struct{ from, to, port string }{
				{"agents", "minio", "s3"}, {"events", "minio", "s3"}, {"query", "minio", "s3"}, {"alert", "minio", "s3"}, {"compactor", "minio", "s3"},
				{"minio-setup", "minio", "s3"}, {"venti", "query", "http"}, {"test", "query", "http"}, {"prometheus", "query", "http"}, {"query", "query", "http"},
				{"prometheus", "alert", "http"}, {"prometheus", "agents", "metrics"}, {"prometheus", "events", "metrics"},
				{"alert", "alertmanager", "http"}, {"prometheus", "alertmanager", "http"}, {"venti", "prometheus", "http"},
			} {
				if p[way.from].labels == nil || p[way.to].labels == nil {
					t.Fatalf("no pods %s or %s", way.from, way.to)
				}
				if !reaches(t, all, p[way.from], p[way.to], way.port) {
					t.Errorf("%s cannot reach %s", way.from, way.to)
				}
			}
			for what, may := range map[string][2]bool{
				"Grafana a query pod":               {reaches(t, all, grafana, p["query"], "http"), test.grafana},
				"another namespace the store":       {reaches(t, all, importer, p["minio"], "s3"), test.importer},
				"somebody from outside a query pod": {reaches(t, all, outside, p["query"], "http"), test.world},
				"somebody from outside the store":   {reaches(t, all, outside, p["minio"], "s3"), test.name == "none"},
				"somebody from outside the alerter": {reaches(t, all, outside, p["alert"], "http"), test.name == "none"},
				"a pod of this namespace the store": {reaches(t, all, peer{namespace: "logs", labels: map[string]string{"app": "x"}}, p["minio"], "s3"), test.name == "none"},
				"another release's compactor the store": {reaches(t, all, peer{namespace: "logs", labels: map[string]string{
					"app.kubernetes.io/name": "lethe", "app.kubernetes.io/instance": "other"}}, p["minio"], "s3"), test.name == "none"},
			} {
				if may[0] != may[1] {
					t.Errorf("may reach %s: %v, want %v", what, may[0], may[1])
				}
			}
		})
	}
}
