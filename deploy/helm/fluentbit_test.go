package helm_test

import (
	"os"
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

// TestFluentBitIsTheConfigurationThatWasRun compares the rendered configuration with the one whose output is in testdata.
func TestFluentBitIsTheConfigurationThatWasRun(t *testing.T) {
	files, _ := fluentBit(t)
	for name, path := range map[string]string{"fluent-bit.conf": "fluent-bit.conf", "parsers.conf": "parsers.conf"} {
		ran, err := os.ReadFile("../../testdata/fluent-bit/config/" + path)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("${CONTAINERS}", "/var/log/containers", "${JOURNAL}", "/var/log/journal",
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
