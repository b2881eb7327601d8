// The driver protocol for Go: what the drivers of Go libraries share, independent of OTR.
//
// Requests arrive on standard input, one JSON-RPC 2.0 object per line, and are answered one by one on standard output,
// which carries nothing else. Error texts of the library go to standard error. A driver consists of this file, which is
// in xcrypto/ and linked into otr3/, a type that implements `party`, and a function newParty. The driver never recovers
// from a panic: if the library crashes, the harness must see the crash.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

// libraryVersion is set when the driver is built (-ldflags "-X main.libraryVersion=..."), since the packages do not tell it.
var libraryVersion = "unknown"

// text is a byte string. In JSON it is a string with one character, U+0000 to U+00FF, for each byte.
type text []byte

func (t text) MarshalJSON() ([]byte, error) {
	runes := make([]rune, len(t))
	for i, b := range t {
		runes[i] = rune(b)
	}
	return json.Marshal(string(runes))
}

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	out := make([]byte, 0, utf8.RuneCountInString(s))
	for _, r := range s {
		if r > 0xff {
			return fmt.Errorf("character %U is no byte (U+0000 to U+00FF)", r)
		}
		out = append(out, byte(r))
	}
	*t = out
	return nil
}

// event is the JSON form of an event of the contract. A field that the library does not tell is nil.
type event map[string]interface{}

func newEvent(name string, fields event) event {
	out := event{"event": name}
	for key, value := range fields {
		out[key] = value
	}
	return out
}

func outgoing(messages ...[]byte) (events []event) {
	for _, message := range messages {
		events = append(events, event{"event": "outgoing_message", "message": text(message)})
	}
	return
}

// optional returns nil, null in JSON, for an unknown reason.
func optional(s string) interface{} {
	if s == "" {
		return nil
	}
	return s
}

// unsupported is the error for what the library can't do.
type unsupported string

func (u unsupported) Error() string { return string(u) }

// invalid is the error for a request that is not valid.
type invalid string

func (i invalid) Error() string { return string(i) }

type dsaKey struct{ P, Q, G, Y, X string }

// serialized returns the key in the format of the OTR text: type 0, then the five numbers.
func (k dsaKey) serialized() ([]byte, error) {
	out := []byte{0, 0}
	for _, digits := range []string{k.P, k.Q, k.G, k.Y, k.X} {
		if len(digits)%2 == 1 {
			digits = "0" + digits
		}
		number, err := hex.DecodeString(digits)
		if err != nil || len(number) == 0 {
			return nil, invalid("key: p, q, g, y and x must be hexadecimal numbers")
		}
		number = bytes.TrimLeft(number, "\x00")
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(number))), number...)
	}
	return out, nil
}

// params holds the parameters of all methods. A pointer is nil if the parameter was left out or null.
type params struct {
	Party             string
	Key               dsaKey
	InstanceTag       *uint32 `json:"instance_tag"`
	Policy            []string
	MaxMessageSize    *int `json:"max_message_size"`
	HeartbeatInterval *int `json:"heartbeat_interval"`
	Seed              *string
	Message           text
	Text              text
	Padding           *int
	Instance          *uint32
	Secret            text
	Question          *text
	Use               int64
	Data              text
	Now               int64
}

// party is one end of a conversation, run by the library.
type party interface {
	instanceTag() interface{}
	fingerprint() []byte
	receive(message []byte) ([]event, error)
	send(p *params) ([]event, error)
	start() ([]event, error)
	end(p *params) ([]event, error)
	smpStart(p *params) ([]event, error)
	smpAnswer(p *params) ([]event, error)
	smpAbort(p *params) ([]event, error)
	extraKey(p *params) ([]event, error)
	setTime(now int64)
	setPolicy(policy []string) error
}

// tape is a source of randomness that gives the same bytes for the same seed.
//
// Reading a single byte does not advance it: crypto/dsa reads one byte at random, so that nobody relies on how much it
// reads.
type tape struct {
	seed    []byte
	block   uint64
	pending []byte
}

func (t *tape) Read(p []byte) (int, error) {
	if len(p) == 1 {
		p[0] = 0
		return 1, nil
	}
	for len(t.pending) < len(p) {
		block := sha256.Sum256(binary.BigEndian.AppendUint64(append([]byte{}, t.seed...), t.block))
		t.pending = append(t.pending, block[:]...)
		t.block++
	}
	n := copy(p, t.pending)
	t.pending = t.pending[n:]
	return n, nil
}

