// The driver of github.com/twstrike/otr3 and of its successor github.com/coyim/otr3: versions 2 and 3, all policies, one
// instance of the correspondent. For the successor, the build changes the import below.
//
// The library returns a text and the messages to send, and reports the rest through handlers while it works. Their order
// is therefore known only in part, and the driver uses a fixed one: what concerns the received message (text, error
// message, rejection), then the messages, then the security change, SMP and the extra key. Adaptations:
//   - The library does not return whether a text was encrypted. It was if the conversation was encrypted and the library
//     did not announce the text as unencrypted.
//   - If the library does not accept something, Receive returns an error. It becomes message_rejected or, if a handler
//     was called too, message_unreadable, with the reason that its text implies; the text goes to standard error.
//   - The handler for received extra keys has no setter, so the driver sets the unexported field. It also reads the
//     version and the correspondent's instance tag, which the library does not tell, from unexported fields.
//   - The library reads the system's clock. To let time pass, the driver moves the library's timestamps into the past.
//     The heartbeat interval is always 60 s.
//   - The client chooses the text of an OTR Error message; the driver uses that of the contract.
//   - Padding can't be chosen (unsupported). The user of the older library can't abort SMP.
package main

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"time"
	"unsafe"

	"github.com/twstrike/otr3"
)

// The library's error texts: a part of the text, and the reason. The first match counts.
var reasons = []struct{ part, reason string }{
	{"invalid OTR fragment", "bad_fragment"},
	{"unknown message type", "unknown_type"},
	{"message not in private", "not_encrypted"},
	{"counter regressed", "bad_counter"},
	{"key id for", "unknown_key"},
	{"no previous key", "unknown_key"},
	{"DH value out of range", "bad_group_element"},
	{"bad commit MAC", "bad_commitment"},
	{"bad signature MAC", "bad_mac"},
	{"bad signature in", "bad_signature"},
	{"dataMsg.deserialize", "malformed"},
	{"corrupt", "malformed"},
}

func reasonOf(err error) interface{} {
	for _, known := range reasons {
		if strings.Contains(err.Error(), known.part) {
			return known.reason
		}
	}
	return nil
}

type conversation struct {
	*otr3.Conversation
	now         int64
	allowed     bool   // whether a version is allowed; if not, the library passes everything through
	established []byte // the correspondent's fingerprint in the last handshake

	// What the handlers reported during the current call.
	before, after []event
	unencrypted   bool
	insecure      string // the event for GoneInsecure in this call
}

func newParty(p *params) (party, error) {
	serialized, err := p.Key.serialized()
	if err != nil {
		return nil, err
	}
	source, err := newTape(p.Seed)
	if err != nil {
		return nil, err
	}
	rest, ok, key := otr3.ParsePrivateKey(serialized)
	if !ok || len(rest) > 0 {
		return nil, invalid("key: the library does not take it")
	}
	c := &conversation{Conversation: &otr3.Conversation{Rand: source}}
	c.SetOurKeys([]otr3.PrivateKey{key})
	c.SetMessageEventHandler(c)
	c.SetSecurityEventHandler(c)
	c.SetSMPEventHandler(c)
	c.SetErrorMessageHandler(c)
	*(*otr3.ReceivedKeyHandler)(c.pointer("receivedKeyHandler")) = c
	if p.MaxMessageSize != nil {
		if *p.MaxMessageSize < 0 || *p.MaxMessageSize > math.MaxUint16 {
			return nil, unsupported("the library takes message sizes up to 65535")
		}
		c.SetFragmentSize(uint16(*p.MaxMessageSize))
	}
	if p.InstanceTag != nil {
		c.InitializeInstanceTag(*p.InstanceTag)
	} else {
		c.InitializeInstanceTag(0)
	}
	return c, c.setPolicy(p.Policy)
}

