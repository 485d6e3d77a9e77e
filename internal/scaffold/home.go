package scaffold

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"

	"bkp/internal/javaprops"
	"bkp/internal/problem"
)

// maxProperties bounds the properties file.
const maxProperties = 1 << 20

// Found is what a home shows about its instance. What is unknown is "".
type Found struct {
	// Home is the folder that holds shared/, an absolute path.
	Home string
	// Properties is the path of bitbucket.properties.
	Properties string
	URL        string
	Username   string
	Database   Database
}

// ReadHome reads DIR/shared/bitbucket.properties or DIR/bitbucket.properties, and the
// environment, which counts before the file, as for Bitbucket in a container: lookup
// finds JDBC_URL and the like. What was found and cannot be used is returned as
// warnings. An error wraps fs.ErrNotExist if there is no such file, and the environment
// names no database either.
func ReadHome(dir string, lookup func(name string) (string, bool)) (Found, []*problem.Problem, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Found{}, nil, err
	}
	path, entries, err := readProperties(dir)
	outside := fromEnvironment(lookup)
	if errors.Is(err, fs.ErrNotExist) && outside[jdbcURLProperty] != "" {
		path, entries, err = filepath.Join(dir, "shared", "bitbucket.properties"), map[string]string{}, nil
	}
	if err != nil {
		return Found{}, nil, err
	}
	maps.Copy(entries, outside)
	f := Found{Home: dir, Properties: path, URL: baseURL(entries), Username: entries["setup.sysadmin.username"]}
	var warnings []*problem.Problem
	if filepath.Dir(path) == dir {
		if filepath.Base(dir) == "shared" {
			f.Home = filepath.Dir(dir)
		} else {
			warnings = append(warnings, problem.Warn("no shared folder", dir+" holds bitbucket.properties, but no folder shared",
				"check that path in the home block is the folder that holds shared"))
		}
	}
	db, more := database(entries, path, outside)
	f.Database = db
	return f, append(warnings, more...), nil
}

func readProperties(dir string) (string, map[string]string, error) {
	for _, path := range []string{filepath.Join(dir, "shared", "bitbucket.properties"), filepath.Join(dir, "bitbucket.properties")} {
		text, err := readRegular(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", nil, problem.Wrap(err, "bitbucket.properties cannot be read", "run as a user who may read it")
		}
		entries, err := javaprops.Parse(text)
		if err != nil {
			return "", nil, problem.Wrapf(err, "bitbucket.properties cannot be read", "correct it", "%s is not a Java properties file", path)
		}
		return path, entries, nil
	}
	return "", nil, problem.Wrapf(fs.ErrNotExist, "bitbucket.properties not found", "give the home of Bitbucket with --home, the folder that holds shared",
		"neither in %s nor in its folder shared", dir)
}

// readRegular refuses pipes and devices, which could block or never end.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxProperties+1))
	if err == nil && len(text) > maxProperties {
		err = fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return text, err
}

// baseURL guesses where users reach the instance.
func baseURL(entries map[string]string) string {
	if u := entries["setup.baseUrl"]; u != "" {
		return strings.TrimSuffix(u, "/")
	}
	host, port, scheme := "localhost", entries["server.port"], "http"
	path := strings.TrimSuffix(entries["server.context-path"], "/")
	if entries["server.ssl.enabled"] == "true" {
		scheme = "https"
	}
	if h := entries["server.proxy-name"]; h != "" {
		host, port = h, entries["server.proxy-port"]
		if entries["server.secure"] == "true" {
			scheme = "https"
		}
		if s := entries["server.scheme"]; s != "" {
			scheme = s
		}
	} else if port == "" {
		if path == "" && entries["server.ssl.enabled"] == "" {
			return "" // nothing is known
		}
		port = "7990"
	}
	if port != "" && (scheme != "http" || port != "80") && (scheme != "https" || port != "443") {
		host = net.JoinHostPort(host, port)
	}
	if path != "" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return scheme + "://" + host + path
}
