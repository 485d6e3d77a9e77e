package main

import (
	"fmt"
	"image/color"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// palette is distinguished by those who do not see colours, too (Okabe and Ito).
var palette = []color.Color{
	color.RGBA{R: 0, G: 114, B: 178, A: 255},
	color.RGBA{R: 86, G: 180, B: 233, A: 255},
	color.RGBA{R: 230, G: 159, B: 0, A: 255},
	color.RGBA{R: 213, G: 94, B: 0, A: 255},
}

// points are one method's lock windows with their ranges, by size.
type points struct {
	plotter.XYs
	plotter.YErrors
}

// drawWindows writes the plot of the lock windows as an SVG.
func drawWindows(w io.Writer, results []result) error {
	p, err := windowPlot(results)
	if err != nil {
		return err
	}
	c := vgsvg.New(vg.Points(560), vg.Points(360))
	p.Draw(draw.New(c))
	_, err = c.WriteTo(w)
	return err
}

// windowPlot draws the lock window against the number of files, both on a
// logarithmic scale, a line for each method. The methods are those of the
// first result; a method that later ones lack has fewer points.
func windowPlot(results []result) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = "lock window as users saw it"
	p.X.Label.Text, p.Y.Label.Text = "files of the home; the database grows with them", "seconds"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = sizes(results), plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Points(2)
	p.Add(plotter.NewGrid())
	for i, m := range results[0].Measurements {
		of := windows(results, m.Method)
		line, dots, err := plotter.NewLinePoints(of.XYs)
		if err != nil {
			return nil, err
		}
		bars, err := plotter.NewYErrorBars(of)
		if err != nil {
			return nil, err
		}
		line.Color = palette[i%len(palette)]
		line.Width, dots.Color, bars.Color = vg.Points(1.5), line.Color, line.Color
		dots.Shape = draw.CircleGlyph{}
		p.Add(line, dots, bars)
		p.Legend.Add(m.Method, line, dots)
	}
	// Room for the legend, and for a range of ten even where all is alike.
	p.X.Min, p.X.Max = p.X.Min/1.3, p.X.Max*1.3
	p.Y.Min, p.Y.Max = p.Y.Min/2, p.Y.Max*6
	return p, nil
}

// windows collects what was measured of a method.
func windows(results []result, method string) points {
	var out points
	for _, r := range results {
		for _, m := range r.Measurements {
			if m.Method != method {
				continue
			}
			s := m.spread(window)
			// A logarithm has no place for a window that nobody noticed.
			s.median, s.least, s.most = max(s.median, float64(look)), max(s.least, float64(look)), max(s.most, float64(look))
			out.XYs = append(out.XYs, plotter.XY{X: float64(r.Size.Files), Y: seconds(s.median)})
			out.YErrors = append(out.YErrors, struct{ Low, High float64 }{seconds(s.median - s.least), seconds(s.most - s.median)})
		}
	}
	return out
}

func seconds(ns float64) float64 { return time.Duration(ns).Seconds() }

// sizes marks the sizes that were measured, which seldom are powers of ten.
func sizes(results []result) plot.ConstantTicks {
	var out plot.ConstantTicks
	for _, r := range results {
		out = append(out, plot.Tick{Value: float64(r.Size.Files), Label: fmt.Sprintf("%d× (%s)", r.Scale, humanize.Comma(int64(r.Size.Files)))})
	}
	return out
}