// field finds an unexported field. The result is not valid if a pointer on the way is nil.
func (c *conversation) field(names ...string) reflect.Value {
	value := reflect.ValueOf(c.Conversation).Elem()
	for _, name := range names {
		if value.Kind() == reflect.Ptr {
			value = value.Elem()
		}
		if value.IsValid() {
			value = value.FieldByName(name)
		}
	}
	return value
}

func (c *conversation) pointer(names ...string) unsafe.Pointer {
	if value := c.field(names...); value.IsValid() {
		return unsafe.Pointer(value.UnsafeAddr())
	}
	return nil
}

func (c *conversation) version() int {
	if value := c.field("version"); !value.IsNil() && value.Elem().Type().Name() == "otrV3" {
		return 3
	}
	return 2
}

// instance is the correspondent's instance tag, 0 in version 2.
func (c *conversation) instance() uint32 {
	if c.version() == 3 {
		return uint32(c.field("theirInstanceTag").Uint())
	}
	return 0
}

const statePlaintext = 0

func (c *conversation) plaintext() bool { return c.field("msgState").Int() == statePlaintext }

func (c *conversation) instanceTag() interface{} { return c.field("ourInstanceTag").Uint() }

func (c *conversation) fingerprint() []byte { return c.GetOurKeys()[0].PublicKey().Fingerprint() }

// HandleMessageEvent is called for received messages, and for sent ones, which it ignores.
func (c *conversation) HandleMessageEvent(e otr3.MessageEvent, message []byte, err error, _ ...interface{}) {
	unreadable := func(reason interface{}) {
		c.before = append(c.before, newEvent("message_unreadable", event{
			"instance": c.instance(), "reason": reason, "field": nil, "offset": nil,
		}))
	}
	switch e {
	case otr3.MessageEventReceivedMessageNotInPrivate:
		unreadable("not_encrypted")
	case otr3.MessageEventReceivedMessageUnreadable, otr3.MessageEventReceivedMessageMalformed:
		unreadable(nil)
	case otr3.MessageEventReceivedMessageForOtherInstance:
		c.before = append(c.before, rejected("other_instance"))
	case otr3.MessageEventReceivedMessageUnrecognized:
		c.before = append(c.before, rejected(nil))
	case otr3.MessageEventReceivedMessageGeneralError:
		c.before = append(c.before, newEvent("error_message_received", event{"text": text(message)}))
	case otr3.MessageEventReceivedMessageUnencrypted:
		c.unencrypted = true
	}
}

func rejected(reason interface{}) event {
	return newEvent("message_rejected", event{"reason": reason, "field": nil, "offset": nil})
}

// HandleErrorMessage returns the text of an OTR Error message. The library puts a space before it.
func (c *conversation) HandleErrorMessage(otr3.ErrorCode) []byte {
	return []byte("An encrypted message could not be read.")
}

// HandleSecurityEvent is called when a handshake has completed or a session has ended.
func (c *conversation) HandleSecurityEvent(e otr3.SecurityEvent) {
	if e == otr3.GoneInsecure {
		c.after = append(c.after, newEvent(c.insecure, event{"instance": c.instance()}))
		return
	}
	ssid, theirs := c.GetSSID(), c.GetTheirKey().Fingerprint()
	_, highlighted := c.SecureSessionID()
	c.after = append(c.after, newEvent("session_established", event{
		"instance": c.instance(), "version": c.version(),
		"ssid": hex.EncodeToString(ssid[:]), "fingerprint": hex.EncodeToString(theirs),
		"sent_reveal_signature": highlighted == 0,
		"refreshed":             e == otr3.StillSecure,
		"same_key":              e == otr3.StillSecure && bytes.Equal(theirs, c.established),
	}))
	c.established = theirs
}

