package report_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bkp/internal/lab/bed"
)

// TestBedReportInChromium opens the page in a browser, at three widths, in the light and
// in the dark, and on paper. BKP_SCREENSHOTS names a folder that keeps the pictures.
func TestBedReportInChromium(t *testing.T) {
	bed.Needed(t)
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v; install it: apt-get install chromium", err)
	}
	page := written(t, example())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/report":
			_, _ = fmt.Fprint(w, page)
		case "/loud":
			_, _ = fmt.Fprint(w, `<!DOCTYPE html><script>console.error("loud")</script>`)
		case "/measure":
			_, _ = fmt.Fprintf(w, measure, r.URL.Query().Get("width"))
		default:
			if r.URL.Path != "/favicon.ico" {
				t.Errorf("the page loads %s", r.URL)
			}
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	defer server.Close()
	pictures := os.Getenv("BKP_SCREENSHOTS")
	if pictures == "" {
		pictures = t.TempDir()
	}
	c := chromium{t, browser, t.TempDir()}
	if _, said := c.open("--dump-dom", server.URL+"/loud"); len(said) != 1 || !strings.Contains(said[0], "loud") {
		t.Fatalf("what a page says on its console is not seen: %q", said)
	}
	for _, width := range []int{360, 768, 1280} {
		dom := c.run("--dump-dom", "--virtual-time-budget=5000", fmt.Sprintf("%s/measure?width=%d", server.URL, width))
		if m := regexp.MustCompile(`measured ([0-9]+) of ([0-9]+), title (.*?)<`).FindStringSubmatch(dom); m == nil {
			t.Errorf("%d: nothing was measured: %s", width, dom)
		} else if m[1] != m[2] || m[3] != "Backups of 3 instances" {
			t.Errorf("at a width of %s the page takes %s, and is called %q", m[2], m[1], m[3])
		}
		for _, mode := range []string{"light", "dark"} {
			flags := []string{"--screenshot=" + filepath.Join(pictures, fmt.Sprintf("%d-%s.png", width, mode)), fmt.Sprintf("--window-size=%d,4200", width)}
			if mode == "dark" {
				flags = append(flags, "--force-dark-mode")
			}
			c.run(append(flags, server.URL+"/report")...)
		}
	}
	pdf := filepath.Join(pictures, "paper.pdf")
	c.run("--print-to-pdf="+pdf, "--no-pdf-header-footer", server.URL+"/report")
	if b, err := os.ReadFile(pdf); err != nil || !bytes.HasPrefix(b, []byte("%PDF")) {
		t.Errorf("nothing to print: %v", err)
	}
}

// measure shows the report in a frame of a width, and says how wide its content is.
const measure = `<!DOCTYPE html><title>measure</title><body><iframe id="f" src="/report" style="width:%spx;height:900px;border:0"></iframe><p id="p"></p><script>
document.getElementById("f").onload = e => {
  const d = e.target.contentDocument.documentElement;
  document.getElementById("p").textContent = "measured " + d.scrollWidth + " of " + d.clientWidth + ", title " + e.target.contentDocument.title;
};
</script></body>`

type chromium struct {
	t             *testing.T
	path, profile string
}

// run opens a page, and fails if it had anything to say on its console: an error,
// something that was refused, a script that ran.
func (c chromium) run(args ...string) string {
	c.t.Helper()
	out, said := c.open(args...)
	for _, line := range said {
		c.t.Errorf("the console says: %s", line)
	}
	return out
}

// open runs the browser to its end, and returns what it prints and the lines of the
// page's console.
func (c chromium) open(args ...string) (out string, said []string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, append([]string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir=" + c.profile, "--enable-logging=stderr", "--log-level=0",
	}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("chromium %v: %v\n%s", args, err, stderr.String())
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, ":CONSOLE") {
			said = append(said, line)
		}
	}
	return stdout.String(), said
}
