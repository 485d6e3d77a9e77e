// Command kubecheck reads manifests of Kubernetes as its API does, and refuses a field
// that the API does not have, a value of another type and a kind that is not known:
//
//	go run . FILE…
//
// It is a module of its own: bkp has nothing to do with the packages of Kubernetes.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func main() {
	failed := false
	for _, path := range os.Args[1:] {
		n, err := check(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			failed = true
			continue
		}
		fmt.Printf("%s: %d objects\n", path, n)
	}
	if failed {
		os.Exit(1)
	}
}

// check returns how many objects a file holds.
func check(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(core.AddToScheme(scheme), batch.AddToScheme(scheme)); err != nil {
		return 0, err
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for n := 0; ; n++ {
		one, err := documents.Read()
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return 0, errors.New("it holds no object")
			}
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if _, _, err := strict.Decode(bytes.TrimSpace(one), nil, nil); err != nil {
			return n, fmt.Errorf("object %d: %w", n+1, err)
		}
	}
}
