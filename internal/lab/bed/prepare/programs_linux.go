package main

import (
	"context"
	"fmt"

	"bkp/internal/lab/bed"
)

// programs is the lane of the programs.
const programs = "programs"

// programs builds each in a stage of its own.
func (w *workshop) programs(ctx context.Context) error {
	for _, p := range bed.Programs {
		module := p.Package + "@" + p.Version
		_, err := w.stage(ctx, p.Name, []string{module}, func(ctx context.Context, dir string) error {
			return w.run(ctx, "env", "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=", "go", "install", "-trimpath", "-ldflags=-s -w", module)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", module, err)
		}
	}
	return nil
}
