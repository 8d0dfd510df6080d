package helm_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// find returns the only object of a type whose name ends so.
func find[T any](t *testing.T, all []any, suffix string) T {
	t.Helper()
	var found []T
	for _, d := range all {
		if named, ok := d.(interface{ GetName() string }); !ok || !strings.HasSuffix(named.GetName(), suffix) {
			continue
		}
		if o, ok := d.(T); ok {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		var zero T
		t.Fatalf("%d objects %T …%s, want 1", len(found), zero, suffix)
	}
	return found[0]
}

func objects(t *testing.T, sets ...string) []any {
	t.Helper()
	out, err := render(t, sets...)
	if err != nil {
		t.Fatal(err)
	}
	return docs(t, out)
}

// outputs returns the [OUTPUT] sections of all configuration files of the agents.
func outputs(t *testing.T, all []any) (out []section) {
	t.Helper()
	for name, text := range find[*corev1.ConfigMap](t, all, "-fluent-bit").Data {
		if strings.HasPrefix(name, "parsers") {
			continue
		}
		for _, s := range parseFluentBit(t, text) {
			if s.name == "[OUTPUT]" {
				out = append(out, s)
			}
		}
	}
	if len(out) != 3 {
		t.Fatalf("%d outputs, want those of pods, nodes and events", len(out))
	}
	return out
}

// TestAgentsOutliveTheirPods looks at what a DaemonSet of agents must have: every node, time to upload at the end, state on the node.
func TestAgentsOutliveTheirPods(t *testing.T) {
	all := objects(t)
	ds := find[*appsv1.DaemonSet](t, all, "-fluent-bit")
	spec := ds.Spec.Template.Spec
	if !slices.ContainsFunc(spec.Tolerations, func(tol corev1.Toleration) bool {
		return tol.Operator == corev1.TolerationOpExists && tol.Key == "" && tol.Effect == ""
	}) {
		t.Error("the agents do not run on tainted nodes")
	}
	if *spec.TerminationGracePeriodSeconds <= 60 {
		t.Error("the pod is killed before Fluent Bit's Grace of 60s is over")
	}
	onNode := map[string]string{}
	for _, v := range spec.Volumes {
		if v.HostPath != nil {
			onNode[v.Name] = v.HostPath.Path
		}
	}
	// A path of the container lies on the node where the longest mount that holds it is a hostPath.
	kept := func(path string) bool {
		var best corev1.VolumeMount
		for _, m := range spec.Containers[0].VolumeMounts {
			if (path == m.MountPath || strings.HasPrefix(path, m.MountPath+"/")) && len(m.MountPath) > len(best.MountPath) {
				best = m
			}
		}
		return onNode[best.Name] != "" && !best.ReadOnly
	}
	states := 0
	for _, s := range parseFluentBit(t, find[*corev1.ConfigMap](t, all, "-fluent-bit").Data["fluent-bit.conf"]) {
		for _, key := range []string{"db", "store_dir", "storage.path"} {
			for _, path := range s.keys[key] {
				states++
				if !kept(path) {
					t.Errorf("%s of %s is lost with the pod: %s", key, s.name, path)
				}
			}
		}
	}
	if states != 5 {
		t.Errorf("%d paths with state, want 5", states)
	}
}

// TestAgentsOnNodesWithSELinux: the label is the agents' alone, and none is asked for where nobody gives one.
func TestAgentsOnNodesWithSELinux(t *testing.T) {
	for set, want := range map[string]string{"fluentBit.enabled=true": "", "fluentBit.seLinuxOptions.type=spc_t": "spc_t"} {
		for _, d := range objects(t, set) {
			pod, spec := podOf(d)
			if spec == nil {
				continue
			}
			got := ""
			if o := spec.SecurityContext.SELinuxOptions; o != nil {
				got = o.Type
			}
			if agents := strings.HasSuffix(pod, "-fluent-bit"); agents && got != want || !agents && got != "" {
				t.Errorf("%s: %s runs as %q", set, pod, got)
			}
		}
	}
}

func TestEventsHaveTheirOwnPosition(t *testing.T) {
	all := objects(t)
	d := find[*appsv1.Deployment](t, all, "-events")
	if *d.Spec.Replicas != 1 || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Error("two pods at once would ship each event twice")
	}
	spec := d.Spec.Template.Spec
	mount := spec.Containers[0].VolumeMounts[slices.IndexFunc(spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/state" })]
	volume := spec.Volumes[slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })]
	if volume.PersistentVolumeClaim == nil {
		t.Error("the position is lost with the pod")
	}
	for _, s := range parseFluentBit(t, find[*corev1.ConfigMap](t, all, "-fluent-bit").Data["events.conf"]) {
		switch s.name {
		case "[INPUT]":
			if s.keys["name"][0] != "kubernetes_events" || !strings.HasPrefix(s.keys["db"][0], "/state/") {
				t.Errorf("input %v", s.keys)
			}
		case "[OUTPUT]":
			if !strings.HasPrefix(s.keys["s3_key_format"][0], "/raw/pod/kube-events/") || !strings.HasPrefix(s.keys["store_dir"][0], "/state/") {
				t.Errorf("output %v", s.keys)
			}
		}
	}
	role := find[*rbacv1.ClusterRole](t, all, "-events")
	for _, r := range role.Rules {
		if !slices.Equal(r.Resources, []string{"events"}) || !slices.Equal(r.Verbs, []string{"get", "list", "watch"}) {
			t.Errorf("events may %v", r)
		}
	}
}

