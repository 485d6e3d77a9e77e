package bitbucket

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// An answer may come from a proxy, a load balancer, a login page or a captive
// portal instead of from Bitbucket. So a reply counts only in a form that
// Bitbucket gives for the call: JSON with the fields that belong there, or no
// body at all where none is due. Whatever else comes is treated like a reply
// that was lost: it proves nothing, neither success nor refusal.

// errForeign is wrapped by a ReplyError whose reply is not one that Bitbucket
// gives for the call.
var errForeign = errors.New("the reply is not from Bitbucket; a proxy or a login page may have answered")

// decode reads the body of a 2xx reply into k.out and checks it.
func decode(k call, header http.Header, body []byte) error {
	text := strings.TrimSpace(string(body))
	if k.out == nil {
		if text != "" && !isJSON(header) {
			return fmt.Errorf("%w: a body of type %q where none is expected", errForeign, mediaType(header))
		}
		return nil
	}
	switch {
	case text == "":
		return fmt.Errorf("%w: it is empty", errForeign)
	case !isJSON(header):
		return fmt.Errorf("%w: its type is %q, not JSON", errForeign, mediaType(header))
	}
	if err := json.Unmarshal(body, k.out); err != nil {
		return fmt.Errorf("%w: %w", errForeign, err)
	}
	if k.complete != nil && !k.complete() {
		return fmt.Errorf("%w: it lacks the fields of this call", errForeign)
	}
	return nil
}

func isJSON(h http.Header) bool {
	t := mediaType(h)
	return t == "application/json" || strings.HasSuffix(t, "+json")
}

func mediaType(h http.Header) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return h.Get("Content-Type")
	}
	return t
}

// refusal reports whether a reply outside 2xx has the form of Bitbucket's
// errors: JSON with a list of messages. Everybody can answer with a status.
func refusal(h http.Header, body []byte) bool {
	var reply struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if !isJSON(h) || json.Unmarshal(body, &reply) != nil {
		return false
	}
	for _, e := range reply.Errors {
		if e.Message != "" {
			return true
		}
	}
	return false
}

// refused reports whether err is a refusal in Bitbucket's own form, with one of
// the statuses.
func refused(err error, statuses ...int) bool {
	var s *StatusError
	if !errors.As(err, &s) || !s.refusal {
		return false
	}
	for _, want := range statuses {
		if s.Status == want {
			return true
		}
	}
	return len(statuses) == 0
}
