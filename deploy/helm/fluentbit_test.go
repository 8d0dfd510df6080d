package helm_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// section is one section of Fluent Bit's classic configuration: its name, and keys in lower case with their values.
type section struct {
	name string
	keys map[string][]string
}

func parseFluentBit(t *testing.T, text string) []section {
	t.Helper()
	var out []section
	for n, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		case strings.HasPrefix(trimmed, "["):
			if !strings.HasSuffix(trimmed, "]") || strings.TrimLeft(line, " ") != line {
				t.Fatalf("line %d: %q is no section", n+1, line)
			}
			out = append(out, section{name: trimmed, keys: map[string][]string{}})
		default:
			key, value, ok := strings.Cut(trimmed, " ")
			if !ok || len(out) == 0 || strings.TrimSpace(value) == "" {
				t.Fatalf("line %d: %q is no key with a value inside a section", n+1, line)
			}
			keys := out[len(out)-1].keys
			keys[strings.ToLower(key)] = append(keys[strings.ToLower(key)], strings.TrimSpace(value))
		}
	}
	return out
}

// fluentBit renders the chart and returns the agents' files and the environment of their container.
func fluentBit(t *testing.T, sets ...string) (files map[string]string, env []string) {
	t.Helper()
	out, err := render(t, sets...)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs(t, out) {
		switch o := d.(type) {
		case *corev1.ConfigMap:
			if strings.HasSuffix(o.Name, "-fluent-bit") {
				files = o.Data
			}
		case *appsv1.DaemonSet:
			for _, e := range o.Spec.Template.Spec.Containers[0].Env {
				env = append(env, e.Name)
			}
		}
	}
	if files == nil || env == nil {
		t.Fatal("no agents rendered")
	}
	return files, env
}

