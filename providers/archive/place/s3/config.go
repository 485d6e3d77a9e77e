package s3

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"bkp/internal/secret"
	"bkp/providers"
)

// Config are the attributes of an archive's block that are for an object store.
type Config struct {
	Endpoint  string `hcl:"endpoint,optional" help:"URL of an object store that is not Amazon's" unset:"Amazon S3" example:"https://s3.example.com"`
	Region    string `hcl:"region,optional" help:"region of the bucket" unset:"AWS_REGION; else Amazon is asked, and other stores are given us-east-1" example:"eu-central-1"`
	PathStyle bool   `hcl:"path_style,optional" help:"names the bucket in the path of each URL instead of the host name, as most stores besides Amazon's need"`

	AccessKey    string        `hcl:"access_key,optional" help:"access key" unset:"taken from AWS_ACCESS_KEY_ID, a web identity, a profile or the machine's role" example:"AKIAIOSFODNN7EXAMPLE"`
	SecretKey    secret.String `hcl:"secret_key,optional" help:"secret key that belongs to access_key" unset:"as access_key" example:"S3_SECRET_KEY"`
	SessionToken secret.String `hcl:"session_token,optional" help:"token of keys that are valid for a time" unset:"as access_key"`
	Profile      string        `hcl:"profile,optional" help:"profile of the shared AWS files whose keys are used" unset:"AWS_PROFILE, or default"`

	Checksums    string `hcl:"checksums,optional" help:"what the store checks each upload by: crc32c, md5, or none for a store that knows neither"`
	StorageClass string `hcl:"storage_class,optional" help:"storage class of the objects; it must be readable at once" unset:"the bucket's own" example:"STANDARD_IA"`
	PieceSize    string `hcl:"piece_size,optional" help:"largest object: a part of a backup that has more bytes is stored as several"`

	Lock *Lock `hcl:"lock,block" help:"keeps complete backups from being deleted or overwritten, by anybody; the bucket must have object lock enabled"`
}

// Lock is how long objects are kept, even from those who may delete.
type Lock struct {
	Mode string `hcl:"mode" help:"governance, which a special right lifts, or compliance, which nothing does" example:"governance"`
	Days int    `hcl:"days" help:"for how many days from the end of the backup" example:"30"`
}

const (
	crc32c = "crc32c"
	md5sum = "md5"
	none   = "none"

	governance = "governance"
	compliance = "compliance"

	leastPiece = 5 << 20
	mostPiece  = 50 << 30
)

// Defaults are the values of attributes that are not set.
func Defaults() Config { return Config{Checksums: crc32c, PieceSize: "1GiB"} }

// IsAddress reports whether a destination is meant to be in an object store.
func IsAddress(destination string) bool { return strings.HasPrefix(destination, "s3://") }

// Foreign are the attributes that are set though the destination is none of an object
// store.
func (c *Config) Foreign() []providers.ConfigProblem {
	d := Defaults()
	var out []providers.ConfigProblem
	for _, a := range []struct {
		name string
		set  bool
	}{
		{"endpoint", c.Endpoint != ""},
		{"region", c.Region != ""},
		{"path_style", c.PathStyle},
		{"access_key", c.AccessKey != ""},
		{"secret_key", c.SecretKey.IsSet()},
		{"session_token", c.SessionToken.IsSet()},
		{"profile", c.Profile != ""},
		{"checksums", c.Checksums != d.Checksums},
		{"storage_class", c.StorageClass != ""},
		{"piece_size", c.PieceSize != d.PieceSize},
		{"lock", c.Lock != nil},
	} {
		if a.set {
			out = append(out, providers.ConfigProblem{
				Attribute: a.name, Summary: "attribute of an object store",
				Detail: a.name + " is set, and the destination is a folder", Remedy: `remove it, or set destination to "s3://BUCKET/PREFIX"`,
			})
		}
	}
	return out
}

// Validate is for a destination in an object store.
func (c *Config) Validate(destination string) []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, remedy string, err error) {
		if err != nil {
			out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: err.Error(), Remedy: remedy})
		}
	}
	_, _, err := parse(destination)
	add("destination", "invalid address of a bucket", `write it as "s3://BUCKET/PREFIX"`, err)
	_, err = c.endpoint()
	add("endpoint", "invalid endpoint", `give the URL of the store without bucket and path, such as "https://s3.example.com"`, err)
	_, err = c.piece()
	add("piece_size", "invalid piece size", `give a size from 5MiB to 50GiB, such as "1GiB"`, err)
	if c.Checksums != crc32c && c.Checksums != md5sum && c.Checksums != none {
		add("checksums", "unknown checksums", `give one of "crc32c", "md5" and "none"`, fmt.Errorf("there are no checksums %q", c.Checksums))
	}
	if (c.AccessKey != "") != c.SecretKey.IsSet() {
		add("access_key", "half of the keys", "set both access_key and secret_key, or none of them", fmt.Errorf("only one of access_key and secret_key is set"))
	}
	if c.SessionToken.IsSet() && c.AccessKey == "" {
		add("session_token", "token without keys", "set access_key and secret_key, too", fmt.Errorf("session_token is set, and access_key is not"))
	}
	if c.Profile != "" && c.AccessKey != "" {
		add("profile", "two sets of keys", "remove one of them", fmt.Errorf("both profile and access_key are set"))
	}
	return append(out, c.Lock.validate()...)
}

func (l *Lock) validate() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	if l != nil && l.Mode != governance && l.Mode != compliance {
		out = append(out, providers.ConfigProblem{
			Attribute: "lock.mode", Summary: "unknown mode of object lock",
			Detail: fmt.Sprintf("there is no mode %q", l.Mode), Remedy: `give "governance" or "compliance"`,
		})
	}
	const most = 36_500
	if l != nil && (l.Days < 1 || l.Days > most) {
		out = append(out, providers.ConfigProblem{
			Attribute: "lock.days", Summary: "invalid time of object lock",
			Detail: fmt.Sprintf("objects cannot be kept for %d days", l.Days), Remedy: fmt.Sprintf("give a number from 1 to %d", most),
		})
	}
	return out
}

// parse takes an address apart. The prefix has no slash at its ends, and may be
// empty.
func parse(destination string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(destination, "s3://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	if err := s3utils.CheckValidBucketNameStrict(bucket); !ok || err != nil {
		return "", "", fmt.Errorf("%q names no bucket that can exist", destination)
	}
	for part := range strings.SplitSeq(prefix, "/") {
		isOdd := func(c rune) bool { return c < ' ' || c == '\\' || c == '\x7f' || c == '\ufffd' }
		if part == "." || part == ".." || part == "" && prefix != "" || strings.ContainsFunc(part, isOdd) || len(prefix) > 500 {
			return "", "", fmt.Errorf("%q has a prefix that not every store takes", destination)
		}
	}
	return bucket, prefix, nil
}

// endpoint is that of the store, nil for Amazon's.
func (c *Config) endpoint() (*url.URL, error) {
	if c.Endpoint == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is not the URL of a store", c.Endpoint)
	}
	return u, nil
}

func (c *Config) piece() (int64, error) {
	n, err := humanize.ParseBytes(c.PieceSize)
	if err != nil || n < leastPiece || n > mostPiece {
		return 0, fmt.Errorf("%q is no size from 5MiB to 50GiB", c.PieceSize)
	}
	return int64(n), nil
}
