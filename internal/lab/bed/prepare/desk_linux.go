package main

import (
	"context"

	"bkp/internal/lab/bed"
)

// desk is the lane of what shows reports and figures to people.
const desk = "desk"

// wine is the lane of the build for Windows, which no other test needs.
const wine = "wine"

// wine installs Wine, and what makes a library for it that Debian's lacks.
func (w *workshop) wine(ctx context.Context) error {
	return w.tools(ctx, map[string]string{"wine": "wine", "x86_64-w64-mingw32-ld": "binutils-mingw-w64-x86-64"})
}

// desk installs a browser, and unpacks promtool: installing its package would start a
// server.
func (w *workshop) desk(ctx context.Context) error {
	if err := w.tools(ctx, map[string]string{"chromium": "chromium"}); err != nil {
		return err
	}
	_, err := w.rootStage(ctx, bed.Promtool, []string{"prometheus"}, func(ctx context.Context, dir string) error {
		return w.unpack(ctx, dir, "prometheus")
	})
	return err
}
