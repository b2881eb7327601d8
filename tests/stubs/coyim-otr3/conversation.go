// Package otr3 has what the driver calls of github.com/coyim/otr3, without what it does: the driver compiles against it
// where the library is not there.
package otr3

import "io"

type (
	ValidMessage      []byte
	MessagePlaintext  []byte
	MessageEvent      int
	SecurityEvent     int
	SMPEvent          int
	ErrorCode         int
	policies          int
	publicKeyOfNobody struct{}
)

const (
	MessageEventReceivedMessageNotInPrivate MessageEvent = iota
	MessageEventReceivedMessageUnreadable
	MessageEventReceivedMessageMalformed
	MessageEventReceivedMessageForOtherInstance
	MessageEventReceivedMessageUnrecognized
	MessageEventReceivedMessageGeneralError
	MessageEventReceivedMessageUnencrypted
)

const (
	GoneInsecure SecurityEvent = iota
	StillSecure
)

const (
	SMPEventInProgress SMPEvent = iota
	SMPEventAskForSecret
	SMPEventAskForAnswer
	SMPEventSuccess
	SMPEventFailure
	SMPEventAbort
	SMPEventError
)

type PublicKey interface{ Fingerprint() []byte }

type PrivateKey interface{ PublicKey() PublicKey }

type MessageEventHandler interface {
	HandleMessageEvent(event MessageEvent, message []byte, err error, trace ...interface{})
}

type SecurityEventHandler interface{ HandleSecurityEvent(event SecurityEvent) }

type SMPEventHandler interface {
	HandleSMPEvent(event SMPEvent, progressPercent int, question string)
}

type ErrorMessageHandler interface{ HandleErrorMessage(error ErrorCode) []byte }

type ReceivedKeyHandler interface {
	ReceivedSymmetricKey(usage uint32, usageData, symkey []byte)
}

func (policies) AllowV2()            {}
func (policies) AllowV3()            {}
func (policies) RequireEncryption()  {}
func (policies) SendWhitespaceTag()  {}
func (policies) WhitespaceStartAKE() {}
func (policies) ErrorStartAKE()      {}

func (publicKeyOfNobody) Fingerprint() []byte { return nil }

func ParsePrivateKey(in []byte) ([]byte, bool, PrivateKey) { return nil, false, nil }

type Conversation struct {
	Rand     io.Reader
	Policies policies
}

func (c *Conversation) SetOurKeys([]PrivateKey)                      {}
func (c *Conversation) GetOurKeys() []PrivateKey                     { return nil }
func (c *Conversation) GetTheirKey() PublicKey                       { return publicKeyOfNobody{} }
func (c *Conversation) SetMessageEventHandler(MessageEventHandler)   {}
func (c *Conversation) SetSecurityEventHandler(SecurityEventHandler) {}
func (c *Conversation) SetSMPEventHandler(SMPEventHandler)           {}
func (c *Conversation) SetErrorMessageHandler(ErrorMessageHandler)   {}
func (c *Conversation) SetFragmentSize(uint16)                       {}
func (c *Conversation) InitializeInstanceTag(uint32) uint32          { return 0 }
func (c *Conversation) IsEncrypted() bool                            { return false }
func (c *Conversation) GetSSID() [8]byte                             { return [8]byte{} }
func (c *Conversation) SecureSessionID() ([]string, int)             { return nil, 0 }
func (c *Conversation) QueryMessage() ValidMessage                   { return nil }

func (c *Conversation) Receive(ValidMessage) (MessagePlaintext, []ValidMessage, error) {
	return nil, nil, nil
}

func (c *Conversation) Send(ValidMessage, ...interface{}) ([]ValidMessage, error) { return nil, nil }

func (c *Conversation) End() ([]ValidMessage, error) { return nil, nil }

func (c *Conversation) StartAuthenticate(string, []byte) ([]ValidMessage, error) { return nil, nil }

func (c *Conversation) ProvideAuthenticationSecret([]byte) ([]ValidMessage, error) { return nil, nil }

func (c *Conversation) AbortAuthentication() ([]ValidMessage, error) { return nil, nil }

func (c *Conversation) UseExtraSymmetricKey(uint32, []byte) ([]byte, []ValidMessage, error) {
	return nil, nil, nil
}
