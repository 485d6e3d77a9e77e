package main

import (
	"context"

	"bkp/internal/lab/bed"
)

// desk is the lane of what shows reports and figures to people.
const desk = "desk"

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
