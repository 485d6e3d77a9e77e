package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bkp/internal/lab/searchserver"
)

// search is the lane of OpenSearch and Elasticsearch.
const search = "search"

// searchServers fetches each server with Maven, as it is published, and unpacks it.
func (w *workshop) searchServers(ctx context.Context) error {
	tools := map[string]string{"mvn": "maven", "unzip": "unzip", "javac": "default-jdk-headless"}
	if err := w.tools(ctx, tools); err != nil {
		return err
	}
	for _, p := range searchserver.Products() {
		from := []string{p.Artifact}
		if p == searchserver.OpenSearch2 {
			from = append(from, searchserver.Plugin, searchserver.Descriptor)
		}
		_, err := w.stage(ctx, p.Name, from, func(ctx context.Context, dir string) error {
			zips := filepath.Join(dir, "zip")
			if err := errors.Join(
				w.run(ctx, "mvn", "-q", "-B", "dependency:copy", "-Dartifact="+p.Artifact, "-DoutputDirectory="+zips),
				w.run(ctx, "unzip", "-q", filepath.Join(zips, p.Folder()+".zip"), "-d", dir),
				os.RemoveAll(zips),
			); err != nil {
				return err
			}
			if p == searchserver.OpenSearch2 {
				return w.standIn(ctx, filepath.Join(dir, p.Folder()))
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", p.Artifact, err)
		}
	}
	return nil
}

// standIn compiles the plugin for buckets into an unpacked OpenSearch.
func (w *workshop) standIn(ctx context.Context, server string) error {
	plugin, work := filepath.Join(server, "plugins", "s3-standin"), filepath.Join(server, "standin.tmp")
	source := filepath.Join(work, "S3StandInPlugin.java")
	return errors.Join(
		os.MkdirAll(plugin, 0o755), os.MkdirAll(work, 0o755),
		os.WriteFile(source, []byte(searchserver.Plugin), 0o644),
		os.WriteFile(filepath.Join(plugin, "plugin-descriptor.properties"), []byte(searchserver.Descriptor), 0o644),
		w.run(ctx, "javac", "--release", "11", "-nowarn", "-cp", filepath.Join(server, "lib", "*"), "-d", filepath.Join(work, "classes"), source),
		w.run(ctx, "jar", "cf", filepath.Join(plugin, "s3-standin.jar"), "-C", filepath.Join(work, "classes"), "bkp"),
		os.RemoveAll(work),
	)
}
