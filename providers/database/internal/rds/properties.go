package rds

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"bkp/internal/javaprops"
	"bkp/internal/problem"
)

const urlKey = "jdbc.url"

// jdbc is the URL of a database: what is before the host, host and port, the rest.
var jdbc = regexp.MustCompile(`^(jdbc:[a-z]+(?::[a-z]+)*://)([^/;?]+)(.*)$`)

// checkProperties refuses settings in which no address of a database can be replaced.
func (s *Strategy) checkProperties() error {
	if s.config.Restore.Properties == "" {
		return nil
	}
	text, err := os.ReadFile(s.config.Restore.Properties)
	if err == nil {
		_, err = led(text, "host:1")
	}
	if err != nil {
		return problem.Wrapf(err, "settings of Bitbucket cannot be changed", "correct restore.properties, or leave it out and set jdbc.url by hand", "%s", s.config.Restore.Properties)
	}
	return nil
}

// led is the text of bitbucket.properties, with the database at another endpoint.
func led(text []byte, endpoint string) ([]byte, error) {
	have, err := javaprops.Parse(text)
	if err != nil {
		return nil, err
	}
	parts := jdbc.FindStringSubmatch(have[urlKey])
	if parts == nil {
		return nil, fmt.Errorf("%s is %q, which has no host", urlKey, have[urlKey])
	}
	return javaprops.Set(text, urlKey, parts[1]+endpoint+parts[3]), nil
}

// setProperties leads the settings that the configuration names to an endpoint. The file
// is written in its place, so that its owner and mode stay.
func (s *Strategy) setProperties(endpoint string) (changed bool, err error) {
	path := s.config.Restore.Properties
	if path == "" {
		return false, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	if text, err = led(text, endpoint); err != nil {
		return false, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return false, err
	}
	_, err = f.Write(text)
	return true, errors.Join(err, f.Sync(), f.Close())
}
