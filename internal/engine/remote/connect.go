package remote

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// connectTimeout is how long it may take until the other machine answers for the
// first time, and again until it has taken this program.
const (
	connectTimeout = 2 * time.Minute
	installTimeout = 10 * time.Minute
	// maxNoise bounds what may be printed before the marker.
	maxNoise = 1 << 20
)

// connect starts the agent, and brings it if it is not there.
func connect(ctx context.Context, c providers.Connection) (providers.Stream, error) {
	own, err := OwnDigest()
	if err != nil {
		return nil, err
	}
	stream, status, err := begin(ctx, c, startScript(c.Settings(), own))
	if err != nil || status == "ready" {
		return stream, err
	}
	_ = stream.Close()
	if err := fits(c, status); err != nil {
		return nil, err
	}
	if !c.Settings().Install {
		return nil, problem.New("bkp is missing on the other machine", fmt.Sprintf("%s has not this version of it, and install is false", c.Machine()), byHand(c, own))
	}
	if err := install(ctx, c, own); err != nil {
		return nil, err
	}
	stream, status, err = begin(ctx, c, startScript(c.Settings(), own))
	if err == nil && status != "ready" {
		_ = stream.Close()
		return nil, noexec(c)
	}
	return stream, err
}

// place is where the program lies there: its name is its digest, so that several
// versions do not get in each other's way.
func place(s providers.ConnectionSettings, digest string) string {
	return s.StateDir + "/agent/" + digest[:16] + "/bkp"
}

// startScript prints a marker, and becomes the agent.
func startScript(s providers.ConnectionSettings, digest string) string {
	bin := place(s, digest)
	return fmt.Sprintf(`echo %s; if [ -x "%s" ]; then echo ready; exec "%s" %s %d; fi; echo missing $(uname -s) $(uname -m)`, theMarker, bin, bin, Command, s.Timeout.Milliseconds())
}

// theMarker is replaced by one that nothing else prints.
const theMarker = "BKP-MARKER"

// begin runs a script, and returns what it printed first after its marker. What a
// start-up file of a shell prints before it is passed over.
func begin(ctx context.Context, c providers.Connection, script string) (providers.Stream, string, error) {
	marker := "bkp-" + rand.Text()
	raw, err := c.Start(ctx, strings.Replace(script, theMarker, marker, 1))
	if err != nil {
		return nil, "", err
	}
	s := &buffered{Stream: raw, r: bufio.NewReaderSize(raw, 64<<10)}
	late := time.AfterFunc(connectTimeout, func() { _ = raw.Close() })
	noise, status, err := s.until(marker)
	if !late.Stop() && err != nil {
		err = problem.New("the other machine does not answer", fmt.Sprintf("%s: nothing came within %s%s", c.Machine(), connectTimeout, saying(noise)), "see whether it is overloaded, or waits for something that it prints at login")
		return nil, "", err
	}
	if err == nil {
		return s, status, nil
	}
	_ = raw.Close()
	if errors.Is(err, errNoise) {
		return nil, "", problem.New("the other machine prints too much", c.Machine()+saying(noise), "see what the start-up files of its shell print, and keep them silent where no terminal is")
	}
	if ended := raw.Wait(); ended != nil {
		return nil, "", c.Explain(ended)
	}
	return nil, "", problem.New("the other machine did not run bkp", c.Machine()+": the connection ended before anything was run"+saying(noise),
		"see what the start-up files of its shell do where no terminal is, and whether its account may run commands")
}

func saying(noise string) string {
	if noise = strings.TrimSpace(noise); noise == "" {
		return ""
	}
	if len(noise) > 300 {
		noise = noise[:300] + " …"
	}
	return fmt.Sprintf("; it printed %q", noise)
}

var errNoise = errors.New("too much")

