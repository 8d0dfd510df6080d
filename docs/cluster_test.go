package docs_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// installed returns what follows `helm install` or `helm upgrade`, as `helm template` takes it; nil for another command.
func installed(c command) (args []string) {
	if c.program() != "helm" || len(c.words) < 4 || c.words[1] != "install" && c.words[1] != "upgrade" {
		return nil
	}
	for _, w := range c.words[2:] {
		// Of what is there already nothing is known here.
		if w != "--reset-then-reuse-values" {
			args = append(args, strings.Replace(w, "deploy/helm/", "../deploy/helm/", 1))
		}
	}
	return args
}

// helm parses its flags itself, and renders what is to be installed; a command on a release names the one that the documents install.
func (w *world) helm(c command) error {
	verbs := []string{"install", "upgrade", "test", "template", "uninstall"}
	if len(c.words) < 2 || !slices.Contains(verbs, c.words[1]) {
		return fmt.Errorf("helm has none of %v", verbs)
	}
	if out, err := w.runHelm(append(slices.Clone(c.words[1:]), "--help")...); err != nil {
		return &renderError{err, out}
	}
	if len(c.words) == 2 {
		return nil // in a sentence
	}
	if c.words[2] != "lethe" {
		return fmt.Errorf("the release of the documents is lethe, not %s", c.words[2])
	}
	manifests, err := w.chart(w.orDefault(installed(c)))
	if err != nil {
		return err
	}
	hook := func(m map[string]any) bool { return at(m, "metadata", "annotations", "helm.sh/hook") == "test" }
	if c.words[1] == "test" && !slices.ContainsFunc(manifests, hook) {
		return errors.New("the chart has no test")
	}
	return namespace(c)
}

// namespace: it is the same everywhere, whatever program is told.
func namespace(c command) error {
	for i, w := range c.words[:len(c.words)-1] {
		if (w == "-n" || w == "--namespace") && c.words[i+1] != "lethe" {
			return fmt.Errorf("the namespace of the documents is lethe, not %s", c.words[i+1])
		}
	}
	return nil
}

// orDefault is the default installation where nothing is given.
func (w *world) orDefault(args []string) []string {
	if args == nil {
		return []string{"lethe", "../deploy/helm/lethe", "--namespace", "lethe"}
	}
	return args
}

// kubectl: what it is told of is what the chart makes or reads. A verb that is not here nobody has looked at.
func (w *world) kubectl(c command) error {
	words := c.words[1:]
	if len(words) < 5 || words[0] != "-n" {
		return errors.New("which namespace?")
	}
	if err := namespace(c); err != nil {
		return err
	}
	words = words[2:]
	switch {
	case words[0] == "rollout" && words[1] == "status" && len(words) == 3:
		return w.exists(words[2])
	case words[0] == "create" && words[1] == "secret" && words[2] == "generic" && len(words) > 4:
		return w.secret(c, words[3], words[4:])
	case words[0] == "patch" && words[1] == "pvc" && len(words) == 5 && words[3] == "--patch":
		return w.claim(words[2], words[4])
	case words[0] == "delete" && words[1] == "statefulset" && len(words) == 4 && words[3] == "--cascade=orphan":
		return w.exists(words[1] + "/" + words[2])
	}
	return fmt.Errorf("nobody has looked at kubectl %s", strings.Join(words, " "))
}

// exists: the chart has a deployment/NAME or the like.
func (w *world) exists(resource string) error {
	kind, name, _ := strings.Cut(resource, "/")
	manifests, err := w.chart(w.orDefault(nil))
	if err != nil {
		return err
	}
	for _, m := range manifests {
		if strings.EqualFold(fmt.Sprint(m["kind"]), kind) && at(m, "metadata", "name") == name {
			return nil
		}
	}
	return fmt.Errorf("the chart makes no %s", resource)
}

// claim: the first pod of a StatefulSet has the claim, and the patch is one of its size.
func (w *world) claim(name, patch string) error {
	var p struct {
		Spec corev1.PersistentVolumeClaimSpec `json:"spec"`
	}
	if err := yaml.UnmarshalStrict([]byte(patch), &p); err != nil {
		return err
	}
	if p.Spec.Resources.Requests.Storage().IsZero() {
		return errors.New("the patch gives no size")
	}
	manifests, err := w.chart(w.orDefault(nil))
	if err != nil {
		return err
	}
	for _, m := range manifests {
		claims, _ := at(m, "spec", "volumeClaimTemplates").([]any)
		for _, c := range claims {
			if name == fmt.Sprintf("%v-%v-0", at(c, "metadata", "name"), at(m, "metadata", "name")) {
				return nil
			}
		}
	}
	return fmt.Errorf("no StatefulSet has the claim %s", name)
}

