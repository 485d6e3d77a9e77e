package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"bkp/internal/lab/sandbox"
)

// Answer is what a client gets instead of the instance's reply. Its JSON is an
// object, or the name of one of Answers.
type Answer struct {
	Status int               `json:"status,omitempty"` // 0: 200
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body,omitempty"`
	// Cut closes the connection in the middle of the body.
	Cut bool `json:"cut,omitempty"`
	// Reset resets the connection instead of any answer.
	Reset bool `json:"reset,omitempty"`
	// Duplicate sends the call to the instance twice, as a balancer does that
	// waited too long for the first reply, and answers with the second reply.
	Duplicate bool `json:"duplicate,omitempty"`
}

// named returns one of the answers for change by its caller alone.
func named(name string) (*Answer, error) {
	a, ok := answers[name]
	if !ok {
		return nil, fmt.Errorf("there is no answer %q; there are %q", name, Names())
	}
	a.Header = maps.Clone(a.Header)
	return &a, nil
}

// Named returns one of the known answers. An unknown name panics: names stand
// in programs.
func Named(name string) *Answer {
	a, err := named(name)
	if err != nil {
		panic(err)
	}
	return a
}

// Names are those of the known answers, sorted.
func Names() []string { return slices.Sorted(maps.Keys(answers)) }

// UnmarshalJSON takes a name or an object.
func (a *Answer) UnmarshalJSON(text []byte) error {
	var name string
	if json.Unmarshal(text, &name) == nil {
		known, err := named(name)
		if err == nil {
			*a = *known
		}
		return err
	}
	type plain Answer // without this method
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode((*plain)(a))
}

// page is an HTML page, as proxies make them.
func page(status int, title string) Answer {
	body := "<!DOCTYPE html>\n<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"
	return Answer{Status: status, Header: map[string]string{"Content-Type": "text/html; charset=utf-8"}, Body: body}
}

func object(status int, body string) Answer {
	return Answer{Status: status, Header: map[string]string{"Content-Type": "application/json"}, Body: body}
}

func (a Answer) with(name, value string) Answer {
	a.Header = maps.Clone(a.Header)
	if a.Header == nil {
		a.Header = map[string]string{}
	}
	a.Header[name] = value
	return a
}

// answers are those that are met in the field.
var answers = map[string]Answer{
	"login-200":     page(http.StatusOK, "Log in - Single Sign-On"),
	"login-302":     Answer{Status: http.StatusFound}.with("Location", "/login?next=%2F"),
	"empty-200":     {Status: http.StatusOK},
	"empty-204":     {Status: http.StatusNoContent},
	"object-200":    object(http.StatusOK, "{}"),
	"null-200":      object(http.StatusOK, "null"),
	"array-200":     object(http.StatusOK, "[]"),
	"foreign-200":   object(http.StatusOK, `{"status":"UP","components":{"db":{"status":"UP"}}}`),
	"truncated-200": object(http.StatusOK, `{"task":{"id":"5f3c","state":"RUN`),
	"html-401":      page(http.StatusUnauthorized, "401 Authorization Required").with("WWW-Authenticate", `Basic realm="proxy"`),
	"html-403":      page(http.StatusForbidden, "403 Request blocked"),
	"html-404":      page(http.StatusNotFound, "404 Not Found"),
	"foreign-404":   object(http.StatusNotFound, `{"message":"no Route matched with those values","request_id":"1b7c"}`),
	"text-404":      Answer{Status: http.StatusNotFound, Body: "default backend - 404"}.with("Content-Type", "text/plain; charset=utf-8"),
	"empty-404":     {Status: http.StatusNotFound},
	"html-408":      page(http.StatusRequestTimeout, "408 Request Time-out"),
	"html-409":      page(http.StatusConflict, "409 Conflict"),
	"html-410":      page(http.StatusGone, "410 Gone"),
	"html-429":      page(http.StatusTooManyRequests, "429 Too Many Requests").with("Retry-After", "60"),
	"html-500":      page(http.StatusInternalServerError, "500 Internal Server Error"),
	"html-502":      page(http.StatusBadGateway, "502 Bad Gateway"),
	"html-503":      page(http.StatusServiceUnavailable, "503 Service Temporarily Unavailable").with("Retry-After", "60"),
	"html-504":      page(http.StatusGatewayTimeout, "504 Gateway Time-out"),
	"cut":           func() Answer { a := object(http.StatusOK, `{"task":{"id":"5f3c",`); a.Cut = true; return a }(),
	"reset":         {Reset: true},
	"duplicate":     {Duplicate: true},
}

// send answers a request.
func (a Answer) send(w http.ResponseWriter) {
	if a.Reset {
		sandbox.HangUp(w, true)
		return
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	if _, ok := a.Header["Content-Type"]; !ok {
		w.Header()["Content-Type"] = nil // and none is guessed
	}
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	if !a.Cut {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(a.Body))
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)+1))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(a.Body))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