// buffered is a stream that was read ahead a little.
type buffered struct {
	providers.Stream
	r *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// until reads up to the line after the marker. A start-up file that ends without a
// line's end has printed before the marker, in its line.
func (b *buffered) until(marker string) (noise, status string, err error) {
	var all strings.Builder
	for {
		line, err := b.line()
		if err != nil {
			return all.String(), "", err
		}
		if strings.HasSuffix(line, marker) {
			break
		}
		if all.Len() > maxNoise {
			return all.String(), "", errNoise
		}
		all.WriteString(line + "\n")
	}
	status, err = b.line()
	return all.String(), status, err
}

// line reads a line, and of a long one its beginning.
func (b *buffered) line() (string, error) {
	line, err := b.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	return strings.TrimRight(string(line), "\r\n"), err
}

// fits refuses a machine for which this program was not made; status is what uname
// said there.
func fits(c providers.Connection, status string) error {
	fields := strings.Fields(status)
	if len(fields) != 3 || fields[0] != "missing" {
		return problem.New("the other machine did not run bkp", fmt.Sprintf("%s: it answered %q", c.Machine(), status), "report this as a fault of bkp")
	}
	system := map[string]string{"Linux": "linux", "Darwin": "darwin"}[fields[1]]
	processor := map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i386": "386", "i686": "386", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}[fields[2]]
	if system == runtime.GOOS && processor == runtime.GOARCH {
		return nil
	}
	return problem.New("bkp was made for another kind of machine", fmt.Sprintf("%s is %s on %s, and this bkp is for %s/%s", c.Machine(), fields[1], fields[2], runtime.GOOS, runtime.GOARCH),
		"run bkp on a machine of the same system and processor: both sides have to be the same program")
}

// byHand is how an operator brings the program.
func byHand(c providers.Connection, digest string) string {
	at := place(c.Settings(), digest)
	path, err := os.Executable()
	if err != nil {
		path = "bkp"
	}
	return fmt.Sprintf("copy %s to that machine, as %s, and make it executable; or set install = true", path, at)
}

// install brings this program to the other machine. It appears there whole, or not
// at all.
func install(ctx context.Context, c providers.Connection, digest string) error {
	path, err := host.Program()
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	stream, status, err := begin(ctx, c, installScript(c.Settings(), digest, info.Size()))
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	if status != "send" {
		return unwritable(c, status)
	}
	if _, err := io.Copy(stream, f); err != nil {
		if ended := stream.Wait(); ended != nil {
			err = ended
		}
		return problem.Wrapf(err, "bkp could not be brought to the other machine", "see whether the disk of its state_dir is full", "%s", c.Machine())
	}
	result, err := stream.(*buffered).line()
	switch {
	case err != nil || result == "short":
		return problem.New("bkp could not be brought to the other machine", fmt.Sprintf("%s took only a part of it", c.Machine()), "see whether the disk of its state_dir is full")
	case result == "noexec":
		return noexec(c)
	case result != "installed":
		return unwritable(c, result)
	}
	return nil
}

// installScript takes size bytes. A shell has no better way to count.
func installScript(s providers.ConnectionSettings, digest string, size int64) string {
	at, n := place(s, digest), strconv.FormatInt(size, 10)
	dir := strings.TrimSuffix(at, "/bkp")
	fresh := dir + "/.new-" + rand.Text()
	temp := fresh + "/bkp"
	return fmt.Sprintf(`echo %s; umask 077; if mkdir -p "%s" && : > "%s"; then echo send; else echo no; exit 0; fi; head -c %s > "%s"; `+
		`if [ $(wc -c < "%s") -ne %s ]; then rm -rf "%s"; echo short; exit 0; fi; chmod 700 "%s"; `+
		`if "%s" version > /dev/null 2>&1; then mv -f "%s" "%s" && rm -rf "%s" && echo installed; else rm -rf "%s"; echo noexec; fi`,
		theMarker, fresh, temp, n, temp, temp, n, fresh, temp, temp, temp, at, fresh, fresh)
}

func noexec(c providers.Connection) error {
	return problem.New("programs do not run in the state folder of the other machine", fmt.Sprintf("%s on %s is on a file system that is mounted noexec, or bkp does not start there", c.Settings().StateDir, c.Machine()),
		"set state_dir of the connection to a folder where programs may run")
}

func unwritable(c providers.Connection, said string) error {
	return problem.New("state folder of the other machine not writable", fmt.Sprintf("%s on %s cannot be made or written (%s)", c.Settings().StateDir, c.Machine(), said),
		"set state_dir of the connection to a folder that its user may write to, or sudo = true")
}
