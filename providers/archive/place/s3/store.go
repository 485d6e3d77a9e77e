// Package s3 is a place in a bucket of an object store that speaks Amazon's S3:
//
//	<prefix>/<id>/<object>     an object
//	<prefix>/.<id>.reserved    whose the id is
//	<prefix>/.bkp-probe-…      what Check makes and removes
//
// It rests on conditional writes (If-None-Match: *): an object is made once, by one.
// Check proves that the store has them. A large object is uploaded in parts of its
// own, and appears when the upload is completed; what a killed process left of one is
// an unfinished upload, which costs money and is on no list until Clean aborts it.
//
// Memory is bounded for a place as a whole, whatever it reads and writes at a time:
// see limits.
//
// It leaves out which objects make a backup, and what is in them.
package s3

import (
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"bkp/providers"
	"bkp/providers/archive/place"
)

// limits bound what a place takes.
type limits struct {
	// part is how many bytes are sent or fetched by one call. The store takes no less
	// than 5 MiB.
	part int
	// buffers is how many parts there are in memory.
	buffers int
	// patience is for how long a call is tried again while the store fails, and silence
	// how long a connection may bring nothing.
	patience, silence time.Duration
	// abandoned is how old a probe is whose check was killed. No check lasts as long.
	abandoned time.Duration
}

// standard takes 32 MiB on two cores, and at most 48: what is kept between the
// compressor and the network is there twice, since the collector lets as much garbage
// lie as there is in use. A core has work for about one call, and one is being filled
// meanwhile. A store that restarts is back within the patience.
func standard() limits {
	const least, most = 4, 6
	return limits{part: 8 << 20, buffers: min(max(least, runtime.GOMAXPROCS(0)+2), most), patience: 10 * time.Minute, silence: 2 * time.Minute, abandoned: time.Hour}
}

// Store is a place. Its zero value is none: use New.
type Store struct {
	cfg            Config
	bucket, prefix string
	piece          int64
	endpoint       *url.URL // nil for Amazon's
	limits         limits
	core           minio.Core
	keys           *credentials.Credentials
	// buffers holds those that are free, nil for one that was never used.
	buffers chan []byte

	mu sync.Mutex
	// versioned is whether the bucket keeps versions, once it is known.
	versioned *bool
}

var (
	_ place.Place  = (*Store)(nil)
	_ place.Locker = (*Store)(nil)
)

// New returns the place at an address such as s3://bucket/prefix. It touches nothing.
func New(destination string, cfg Config) (*Store, error) { return open(destination, cfg, standard()) }

func open(destination string, cfg Config, l limits) (*Store, error) {
	s := &Store{cfg: cfg, limits: l, buffers: make(chan []byte, l.buffers)}
	for range l.buffers {
		s.buffers <- nil
	}
	var err error
	if s.bucket, s.prefix, err = parse(destination); err != nil {
		return nil, err
	}
	if s.endpoint, err = cfg.endpoint(); err != nil {
		return nil, err
	}
	if s.piece, err = cfg.piece(); err != nil {
		return nil, err
	}
	if s.prefix != "" {
		s.prefix += "/"
	}
	s.keys = cfg.credentials()
	client, err := newClient(cfg, s.keys, s.endpoint, l.silence)
	s.core = minio.Core{Client: client}
	return s, err
}

// askPatience is the patience of a plan or a list: somebody waits for it.
const askPatience = time.Minute

// impatient is the same place, with less patience.
func (s *Store) impatient() *Store {
	l := s.limits
	l.patience = min(l.patience, askPatience)
	return &Store{
		cfg: s.cfg, bucket: s.bucket, prefix: s.prefix, piece: s.piece, endpoint: s.endpoint,
		limits: l, core: s.core, keys: s.keys, buffers: s.buffers,
	}
}

// Destination implements place.Place.
func (s *Store) Destination() providers.Destination {
	return providers.Destination{Name: strings.TrimSuffix(s.url(""), "/"), Protected: s.cfg.Lock != nil}
}

// At implements place.Place.
func (s *Store) At(name string) string { return s.url(name) }

// url is s3://bucket/key at Amazon, and the URL of the object elsewhere: two stores
// may have a bucket of the same name.
func (s *Store) url(name string) string {
	if s.endpoint == nil {
		return "s3://" + s.bucket + "/" + s.prefix + name
	}
	return s.endpoint.Scheme + "://" + s.endpoint.Host + "/" + s.bucket + "/" + s.prefix + name
}

// Piece implements place.Place.
func (s *Store) Piece() int64 { return s.piece }

// key is the full name of an object.
func (s *Store) key(name string) string { return s.prefix + name }
