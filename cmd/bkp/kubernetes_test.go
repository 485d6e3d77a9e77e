package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/lab/bed"
)

// TestBedKubernetes has the example's manifests read as Kubernetes' API reads them, and
// proves that a mistake in one is found.
func TestBedKubernetes(t *testing.T) {
	bed.Needed(t)
	check := filepath.Join(t.TempDir(), "kubecheck")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", check, ".")
	build.Dir = "../../internal/lab/kubecheck"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all, err := filepath.Glob(examples + "/kubernetes/*.yaml")
	if err != nil || len(all) < 4 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, path := range all {
		if filepath.Base(path) == "kustomization.yaml" {
			continue // kustomize reads it, and not the API
		}
		if out, err := exec.CommandContext(t.Context(), check, path).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	text, err := os.ReadFile(examples + "/kubernetes/backup.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, mistake := range map[string]string{
		"field": strings.Replace(string(text), "concurrencyPolicy", "concurencyPolicy", 1),
		"type":  strings.Replace(string(text), "backoffLimit: 1", "backoffLimit: [1]", 1),
		"kind":  strings.Replace(string(text), "kind: CronJob", "kind: CornJob", 1),
	} {
		path := filepath.Join(t.TempDir(), name+".yaml")
		if err := os.WriteFile(path, []byte(mistake), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), check, path).CombinedOutput(); err == nil {
			t.Errorf("a wrong %s passes: %s", name, out)
		}
	}
}