// HandleSMPEvent is called on SMP progress. "Cheated" means a wrong group element, a wrong proof, or missing randomness.
func (c *conversation) HandleSMPEvent(e otr3.SMPEvent, _ int, question string) {
	name, fields := "smp_aborted", event{"instance": c.instance()}
	switch e {
	case otr3.SMPEventInProgress:
		return
	case otr3.SMPEventAskForSecret:
		name, fields["question"] = "smp_requested", nil
	case otr3.SMPEventAskForAnswer:
		name, fields["question"] = "smp_requested", text(question)
	case otr3.SMPEventSuccess, otr3.SMPEventFailure:
		name, fields["equal"] = "smp_finished", e == otr3.SMPEventSuccess
	case otr3.SMPEventAbort:
		fields["reason"] = "peer_aborted"
	case otr3.SMPEventError:
		fields["reason"] = "smp_unexpected"
	default:
		fields["reason"] = nil
	}
	c.after = append(c.after, newEvent(name, fields))
}

// ReceivedSymmetricKey is called when the correspondent asks for the extra key.
func (c *conversation) ReceivedSymmetricKey(use uint32, data, key []byte) {
	c.after = append(c.after, c.extraKeyEvent(true, use, data, key))
}

func (c *conversation) extraKeyEvent(received bool, use uint32, data, key []byte) event {
	return newEvent("extra_key_derived", event{
		"instance": c.instance(), "received": received, "use": use, "data": text(data), "key": hex.EncodeToString(key),
	})
}

// heard returns everything that happened in a call, in order, and clears what the handlers recorded.
func (c *conversation) heard(messages []otr3.ValidMessage) []event {
	events := c.before
	for _, message := range messages {
		events = append(events, outgoing(message)...)
	}
	events = append(events, c.after...)
	c.before, c.after, c.unencrypted = nil, nil, false
	return events
}

func (c *conversation) receive(message []byte) ([]event, error) {
	wasEncrypted := c.IsEncrypted() && c.allowed
	c.insecure = "peer_ended_session"
	plain, messages, err := c.Receive(message)
	if err != nil {
		logged(err)
		told := false
		for _, one := range c.before {
			if one["event"] == "message_unreadable" {
				told = true
				if one["reason"] == nil {
					one["reason"] = reasonOf(err)
				}
			}
		}
		if !told {
			c.before = append(c.before, rejected(reasonOf(err)))
		}
	}
	if secure := wasEncrypted && !c.unencrypted; plain != nil {
		shown := event{"text": text(plain), "secure": secure, "warn": c.unencrypted, "instance": 0}
		if secure {
			shown["instance"] = c.instance()
		}
		c.before = append([]event{newEvent("text_received", shown)}, c.before...)
	}
	return c.heard(messages), nil
}

// Error texts by which the library refuses a user action, and the reasons.
var refusals = []struct {
	part   string
	reason interface{}
}{
	{"secure conversation", "wrong_state"},
	{"current state", "wrong_state"},
	{"unencrypted state", "wrong_state"},
	{"not expected SMP", "wrong_state"},
	{"invalid key id", nil}, // no key to encrypt with
}

// did returns the events of a user action. Known errors mean that the library refuses it; others are failures.
func (c *conversation) did(action string, messages []otr3.ValidMessage, err error) ([]event, error) {
	events := c.heard(messages)
	if err == nil {
		return events, nil
	}
	for _, known := range refusals {
		if strings.Contains(logged(err).Error(), known.part) {
			return append(events, newEvent("action_refused", event{"action": action, "reason": known.reason})), nil
		}
	}
	return events, err
}

// addressed refuses any instance other than the current one.
func (c *conversation) addressed(p *params) error {
	if p.Instance != nil && *p.Instance != c.instance() {
		return unsupported("the library has one instance of the correspondent, and it is another one")
	}
	return nil
}

func (c *conversation) send(p *params) ([]event, error) {
	if err := c.addressed(p); err != nil {
		return nil, err
	}
	if p.Padding != nil {
		return nil, unsupported("the library does not pad")
	}
	messages, err := c.Send(otr3.ValidMessage(p.Text))
	return c.did("send", messages, err)
}

func (c *conversation) start() ([]event, error) { return outgoing(c.QueryMessage()), nil }

