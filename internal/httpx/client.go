package httpx

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
)

// Client speaks JSON to one service.
type Client struct {
	service string
	base    *url.URL
	http    *http.Client
	ahead   atomic.Int64 // time.Duration
}

// NewClient returns a client whose paths are relative to base.
func NewClient(base *url.URL, o Options) *Client {
	o.Origin = base
	return &Client{service: o.Service, base: base, http: &http.Client{Transport: NewTransport(o)}}
}

// Ahead is how far this computer's clock was ahead of the service's at the last answer; negative
// when it was behind, 0 when the service never said. The service says it in whole seconds.
func (c *Client) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// StatusError is an answer that is not a success.
type StatusError struct {
	Service   string
	Method    string
	Path      string
	Status    int
	Message   display.Text // what the service said
	Code      string       // the service's own name of the error, where it has one
	RequestID display.Text
	Fields    []display.Text // "field: message" for each field that was refused
	Header    http.Header    // of the answer
}

func (e *StatusError) Error() string {
	var msg strings.Builder
	_, _ = fmt.Fprintf(&msg, "%s: %s %s: %d %s", e.Service, e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if !e.Message.IsZero() {
		msg.WriteString(": " + e.Message.String())
	}
	for _, f := range e.Fields {
		msg.WriteString("; " + f.String())
	}
	if !e.RequestID.IsZero() {
		msg.WriteString(" (request " + e.RequestID.String() + ")")
	}
	return msg.String()
}

// Status returns the HTTP status that err carries, or 0.
func Status(err error) int {
	if s, ok := errors.AsType[*StatusError](err); ok {
		return s.Status
	}
	return 0
}

// Refused reports whether the service clearly refused: the request had no effect. A refusal that
// came after tries without a clear answer is none.
func Refused(err error) bool {
	s, ok := errors.AsType[*StatusError](err)
	return ok && s.Status >= 400 && s.Status < 500 && s.Status != http.StatusRequestTimeout && s.Header.Get(unclearHeader) == ""
}

// AmbiguousError says that a request may have been carried out although no usable answer came.
type AmbiguousError struct{ Err error }

func (e *AmbiguousError) Error() string { return "no clear answer: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *AmbiguousError) Unwrap() error { return e.Err }

// Call is one request.
type Call struct {
	Method string
	Path   string // relative to the base, already escaped
	Query  url.Values
	Body   any        // encoded as JSON; nil for none
	Form   url.Values // the body as a form, instead of Body
	Raw    []byte     // the body as it is, instead of Body; Type is its media type
	Type   string
	Header map[string]string // more headers
	// Repeatable says that a POST may be sent again after an unclear answer: the second has no effect of
	// its own, or the service refuses to make the same thing twice and the caller knows that refusal.
	Repeatable bool
	Out        any     // decoded from JSON; nil to ignore the answer
	Text       *string // gets the answer as it is, instead of Out
}

// Do performs the call and returns the headers of the answer. An error of a call that changes
// something is an *AmbiguousError unless the service clearly refused.
func (c *Client) Do(ctx context.Context, call Call) (http.Header, error) {
	var body io.Reader
	kind := "application/json"
	switch {
	case call.Form != nil:
		body, kind = strings.NewReader(call.Form.Encode()), "application/x-www-form-urlencoded"
	case call.Raw != nil:
		body, kind = bytes.NewReader(call.Raw), call.Type
	case call.Body != nil:
		b, err := json.Marshal(call.Body)
		if err != nil {
			return nil, fmt.Errorf("%s: encode %s: %w", c.service, call.Path, err)
		}
		body = bytes.NewReader(b)
	}
	u := *c.base
	u.Path, u.RawPath = "", ""
	full := strings.TrimSuffix(c.base.EscapedPath(), "/") + call.Path
	parsed, err := url.Parse(full)
	if err != nil {
		return nil, fmt.Errorf("%s: path %q: %w", c.service, call.Path, err)
	}
	u.Path, u.RawPath, u.RawQuery = parsed.Path, parsed.RawPath, call.Query.Encode()
	if call.Repeatable {
		ctx = context.WithValue(ctx, repeatableKey{}, true)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.service, err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil && kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for k, v := range call.Header {
		req.Header.Set(k, v)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		// *url.Error repeats the whole URL; our own form says method and path.
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return nil, c.ambiguous(call, fmt.Errorf("%s: %s %s: %w", c.service, call.Method, call.Path, err))
	}
	defer func() { _ = resp.Body.Close() }()
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.ahead.Store(int64(time.Since(at).Truncate(time.Second)))
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.Header, c.ambiguous(call, fmt.Errorf("%s: %s %s: answer cut: %w", c.service, call.Method, call.Path, err))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		err := c.statusError(call, resp, raw)
		if resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestTimeout {
			return resp.Header, c.ambiguous(call, err)
		}
		return resp.Header, err
	}
	if call.Text != nil {
		*call.Text = string(raw)
	}
	if call.Out == nil || resp.StatusCode == http.StatusNoContent {
		return resp.Header, nil
	}
	// AWS calls its JSON application/x-amz-json-1.1.
	if mt, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mt != "application/json" && !strings.HasPrefix(mt, "application/x-amz-json") {
		return resp.Header, c.ambiguous(call, fmt.Errorf("%s: %s %s: the answer is %q, not JSON", c.service, call.Method, call.Path, mt))
	}
	if err := json.Unmarshal(raw, call.Out); err != nil {
		// The text of a decoding error can quote the answer.
		return resp.Header, c.ambiguous(call, fmt.Errorf("%s: %s %s: the answer is not the expected JSON", c.service, call.Method, call.Path))
	}
	return resp.Header, nil
}

// ambiguous marks err when the request may have had an effect. A failed dial never left.
func (c *Client) ambiguous(call Call, err error) error {
	var op *net.OpError
	if _, unsent := errors.AsType[*notSentError](err); unsent || call.Method == http.MethodGet || (errors.As(err, &op) && op.Op == "dial") {
		return err
	}
	return &AmbiguousError{err}
}

// words is what a service says in an error: a text, a list of texts, an object with a message, or
// another object or list, whose JSON says it too.
type words display.Text

func (w *words) UnmarshalJSON(b []byte) error {
	var s string
	var o struct{ Message string }
	var list []string
	switch {
	case json.Unmarshal(b, &s) == nil:
	case json.Unmarshal(b, &list) == nil:
		s = strings.Join(list, "; ")
	case json.Unmarshal(b, &o) == nil && o.Message != "":
		s = o.Message
	default:
		s = string(b)
	}
	*w = words(display.Clean(s))
	return nil
}

// announceKey is the key of a function that has to succeed before each try that may change something.
type announceKey struct{}

// Announce returns a context in which f is called before each try of a request that may change
// something. When it fails the request is not sent.
func Announce(ctx context.Context, f func() error) context.Context {
	return context.WithValue(ctx, announceKey{}, f)
}

// repeatableKey marks the context of a request that may be sent again whatever its method.
type repeatableKey struct{}

// nameOf is the name of an error that stands in an object, the most exact one: Azure's innererror.code or
// code, Google's status, whose code is only the number of the answer.
func nameOf(raw []byte) string {
	var body struct {
		Error struct {
			Code   any `json:"code"`
			Status any `json:"status"`
			Inner  struct {
				Code string `json:"code"`
			} `json:"innererror"`
		} `json:"error"`
	}
	if json.Unmarshal(raw, &body) != nil {
		return ""
	}
	status, _ := body.Error.Status.(string)
	code, _ := body.Error.Code.(string)
	return display.Clean(cmp.Or(body.Error.Inner.Code, status, code)).String()
}

func (c *Client) statusError(call Call, resp *http.Response, raw []byte) error {
	e := &StatusError{Service: c.service, Method: call.Method, Path: call.Path, Status: resp.StatusCode, Header: resp.Header}
	var body struct {
		Message     words        `json:"message"`
		Error       words        `json:"error"`
		Errors      words        `json:"errors"`   // Vault
		Messages    words        `json:"messages"` // Doppler
		RequestID   display.Text `json:"requestId"`
		Type        display.Text `json:"__type"`            // AWS: namespace#Name
		OAuth       display.Text `json:"error_description"` // RFC 6749, 5.2
		FieldErrors []struct {
			Field   display.Text `json:"field"`
			Message display.Text `json:"message"`
		} `json:"fieldErrors"`
	}
	if json.Unmarshal(raw, &body) == nil {
		e.RequestID = body.RequestID
		e.Code = cmp.Or(body.Type.String()[strings.LastIndex(body.Type.String(), "#")+1:], nameOf(raw))
		for _, m := range []display.Text{display.Text(body.Message), body.OAuth, display.Text(body.Error), display.Text(body.Errors), display.Text(body.Messages)} {
			if e.Message.IsZero() {
				e.Message = m
			}
		}
		for _, f := range body.FieldErrors {
			e.Fields = append(e.Fields, display.Clean(f.Field.String()+": "+f.Message.String()))
		}
	}
	return e
}

// Finish returns a context that outlives ctx by ten seconds: a request that is cut leaves a question
// behind.
func Finish(ctx context.Context) (context.Context, context.CancelFunc) {
	open, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(10*time.Second, cancel)
		context.AfterFunc(open, func() { t.Stop() })
	})
	return open, func() { stop(); cancel() }
}
