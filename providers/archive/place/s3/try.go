package s3

import (
	"context"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/minio/minio-go/v7"

	"bkp/internal/problem"
	"bkp/providers/archive/place"
)

// try makes a call until it succeeds or fails for good, with pauses, for as long as
// the patience. The error is that of the store, for explain.
func (s *Store) try(ctx context.Context, call func() error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 20*time.Second
	renewed := false
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := call()
		switch {
		case err == nil:
			return struct{}{}, nil
		case ctx.Err() != nil:
			return struct{}{}, backoff.Permanent(context.Cause(ctx))
		case isExpired(err) && !renewed && s.cfg.AccessKey == "":
			renewed = true // keys that are not in the configuration may be new ones by now
			s.keys.Expire()
			return struct{}{}, err
		case isPassing(err):
			return struct{}{}, err
		}
		return struct{}{}, backoff.Permanent(err)
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(s.limits.patience))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func codeOf(err error) string { return minio.ToErrorResponse(err).Code }

func isExpired(err error) bool {
	return slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}, codeOf(err))
}

func isMissing(err error) bool {
	return slices.Contains([]string{"NoSuchKey", "NoSuchVersion"}, codeOf(err))
}

// isThere reports whether a conditional write was refused.
func isThere(err error) bool {
	return codeOf(err) == "PreconditionFailed" || minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed
}

// isPassing reports whether a call may succeed if it is made again.
func isPassing(err error) bool {
	var untrusted x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var response minio.ErrorResponse
	var other xml.UnmarshalError // an answer to another question
	if !errors.As(err, &response) {
		isFinal := errors.As(err, &other) || errors.As(err, &untrusted) || errors.As(err, &wrongHost) || strings.Contains(err.Error(), "gave HTTP response to HTTPS client")
		return !isFinal
	}
	passing := []string{
		"RequestTimeout", "SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError", "Throttling", "ThrottlingException", "RequestThrottled", "RequestLimitExceeded",
		// What was sent did not arrive as it was.
		"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "IncompleteBody", "ContentSHA256Mismatch",
		// Two calls came at the same time.
		"ConditionalRequestConflict", "OperationAborted",
	}
	if response.Code == "NotImplemented" {
		return false
	}
	return slices.Contains(passing, response.Code) || response.StatusCode >= http.StatusInternalServerError ||
		response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusRequestTimeout
}

const (
	seeRights = "let these keys read, write, list and delete below the prefix: docs/permissions.md has the policy"
	seeKeys   = "give keys that are valid: in the block, the environment, a profile or the machine's role"
)

// explain makes a problem of an error of the store, from which nothing follows for what
// lies there. A missing object is fs.ErrNotExist. do is what the call was for: "read".
func (s *Store) explain(ctx context.Context, do, name string, err error) error {
	var known *problem.Problem
	switch {
	case err == nil || ctx.Err() != nil || errors.As(err, &known) || errors.Is(err, fs.ErrExist):
		return err
	case isMissing(err):
		return &fs.PathError{Op: "open", Path: s.url(name), Err: fs.ErrNotExist}
	}
	summary, remedy := s.diagnose(err)
	return problem.Wrapf(place.Unavailable(err), summary, remedy, "%s %s", do, s.url(name))
}

// diagnose says what is wrong, and what to do about it.
func (s *Store) diagnose(err error) (summary, remedy string) {
	var response minio.ErrorResponse
	var untrusted x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	switch {
	case errors.As(err, &untrusted), errors.As(err, &wrongHost):
		return "certificate of the object store is not trusted", "let endpoint be the name in the certificate; if an authority of your own signed it, add its certificate to those of the system, or name its file in SSL_CERT_FILE"
	case !errors.As(err, &response):
		return "object store cannot be reached", fmt.Sprintf("check endpoint, name resolution, firewall and proxy. A store that has no host name for each bucket needs path_style = true (it is %t)", s.cfg.PathStyle)
	case isExpired(err):
		return "keys of the object store have expired", seeKeys
	}
	switch response.Code {
	case "NoSuchBucket":
		return "bucket does not exist", "create it, or correct destination, endpoint and region"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException":
		return "object store refuses the keys", seeKeys
	case "RequestTimeTooSkewed":
		return "clock differs from that of the object store", "set the clock of this machine right, best by NTP"
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidRegion", "TemporaryRedirect":
		return "bucket is in another region", "set region to that of the bucket, and endpoint to that of its store"
	case "AccessDenied", "AllAccessDisabled", "AccountProblem":
		return "object store refuses access", seeRights
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return "object store is full", "free some space there, or raise the quota"
	case "InvalidStorageClass":
		return "object store has no such storage class", "set storage_class to one that it has, or leave it out"
	}
	if response.StatusCode >= http.StatusInternalServerError {
		return "object store fails", "see how it is; then run again"
	}
	return "object store refuses a call", "see what the store's own log says of it; stores that reject checksums need checksums = \"md5\" or \"none\""
}