func (c *conversation) end(p *params) ([]event, error) {
	if err := c.addressed(p); err != nil {
		return nil, err
	}
	wasFinished := !c.plaintext() && !c.IsEncrypted()
	c.insecure = "user_ended_session"
	messages, err := c.End()
	if wasFinished && c.plaintext() {
		// The library has no event for this.
		c.after = append(c.after, newEvent("user_ended_session", event{"instance": c.instance()}))
	}
	return c.did("end", messages, err)
}

func (c *conversation) smpStart(p *params) ([]event, error) {
	if err := c.addressed(p); err != nil {
		return nil, err
	}
	var question string
	if p.Question != nil {
		if len(*p.Question) == 0 {
			return nil, unsupported("the library has no empty question")
		}
		question = string(*p.Question)
	}
	messages, err := c.StartAuthenticate(question, p.Secret)
	return c.did("smp_start", messages, err)
}

func (c *conversation) smpAnswer(p *params) ([]event, error) {
	if err := c.addressed(p); err != nil {
		return nil, err
	}
	messages, err := c.ProvideAuthenticationSecret(p.Secret)
	return c.did("smp_answer", messages, err)
}

// aborter is the method that only the newer library has.
type aborter interface {
	AbortAuthentication() ([]otr3.ValidMessage, error)
}

func (c *conversation) smpAbort(p *params) ([]event, error) {
	library, can := interface{}(c.Conversation).(aborter)
	if !can {
		return nil, unsupported("the library has no call to abort SMP")
	}
	if err := c.addressed(p); err != nil {
		return nil, err
	}
	messages, err := library.AbortAuthentication()
	return c.did("smp_abort", messages, err)
}

func (c *conversation) extraKey(p *params) ([]event, error) {
	if err := c.addressed(p); err != nil {
		return nil, err
	}
	if p.Use < 0 || p.Use > math.MaxUint32 {
		return nil, unsupported("the library takes a use of 32 bits")
	}
	key, messages, err := c.UseExtraSymmetricKey(uint32(p.Use), p.Data)
	if err == nil {
		c.after = append(c.after, c.extraKeyEvent(false, uint32(p.Use), p.Data, key))
	}
	return c.did("extra_key", messages, err)
}

func (c *conversation) setTime(now int64) {
	passed := time.Duration(now-c.now) * time.Second
	c.now = now
	for _, path := range [][]string{{"heartbeat", "lastSent"}, {"lastMessageStateChange"}, {"ake", "lastStateChange"}} {
		// The zero time stands for never.
		if moment := (*time.Time)(c.pointer(path...)); moment != nil && !moment.IsZero() {
			*moment = moment.Add(-passed)
		}
	}
}

func (c *conversation) setPolicy(policy []string) error {
	c.Policies, c.allowed = 0, false
	set := map[string]func(){
		"allow_v2":             c.Policies.AllowV2,
		"allow_v3":             c.Policies.AllowV3,
		"require_encryption":   c.Policies.RequireEncryption,
		"send_whitespace_tag":  c.Policies.SendWhitespaceTag,
		"whitespace_start_ake": c.Policies.WhitespaceStartAKE,
		"error_start_ake":      c.Policies.ErrorStartAKE,
	}
	for _, name := range policy {
		if set[name] == nil {
			return unsupported("the library has no policy " + name)
		}
		set[name]()
		c.allowed = c.allowed || strings.HasPrefix(name, "allow_")
	}
	return nil
}

func main() {
	capabilities := []string{
		"v2", "v3", "smp", "smp_question", "extra_key", "fragmentation_out", "instance_tags", "policy",
		"whitespace_tag", "stored_messages", "heartbeat", "time",
	}
	if _, can := interface{}(&otr3.Conversation{}).(aborter); can {
		capabilities = append(capabilities, "smp_abort")
	}
	serve(event{
		"protocol": 2, "name": "otr3", "version": libraryVersion, "otr_versions": []int{2, 3},
		"capabilities": capabilities, "randomness": "seed",
	})
}
