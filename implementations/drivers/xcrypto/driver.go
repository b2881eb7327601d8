// The driver of golang.org/x/crypto/otr: version 2 only, without policies, instance tags or a clock.
//
// The library has four calls (Receive, Send, Authenticate, End) and a constant, QueryMessage. Receive returns a text, at
// most one security change and the messages to send, without an order among them, so the driver uses a fixed one: the
// text, the messages, the change. Adaptations:
//   - If the library does not accept something, Receive returns an error. It becomes message_rejected or
//     message_unreadable (smp_aborted for SMP), with the reason that its text implies; the text goes to standard error.
//   - Authenticate both starts and answers SMP. An unexported field says which it would do; if the other was asked for,
//     the driver answers unsupported.
//   - Policies: ALLOW_V2 is always on; policies without it, and all others except ALLOW_V3, are unsupported.
//   - The user can't abort SMP. There is no extra key and no heartbeat. Padding is always added and can't be chosen.
package main

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"

	"golang.org/x/crypto/otr"
)

// The library's error texts: a part of the text, the event, and the reason if the text makes it clear. The first match
// counts.
var errorsKnown = []struct{ part, event, reason string }{
	{"invalid OTR fragment", "message_rejected", "bad_fragment"},
	{"invalid base64", "message_rejected", "bad_armour"},
	{"unknown message type", "message_rejected", "unknown_type"},
	{"without encrypted session", "message_unreadable", "not_encrypted"},
	{"corrupt data message", "message_unreadable", "malformed"},
	{"peer requested keyid", "message_unreadable", "unknown_key"},
	{"bad MAC on data message", "message_unreadable", "bad_mac"},
	{"counter regressed", "message_unreadable", "bad_counter"},
	{"no more key slots", "message_unreadable", ""},
	{"corrupt tlv", "message_rejected", "bad_tlv"},
	{"corrupt SMP", "smp_aborted", "smp_malformed"},
	{"incorrect number of arguments in SMP", "smp_aborted", "smp_malformed"},
	{"SMP message with question", "smp_aborted", "smp_malformed"},
	{"ZKP", "smp_aborted", "smp_bad_proof"},
	{"DH value out of range", "message_rejected", "bad_group_element"},
	{"duplicate DH key", "message_rejected", "unexpected"},
	{"bad commit MAC", "message_rejected", "bad_commitment"},
	{"bad signature MAC", "message_rejected", "bad_mac"},
	{"bad signature in", "message_rejected", "bad_signature"},
	{"corrupt", "message_rejected", "malformed"},
	{"AES", "message_rejected", "malformed"},
	{"", "message_rejected", ""},
}

type conversation struct {
	otr.Conversation
	established []byte // the correspondent's fingerprint in the last handshake
}

func newParty(p *params) (party, error) {
	key, err := p.Key.serialized()
	if err != nil {
		return nil, err
	}
	source, err := newTape(p.Seed)
	if err != nil {
		return nil, err
	}
	c := &conversation{Conversation: otr.Conversation{PrivateKey: new(otr.PrivateKey), Rand: source}}
	if rest, ok := c.PrivateKey.Parse(key); !ok || len(rest) > 0 {
		return nil, invalid("key: the library does not take it")
	}
	if p.MaxMessageSize != nil {
		c.FragmentSize = *p.MaxMessageSize
	}
	return c, c.setPolicy(p.Policy)
}

// field reads an unexported field. The driver never writes to one.
func (c *conversation) field(names ...string) reflect.Value {
	value := reflect.ValueOf(&c.Conversation).Elem()
	for _, name := range names {
		value = value.FieldByName(name)
	}
	return value
}

const statePlaintext = 0

func (c *conversation) plaintext() bool { return c.field("state").Int() == statePlaintext }

func (c *conversation) questionWaits() bool { return !c.field("smp", "saved").IsNil() }

func (c *conversation) instanceTag() interface{} { return nil }

func (c *conversation) fingerprint() []byte { return c.PrivateKey.PublicKey.Fingerprint() }

func (c *conversation) receive(message []byte) ([]event, error) {
	refreshed := c.IsEncrypted()
	shown, secure, change, toSend, err := c.Receive(message)
	var events []event
	// An empty text after decryption may be a message with only TLVs; the library does not tell them apart.
	if len(shown) > 0 || (!secure && shown != nil) {
		events = append(events, newEvent("text_received", event{
			"text": text(shown), "secure": secure, "warn": nil, "instance": 0,
		}))
	}
	var problem event
	if err != nil {
		problem = rejection(logged(err))
		if problem["event"] != "smp_aborted" {
			events, problem = append(events, problem), nil
		}
	}
	events = append(events, outgoing(toSend...)...)
	if problem != nil {
		events = append(events, problem)
	}
	switch change {
	case otr.NewKeys:
		theirs := c.TheirPublicKey.Fingerprint()
		events = append(events, newEvent("session_established", event{
			"instance": 0, "version": 2,
			"ssid": hex.EncodeToString(c.SSID[:]), "fingerprint": hex.EncodeToString(theirs),
			"sent_reveal_signature": nil,
			"refreshed":             refreshed,
			"same_key":              refreshed && bytes.Equal(theirs, c.established),
		}))
		c.established = theirs
	case otr.ConversationEnded:
		events = append(events, newEvent("peer_ended_session", event{"instance": 0}))
	case otr.SMPSecretNeeded:
		var question interface{}
		// The library does not distinguish an empty question from none.
		if asked := c.SMPQuestion(); asked != "" {
			question = text(asked)
		}
		events = append(events, newEvent("smp_requested", event{"instance": 0, "question": question}))
	case otr.SMPComplete, otr.SMPFailed:
		// The library reports an abort by the peer as SMPFailed, too.
		events = append(events, newEvent("smp_finished", event{"instance": 0, "equal": change == otr.SMPComplete}))
	}
	return events, nil
}