// newTape returns nil without a seed; the library then uses the system's randomness.
func newTape(seed *string) (io.Reader, error) {
	if seed == nil {
		return nil, nil
	}
	bytes, err := hex.DecodeString(*seed)
	if err != nil {
		return nil, invalid("seed: not hexadecimal")
	}
	return &tape{seed: bytes}, nil
}

// logged writes an error of the library to standard error, which the report includes; the answer has no field for it.
func logged(err error) error {
	fmt.Fprintln(os.Stderr, err)
	return err
}

type driver struct {
	hello   interface{}
	parties map[string]party
}

type none struct{}

func (d *driver) call(method string, p *params) (interface{}, error) {
	switch method {
	case "hello":
		return d.hello, nil
	case "create":
		created, err := newParty(p)
		if err != nil {
			return nil, err
		}
		d.parties[p.Party] = created
		return event{
			"instance_tag": created.instanceTag(),
			"fingerprint":  hex.EncodeToString(created.fingerprint()),
		}, nil
	case "reset":
		d.parties = map[string]party{}
		return none{}, nil
	case "close":
		delete(d.parties, p.Party)
		return none{}, nil
	case "shutdown":
		return none{}, nil
	case "set_time":
		// All parties share the time, unless a party is named.
		for name, one := range d.parties {
			if p.Party == "" || p.Party == name {
				one.setTime(p.Now)
			}
		}
		return event{"events": []event{}}, nil
	}
	action, known := map[string]func(party) ([]event, error){
		"receive":    func(one party) ([]event, error) { return one.receive(p.Message) },
		"send":       func(one party) ([]event, error) { return one.send(p) },
		"start":      func(one party) ([]event, error) { return one.start() },
		"end":        func(one party) ([]event, error) { return one.end(p) },
		"smp_start":  func(one party) ([]event, error) { return one.smpStart(p) },
		"smp_answer": func(one party) ([]event, error) { return one.smpAnswer(p) },
		"smp_abort":  func(one party) ([]event, error) { return one.smpAbort(p) },
		"extra_key":  func(one party) ([]event, error) { return one.extraKey(p) },
		"set_policy": func(one party) ([]event, error) { return nil, one.setPolicy(p.Policy) },
	}[method]
	if !known {
		return nil, errNoMethod
	}
	one, exists := d.parties[p.Party]
	if !exists {
		return nil, invalid(fmt.Sprintf("there is no party %q", p.Party))
	}
	events, err := action(one)
	if events == nil {
		events = []event{}
	}
	return event{"events": events}, err
}

var errNoMethod = errors.New("unknown method")

func code(err error) int {
	var noMeans unsupported
	var badRequest invalid
	switch {
	case errors.As(err, &noMeans):
		return -32001
	case errors.As(err, &badRequest):
		return -32602
	case errors.Is(err, errNoMethod):
		return -32601
	}
	return -32002
}

// answer returns the answer to one line, and whether it is the last.
func (d *driver) answer(line []byte) (event, bool) {
	var request struct {
		ID     json.RawMessage
		Method *string
		Params json.RawMessage
	}
	failed := func(code int, message string) event {
		if request.ID == nil {
			request.ID = json.RawMessage("null")
		}
		return event{"jsonrpc": "2.0", "id": request.ID, "error": event{"code": code, "message": message}}
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return failed(-32700, "not JSON: "+err.Error()), false
	}
	if request.Method == nil {
		return failed(-32600, "no method"), false
	}
	var p params
	if request.Params != nil {
		if err := json.Unmarshal(request.Params, &p); err != nil {
			return failed(-32602, err.Error()), false
		}
	}
	result, err := d.call(*request.Method, &p)
	if err != nil {
		return failed(code(err), err.Error()), false
	}
	return event{"jsonrpc": "2.0", "id": request.ID, "result": result}, *request.Method == "shutdown"
}

// serve answers requests until shutdown or the end of standard input.
func serve(hello event) {
	d := &driver{hello: hello, parties: map[string]party{}}
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			answer, last := d.answer(line)
			if err := encoder.Encode(answer); err != nil {
				fmt.Fprintln(os.Stderr, "no answer could be written:", err)
				os.Exit(1)
			}
			if out.Flush() != nil || last {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