// TestTwoClustersShareABucket follows the prefix to everything that names a key: the agents' keys, the bucket of each pod that runs lethe,
// and the policies.
func TestTwoClustersShareABucket(t *testing.T) {
	all := objects(t, "s3.prefix=/clusters/a/")
	for _, o := range outputs(t, all) {
		if !strings.HasPrefix(o.keys["s3_key_format"][0], "/clusters/a/raw/") {
			t.Errorf("an agent writes %s", o.keys["s3_key_format"][0])
		}
	}
	buckets := 0
	for name, env := range environments(all) {
		if bucket, ok := env["LETHE_BUCKET"]; ok {
			buckets++
			if !strings.HasPrefix(bucket, "s3://lethe/clusters/a?") {
				t.Errorf("%s uses %s", name, bucket)
			}
		}
	}
	if buckets != 3 {
		t.Errorf("%d pods have a bucket, want query, compactor and alert", buckets)
	}
	policies := find[*corev1.ConfigMap](t, all, "-minio-setup").Data
	for _, role := range []string{"agents", "query", "alert", "compactor"} {
		text := policies[role+".json"]
		for _, arn := range strings.Split(text, "arn:aws:s3:::")[1:] {
			arn, _, _ = strings.Cut(arn, `"`)
			if arn != "lethe" && !strings.HasPrefix(arn, "lethe/clusters/a/") {
				t.Errorf("%s may touch %s", role, arn)
			}
		}
		if strings.Contains(text, "PREFIX") || strings.Contains(text, "BUCKET") {
			t.Errorf("%s: a placeholder is left in\n%s", role, text)
		}
	}
}

// environments returns the plain variables of all containers, by pod and container.
func environments(all []any) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, d := range all {
		pod, spec := podOf(d)
		if spec == nil {
			continue
		}
		for _, c := range append(spec.InitContainers, spec.Containers...) {
			env := map[string]string{}
			for _, e := range c.Env {
				env[e.Name] = e.Value
			}
			out[pod+"/"+c.Name] = env
		}
	}
	return out
}

// TestPrivateCA wants the certificate in every pod that talks to the store, and told to what runs in it.
func TestPrivateCA(t *testing.T) {
	for _, set := range []string{"s3.caSecret=ca", "s3.caConfigMap=ca"} {
		all := objects(t, append(slices.Clone(matrix["external S3"]), set)...)
		for _, o := range outputs(t, all) {
			if len(o.keys["tls.ca_file"]) != 1 || o.keys["tls.ca_file"][0] != "/etc/lethe/ca/ca.crt" {
				t.Errorf("%s: an agent's output does not know the CA", set)
			}
		}
		clients := 0
		for _, d := range all {
			pod, spec := podOf(d)
			if spec == nil {
				continue
			}
			for _, c := range spec.Containers {
				talks := slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "LETHE_BUCKET" || e.Name == "S3_ENDPOINT" })
				if !talks {
					continue
				}
				clients++
				if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/etc/lethe/ca" }) {
					t.Errorf("%s: %s/%s does not mount the CA", set, pod, c.Name)
				}
			}
		}
		if clients != 5 {
			t.Errorf("%s: %d containers talk to the store, want 5", set, clients)
		}
		for name, env := range environments(all) {
			if bucket, ok := env["LETHE_BUCKET"]; ok && !strings.Contains(bucket, "&ca_file=/etc/lethe/ca/ca.crt") {
				t.Errorf("%s: %s has the bucket %s", set, name, bucket)
			}
		}
	}
}

// TestRolesOfServiceAccounts gives each role an annotation, and wants it on the account of every pod that acts in the role.
func TestRolesOfServiceAccounts(t *testing.T) {
	sets := slices.Clone(matrix["IRSA"])
	for _, role := range []string{"agents", "query", "alert", "compactor"} {
		sets = append(sets, "credentials."+role+`.serviceAccountAnnotations.eks\.amazonaws\.com/role-arn=arn:`+role)
	}
	all := objects(t, sets...)
	acts := map[string]string{"-fluent-bit": "agents", "-events": "agents", "-query": "query", "-alert": "alert", "-compactor": "compactor"}
	seen := 0
	for _, d := range all {
		pod, spec := podOf(d)
		for suffix, role := range acts {
			if spec == nil || !strings.HasSuffix(pod, suffix) {
				continue
			}
			seen++
			account := find[*corev1.ServiceAccount](t, all, spec.ServiceAccountName)
			if got := account.Annotations["eks.amazonaws.com/role-arn"]; got != "arn:"+role {
				t.Errorf("%s runs as %s with the role %q", pod, account.Name, got)
			}
			for _, c := range spec.Containers {
				for _, e := range c.Env {
					if strings.HasPrefix(e.Name, "AWS_") {
						t.Errorf("%s has %s, which would win over the role", pod, e.Name)
					}
				}
			}
		}
	}
	if seen != len(acts) {
		t.Errorf("%d pods seen, want %d", seen, len(acts))
	}
}