func rejection(err error) event {
	for _, known := range errorsKnown {
		if !strings.Contains(err.Error(), known.part) {
			continue
		}
		reason := optional(known.reason)
		switch known.event {
		case "message_rejected":
			return newEvent("message_rejected", event{"reason": reason, "field": nil, "offset": nil})
		case "message_unreadable":
			return newEvent("message_unreadable", event{"instance": 0, "reason": reason, "field": nil, "offset": nil})
		}
		return newEvent(known.event, event{"instance": 0, "reason": reason})
	}
	return nil // not reached: the last entry matches everything
}

// refused answers a user's action that the library returned an error for.
func refused(action string, err error) []event {
	var reason interface{}
	for _, part := range []string{"secure conversation", "current state"} {
		if strings.Contains(err.Error(), part) {
			reason = "wrong_state"
		}
	}
	return []event{newEvent("action_refused", event{"action": action, "reason": reason})}
}

// onlySession refuses any instance other than the library's only one.
func onlySession(p *params) error {
	if p.Instance != nil && *p.Instance != 0 {
		return unsupported("version 2 has no instances")
	}
	return nil
}

func (c *conversation) send(p *params) ([]event, error) {
	if err := onlySession(p); err != nil {
		return nil, err
	}
	if p.Padding != nil {
		return nil, unsupported("the library pads as it sees fit")
	}
	messages, err := c.Send(p.Text)
	if err != nil {
		return refused("send", logged(err)), nil
	}
	return outgoing(messages...), nil
}

func (c *conversation) start() ([]event, error) { return outgoing([]byte(otr.QueryMessage)), nil }

func (c *conversation) end(p *params) ([]event, error) {
	if err := onlySession(p); err != nil {
		return nil, err
	}
	before := c.plaintext()
	events := outgoing(c.End()...)
	if !before && c.plaintext() {
		events = append(events, newEvent("user_ended_session", event{"instance": 0}))
	}
	return events, nil
}

func (c *conversation) smpStart(p *params) ([]event, error) {
	if c.questionWaits() {
		return nil, unsupported("the library has one call for both: now it would answer")
	}
	var question string
	if p.Question != nil {
		if len(*p.Question) == 0 {
			return nil, unsupported("the library has no empty question")
		}
		question = string(*p.Question)
	}
	return c.authenticate("smp_start", question, p)
}

func (c *conversation) smpAnswer(p *params) ([]event, error) {
	if !c.questionWaits() {
		return nil, unsupported("the library has one call for both: now it would start")
	}
	return c.authenticate("smp_answer", "", p)
}

func (c *conversation) authenticate(action, question string, p *params) ([]event, error) {
	if err := onlySession(p); err != nil {
		return nil, err
	}
	encrypted := c.IsEncrypted()
	messages, err := c.Authenticate(question, p.Secret)
	events := outgoing(messages...)
	if err != nil && !encrypted {
		return refused(action, logged(err)), nil
	}
	if err != nil {
		// The library checks the peer's first message only now, when it is answered.
		events = append(events, rejection(logged(err)))
	}
	return events, nil
}

func (c *conversation) smpAbort(*params) ([]event, error) {
	return nil, unsupported("the library has no call to abort SMP")
}

func (c *conversation) extraKey(*params) ([]event, error) {
	return nil, unsupported("the library has no extra symmetric key")
}

// setTime does nothing: the library does not depend on the time.
func (c *conversation) setTime(int64) {}

func (c *conversation) setPolicy(policy []string) error {
	allowed := false
	for _, name := range policy {
		switch name {
		case "allow_v2":
			allowed = true
		case "allow_v3": // allowing version 3 has no effect
		default:
			return unsupported("the library has no policy " + name)
		}
	}
	if !allowed {
		return unsupported("the library speaks version 2 whatever the policy")
	}
	return nil
}

func main() {
	serve(event{
		"protocol": 2, "name": "xcrypto", "version": libraryVersion, "otr_versions": []int{2},
		"capabilities": []string{"v2", "smp", "smp_question", "fragmentation_out"}, "randomness": "seed",
	})
}