// TestFluentBitIsTheConfigurationThatWasRun compares the rendered configuration with the one whose output is in testdata. Two things are not as they
// were run: which files are left out, and where journals are looked for. The next two tests look at these.
func TestFluentBitIsTheConfigurationThatWasRun(t *testing.T) {
	files, _ := fluentBit(t, "fluentBit.journalPath=/var/log/journal")
	own := input(t, files, "tail").keys["exclude_path"][0]
	for _, name := range []string{"fluent-bit.conf", "parsers.conf"} {
		ran, err := os.ReadFile("../../testdata/fluent-bit/config/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("${CONTAINERS}/*_fluent-bit-*.log", own, "${CONTAINERS}", "/var/log/containers", "${JOURNAL}", "/var/log/journal",
			"${STATE}", "/var/lib/lethe-fluent-bit/logs/demo", "${UPLOAD}", "60s").Replace(string(ran))
		got, want := parseFluentBit(t, files[name]), parseFluentBit(t, text)
		if len(got) != len(want) {
			t.Fatalf("%s: %d sections, want %d", name, len(got), len(want))
		}
		for i := range want {
			if got[i].name != want[i].name {
				t.Errorf("%s: section %d is %s, want %s", name, i, got[i].name, want[i].name)
			}
			for k, v := range want[i].keys {
				if !slices.Equal(got[i].keys[k], v) {
					t.Errorf("%s: %s %s is %q, want %q", name, want[i].name, k, got[i].keys[k], v)
				}
			}
			for k := range got[i].keys {
				if _, ok := want[i].keys[k]; !ok {
					t.Errorf("%s: %s has %s, which was not run", name, want[i].name, k)
				}
			}
		}
	}
}

// input returns the agents' input of a plugin.
func input(t *testing.T, files map[string]string, plugin string) section {
	t.Helper()
	for _, s := range parseFluentBit(t, files["fluent-bit.conf"]) {
		if s.name == "[INPUT]" && s.keys["name"][0] == plugin {
			return s
		}
	}
	t.Fatalf("no input %s", plugin)
	return section{}
}

// TestOnlyOwnLinesAreLeftOut: an agent leaves out the pods of its own release, by the names that kubelet gives to their files.
func TestOnlyOwnLinesAreLeftOut(t *testing.T) {
	id := strings.Repeat("0af1", 16)
	conf, _ := fluentBit(t)
	tail := input(t, conf, "tail")
	for file, leftOut := range map[string]bool{
		"demo-fluent-bit-x7k2p_logs_fluent-bit":          true,
		"demo-events-6d8f7c9b5d-abcde_logs_fluent-bit":   true,
		"demo-query-6d8f7c9b5d-abcde_logs_query":         false,
		"web-0_fluent-bit-team_nginx":                    false,
		"demo-fluent-bit-x7k2p_logs_istio-proxy":         false,
		"demo-fluent-bit-x7k2p_logs-two_fluent-bit":      false,
		"fluent-bit-x7k2p_logging_fluent-bit":            false,
		"my-fluent-bit-demo-fluent-bit-0_logs_collector": false,
		"shop-demo-fluent-bit-x7k2p_logs_fluent-bit":     false,
	} {
		full := "/var/log/containers/" + file + "-" + id + ".log"
		got := slices.ContainsFunc(strings.Split(tail.keys["exclude_path"][0], ","), func(pattern string) bool { return matches(t, pattern, full) })
		if !matches(t, tail.keys["path"][0], full) || got != leftOut {
			t.Errorf("%s is left out: %t, want %t", full, got, leftOut)
		}
	}
}

// matches is fnmatch, as far as no asterisk has a slash to match.
func matches(t *testing.T, pattern, name string) bool {
	t.Helper()
	ok, err := path.Match(pattern, name)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestJournalsWhereverTheyAre: libsystemd finds both places, if they and the machine's id are there to be found; nothing is made beside /run.
func TestJournalsWhereverTheyAre(t *testing.T) {
	for sets, want := range map[string]struct {
		path   []string
		mounts map[string]string // the folder of the node by that of the pod
	}{
		"":                                       {nil, map[string]string{"/var/log": "/var/log", "/run/log": "/run/log", "/etc/machine-id": "/etc/machine-id"}},
		"fluentBit.journalPath=/var/log/journal": {[]string{"/var/log/journal"}, map[string]string{"/var/log": "/var/log"}},
		"fluentBit.journalPath=/data/journal":    {[]string{"/data/journal"}, map[string]string{"/data/journal": "/data/journal"}},
	} {
		files, _ := fluentBit(t, strings.Fields(sets)...)
		if got := input(t, files, "systemd").keys["path"]; !slices.Equal(got, want.path) {
			t.Errorf("%q: journals are read at %q, want %q", sets, got, want.path)
		}
		spec := find[*appsv1.DaemonSet](t, objects(t, strings.Fields(sets)...), "-fluent-bit").Spec.Template.Spec
		for inside, outside := range want.mounts {
			m := spec.Containers[0].VolumeMounts[slices.IndexFunc(spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == inside })]
			v := spec.Volumes[slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })]
			if !m.ReadOnly || v.HostPath == nil || v.HostPath.Path != outside {
				t.Errorf("%q: %s is %v, may be written: %t", sets, inside, v.HostPath, !m.ReadOnly)
			}
		}
		for _, v := range spec.Volumes {
			if v.HostPath != nil && v.HostPath.Type != nil && *v.HostPath.Type == corev1.HostPathDirectoryOrCreate && strings.HasPrefix(v.HostPath.Path, "/var/log") {
				t.Errorf("%q: %s is made on nodes that have none, and journald begins to write there", sets, v.HostPath.Path)
			}
		}
	}
}

func TestFluentBitHasNoUnsetVariable(t *testing.T) {
	for name, sets := range matrix {
		if name == "all off" {
			continue
		}
		files, env := fluentBit(t, sets...)
		for file, text := range files {
			for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(text, -1) {
				if !slices.Contains(env, m[1]) {
					t.Errorf("%s: %s uses %s, which the pod does not set", name, file, m[1])
				}
			}
			parseFluentBit(t, text)
		}
	}
}

func TestFluentBitExtras(t *testing.T) {
	files, _ := fluentBit(t, "s3.prefix=clusters/a", "fluentBit.extraFilters=[FILTER]\n    Name grep\n    Match pod_*\n    Exclude log healthz")
	var grep, outputs int
	for _, s := range parseFluentBit(t, files["fluent-bit.conf"]) {
		if s.name == "[FILTER]" && s.keys["name"][0] == "grep" {
			grep++
		}
		if s.name == "[OUTPUT]" {
			outputs++
			if !strings.HasPrefix(s.keys["s3_key_format"][0], "/clusters/a/raw/") {
				t.Errorf("key %q is not under the prefix", s.keys["s3_key_format"][0])
			}
		}
	}
	if grep != 1 || outputs != 2 {
		t.Errorf("%d grep filters and %d outputs, want 1 and 2", grep, outputs)
	}
	stores := map[string]bool{}
	for _, s := range parseFluentBit(t, files["fluent-bit.conf"]) {
		if s.name == "[OUTPUT]" {
			stores[s.keys["store_dir"][0]] = true
			if len(s.keys["retry_limit"]) != 1 {
				t.Error("an output without Retry_Limit gives uploads up")
			}
		}
	}
	if len(stores) != 2 {
		t.Errorf("the outputs share a store_dir: %v", stores)
	}
}

// TestReleasesShareNoState: agents of two releases run on the same nodes.
func TestReleasesShareNoState(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"", "other"} {
		all := objects(t, "fullnameOverride="+name)
		spec := find[*appsv1.DaemonSet](t, all, "-fluent-bit").Spec.Template.Spec
		if spec.NodeSelector["kubernetes.io/os"] != "linux" {
			t.Error("agents run on nodes of Windows, whose taints they tolerate")
		}
		for _, v := range spec.Volumes {
			if v.Name == "state" {
				if other, ok := seen[v.HostPath.Path]; ok {
					t.Errorf("%q and %q keep their state in %s", other, name, v.HostPath.Path)
				}
				seen[v.HostPath.Path] = name
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("state of two releases: %v", seen)
	}
}