// secret: an installation in the same document reads the Secret and each of its keys, and finds all that it reads.
func (w *world) secret(c command, name string, flags []string) error {
	got := map[string]bool{}
	for _, f := range flags {
		flag, value, _ := strings.Cut(f, "=")
		switch key, _, hasValue := strings.Cut(value, "="); {
		case flag == "--from-literal" && hasValue, flag == "--from-file":
			got[key] = true
		default:
			return fmt.Errorf("what is %s?", f)
		}
	}
	want := map[string]bool{}
	for _, other := range simple(w.t, c.path, c.text) {
		args := installed(other)
		if args == nil {
			continue
		}
		manifests, err := w.chart(args)
		if err != nil {
			return err
		}
		for _, m := range manifests {
			keysOf(m, name, want)
		}
	}
	switch {
	case len(want) == 0:
		return fmt.Errorf("no installation of the document reads a secret %s", name)
	case want[""]:
		return w.files(c, got)
	case !maps.Equal(want, got):
		return fmt.Errorf("the secret has %v, and what is read is %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	return nil
}

// files: a Secret that is mounted as a folder has web.yml and the files that the one of the document names.
func (w *world) files(c command, got map[string]bool) error {
	want := map[string]bool{"web.yml": true}
	for _, b := range blocks(c.text, "yaml") {
		for _, line := range strings.Split(b, "\n") {
			if key, file, ok := strings.Cut(strings.TrimSpace(line), "_file: "); ok && (key == "cert" || key == "key") {
				want[file] = true
			}
		}
	}
	if !maps.Equal(want, got) {
		return fmt.Errorf("the secret has %v, and web.yml names %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	return nil
}

// keysOf adds the keys that a manifest reads of a Secret, "" for all of them.
func keysOf(v any, secret string, out map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			keysOf(e, secret, out)
		}
	case map[string]any:
		if ref := at(v, "secretKeyRef"); ref != nil && at(ref, "name") == secret {
			out[fmt.Sprint(at(ref, "key"))] = true
		}
		if ref := at(v, "secret"); ref != nil && at(ref, "secretName") == secret {
			items, _ := at(ref, "items").([]any)
			for _, i := range items {
				out[fmt.Sprint(at(i, "key"))] = true
			}
			if items == nil {
				out[""] = true
			}
		}
		for _, e := range v {
			keysOf(e, secret, out)
		}
	}
}

func TestWrongCommandsInAClusterAreFound(t *testing.T) {
	const install = "```sh\nhelm install lethe deploy/helm/lethe --namespace lethe --set query.webConfigSecret=web --set query.authSecret=auth\n```\n" +
		"```yaml\ntls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n```\n"
	wrong(t, install, map[string]string{
		"helm install lethe deploy/helm/lethe --namespace lethe --set nosuch=1":                                         "nosuch",
		"helm install lethe deploy/helm/lethe --namespace lethe --sets a=1":                                             "--sets",
		"helm install lethe deploy/helm/leth --namespace lethe":                                                         "no such file",
		"helm install logs deploy/helm/lethe --namespace lethe":                                                         "not logs",
		"helm upgrade lethe deploy/helm/lethe --namespace logs":                                                         "not logs",
		"helm test lethe --namespace lethe --timeout soon":                                                              "soon",
		"helm test leth --namespace lethe":                                                                              "not leth",
		"helm rollback lethe":                                                                                           "none of",
		"kubectl -n lethe rollout status deployment/lethe-query":                                                        "",
		"kubectl -n lethe rollout status deployment/lethe-server":                                                       "makes no",
		"kubectl -n lethe rollout status cronjob/lethe-query":                                                           "makes no",
		"kubectl -n logs rollout status deployment/lethe-query":                                                         "not logs",
		"kubectl rollout status deployment/lethe-query":                                                                 "which namespace",
		"kubectl -n lethe delete statefulset lethe-minio --cascade=orphan":                                              "",
		"kubectl -n lethe delete statefulset lethe-store --cascade=orphan":                                              "makes no",
		"kubectl -n lethe delete statefulset lethe-minio --cascade=foreground":                                          "nobody has looked",
		`kubectl -n lethe patch pvc data-lethe-minio-0 --patch '{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}'`: "",
		`kubectl -n lethe patch pvc data-lethe-minio --patch '{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}'`:   "no StatefulSet",
		`kubectl -n lethe patch pvc data-lethe-minio-0 --patch '{"spec":{"resource":{"requests":{"storage":"1Gi"}}}}'`:  "resource",
		`kubectl -n lethe patch pvc data-lethe-minio-0 --patch '{"spec":{}}'`:                                           "no size",
		"kubectl -n lethe delete deployment/lethe-query now":                                                            "nobody has looked",
		"kubectl -n lethe create secret generic auth --from-literal=username=a --from-literal=password=b":               "",
		"kubectl -n lethe create secret generic auth --from-literal=user=a --from-literal=password=b":                   "[password username]",
		"kubectl -n lethe create secret generic auths --from-literal=username=a --from-literal=password=b":              "no installation",
		"kubectl -n lethe create secret generic web --from-file=web.yml --from-file=a.crt --from-file=a.key":            "",
		"kubectl -n lethe create secret generic web --from-file=web.yml --from-file=a.crt":                              "a.key",
		"kubectl -n lethe create secret generic web --from-files=web.yml":                                               "--from-files",
	})
}
