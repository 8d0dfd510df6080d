package helm_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// apiServer answers what helm asks of a cluster to look up Secrets.
func apiServer(t *testing.T, secrets map[string]*corev1.Secret) string {
	t.Helper()
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"major": "1", "minor": "33", "gitVersion": "v1.33.0"})
	})
	mux.HandleFunc("GET /api", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
	})
	mux.HandleFunc("GET /apis", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}})
	})
	mux.HandleFunc("GET /api/v1", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "v1",
			APIResources: []metav1.APIResource{{Name: "secrets", SingularName: "secret", Namespaced: true, Kind: "Secret", Verbs: metav1.Verbs{"get", "list"}}}})
	})
	mux.HandleFunc("GET /api/v1/namespaces/logs/secrets/{name}", func(w http.ResponseWriter, r *http.Request) {
		s, ok := secrets[r.PathValue("name")]
		if !ok {
			answer(w, http.StatusNotFound, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
				Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound})
			return
		}
		answer(w, http.StatusOK, s)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func secretsOf(t *testing.T, out string) map[string]*corev1.Secret {
	t.Helper()
	found := map[string]*corev1.Secret{}
	for _, d := range docs(t, out) {
		if s, ok := d.(*corev1.Secret); ok && s.Annotations["helm.sh/resource-policy"] == "keep" {
			found[s.Name] = s
		}
	}
	return found
}

// TestSecretsSurviveAnUpgrade renders against a cluster that has the Secrets of the install, and against one that has lost one of them.
func TestSecretsSurviveAnUpgrade(t *testing.T) {
	first, err := renderNow(t)
	if err != nil {
		t.Fatal(err)
	}
	before := secretsOf(t, first)
	if len(before) != 5 {
		t.Fatalf("%d generated Secrets, want four roles and the root user", len(before))
	}
	upgrade := func(cluster map[string]*corev1.Secret) map[string]*corev1.Secret {
		t.Helper()
		out, err := run(t, "LETHE_TEST_HELM", "template", "demo", "lethe", "--namespace", "logs", "--is-upgrade", "--dry-run=server",
			"--kubeconfig", "/dev/null", "--kube-apiserver", apiServer(t, cluster))
		if err != nil {
			t.Fatal(err)
		}
		return secretsOf(t, out)
	}
	after := upgrade(before)
	for name, s := range before {
		if fmt.Sprint(after[name].Data) != fmt.Sprint(s.Data) {
			t.Errorf("%s is another after the upgrade", name)
		}
		for key, v := range s.Data {
			if strings.Contains(strings.ToLower(key), "secret") || strings.Contains(strings.ToLower(key), "password") {
				if len(v) < 32 {
					t.Errorf("%s/%s has %d characters", name, key, len(v))
				}
			}
		}
	}
	lost := map[string]*corev1.Secret{}
	for name, s := range before {
		if !strings.HasSuffix(name, "-query-credentials") {
			lost[name] = s
		}
	}
	again := upgrade(lost)
	if name := "demo-query-credentials"; base64.StdEncoding.EncodeToString(again[name].Data["AWS_SECRET_ACCESS_KEY"]) ==
		base64.StdEncoding.EncodeToString(before[name].Data["AWS_SECRET_ACCESS_KEY"]) {
		t.Error("a Secret that was lost came back with what it held: the test compares nothing")
	}
}
