"""The types that both engines and the harness share; no logic.

An engine speaks OTR 2 and 3 for one local client (one account at one location) with one correspondent. It does no I/O:
bytes, user actions and the time go in, and a list of events comes out. An outgoing message is an event like any other,
so the order of events is part of the result.

The protocol texts decide what an engine does. Where they leave a choice open, both engines make the same one, so that
the same seed gives the same bytes. The choices are data, in `implementations/choices/`; docs/reference/choices.md lists
them. [Brackets] name a section of the texts, or a choice.

In an event, None means that the implementation does not tell the value; the engines tell all of them. The exception is
`SmpRequested.question`, where None means that there is no question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import Protocol, TypeAlias

from otterproof.implementations.reasons import RefuseReason as RefuseReason
from otterproof.implementations.reasons import RejectReason as RejectReason
from otterproof.implementations.reasons import SmpAbortReason as SmpAbortReason
from otterproof.implementations.values import quickly_made

#: The protocol versions that an engine speaks. It never offers version 1 and never answers it.
VERSIONS = (2, 3)

#: The smallest instance tag that a client may have. [Instance Tags]
MIN_INSTANCE_TAG = 0x100

#: The Error Message sent in reply to an unreadable data message. [choice text.error-sent]
UNREADABLE_ERROR = b"?OTR Error: An encrypted message could not be read."

#: In seconds: how long a stored text counts as recent. [choice stored.recent]
RECENT = 60

#: The most version 3 sessions, and the most senders of fragments. [choice sessions.limit, choice fragments.limit]
MAX_INSTANCES = 16

#: In bytes: the most that is stored of one fragmented message. [choice fragments.out-of-order]
MAX_REASSEMBLY = 2 << 20

#: In bytes: the smallest `max_message_size`. It fits the longest fragment header, and MAX_TEXT in 65535 pieces.
MIN_MESSAGE_SIZE = 64

#: In bytes: the longest text and the most padding for `send`, the longest SMP question, the longest `extra_key` data.
MAX_TEXT = 1 << 20
MAX_QUESTION = 60_000
MAX_EXTRA_KEY_DATA = 65_531
MAX_PADDING = 65_535


class Policy(Flag):
    """What a client allows, requires and does by itself. [Policies; choice handshake.policy-flag]"""

    NONE = 0
    ALLOW_V2 = auto()
    ALLOW_V3 = auto()
    REQUIRE_ENCRYPTION = auto()
    SEND_WHITESPACE_TAG = auto()
    WHITESPACE_START_AKE = auto()
    ERROR_START_AKE = auto()

    def __repr__(self) -> str:
        """Python source, because runs are printed as programs."""
        return " | ".join(f"Policy.{flag.name}" for flag in self) or "Policy.NONE"


class MessageState(Enum):
    """The message state, msgstate in the texts. [Message state]"""

    PLAINTEXT = "plaintext"
    ENCRYPTED = "encrypted"
    FINISHED = "finished"


class AuthState(Enum):
    """The authentication state, authstate in the texts. [Authentication state]"""

    NONE = "none"
    AWAITING_DHKEY = "awaiting_dhkey"
    AWAITING_REVEALSIG = "awaiting_revealsig"
    AWAITING_SIG = "awaiting_sig"


class SmpState(Enum):
    """The SMP state, smpstate in the texts. [Expected Message; choice smp.waiting-question]

    It stays EXPECT1 while the user is asked for the secret.
    """

    EXPECT1 = "expect1"
    EXPECT2 = "expect2"
    EXPECT3 = "expect3"
    EXPECT4 = "expect4"


@quickly_made
@dataclass(frozen=True, slots=True)
class DsaPublicKey:
    """The public half of a long-term DSA key. [choice keys.dsa-ranges, choice keys.dsa-signature]"""

    p: int
    q: int
    g: int
    y: int


@dataclass(frozen=True, slots=True)
class DsaPrivateKey:
    """A long-term DSA key: the public half and the private exponent x."""

    public: DsaPublicKey
    x: int = field(repr=False)


class Entropy(Protocol):
    """An engine's source of randomness. The choices entropy.* list the labels. [choice entropy.draws]"""

    def draw(self, label: str, index: int, size: int) -> bytes:
        """Return `size` bytes. The same label, index and size always give the same bytes."""


@quickly_made
@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to transmit, exactly as it goes onto the network; one event per fragment. [choice fragments.sent]"""

    message: bytes


@quickly_made
@dataclass(frozen=True, slots=True)
class TextReceived:
    """A text to show to the user. [choice text.warning, choice text.shown-first]

    secure: it came in a verified data message. warn: the user must be warned that it came in the clear; False if
    secure. instance: the session that it came in; 0 if it came in the clear.
    """

    text: bytes
    secure: bool
    warn: bool | None
    instance: int | None


@quickly_made
@dataclass(frozen=True, slots=True)
class SessionEstablished:
    """A handshake has completed, and the session is ENCRYPTED. [choice completion.order]

    ssid: 8 bytes. fingerprint: the correspondent's, 20 bytes. sent_reveal_signature: we sent the Reveal Signature
    Message, so the first half of the ssid is shown in bold; otherwise the second half is. refreshed: the session was
    already ENCRYPTED. same_key: it was, and with the same fingerprint.
    """

    instance: int | None
    version: int
    ssid: bytes | None
    fingerprint: bytes | None
    sent_reveal_signature: bool | None
    refreshed: bool | None
    same_key: bool | None


@dataclass(frozen=True, slots=True)
class PeerEndedSession:
    """The correspondent has ended the session, which is now FINISHED. The user should end it too."""

    instance: int | None


@dataclass(frozen=True, slots=True)
class UserEndedSession:
    """The user has ended an ENCRYPTED or FINISHED session, which is now in PLAINTEXT. [choice actions.end-smp]"""

    instance: int | None


@dataclass(frozen=True, slots=True)
class ErrorMessageReceived:
    """An Error Message arrived. text: everything after "?OTR Error:". [choice text.error]"""

    text: bytes | None


@dataclass(frozen=True, slots=True)
class MessageUnreadable:
    """A data message could not be read, and the user must be told. [choice data.unreadable]

    reason, field, offset: as in MessageRejected.
    """

    instance: int | None
    reason: RejectReason | None
    field: str | None = ""
    offset: int | None = 0


@quickly_made
@dataclass(frozen=True, slots=True)
class MessageRejected:
    """A received message was ignored: news for the log, not for the user.

    field, offset: for MALFORMED and NON_MINIMAL_MPI, the first wrong field and the byte where it starts; otherwise ""
    and 0. [choice encoding.mistake-field, choice encoding.mistake-offset]
    """

    reason: RejectReason | None
    field: str | None = ""
    offset: int | None = 0


@dataclass(frozen=True, slots=True)
class ActionRefused:
    """A user action could not be carried out. action: the name of the Engine method. [choice actions.refused]"""

    action: str
    reason: RefuseReason | None


@dataclass(frozen=True, slots=True)
class StoredTextDropped:
    """A stored text was not sent after a handshake: it is too old, or meant for another key. [choice stored.sent]"""

    text: bytes


@dataclass(frozen=True, slots=True)
class SmpRequested:
    """The correspondent's SMP message 1 passed its checks. The user answers with `smp_answer`."""

    instance: int | None
    question: bytes | None


@dataclass(frozen=True, slots=True)
class SmpFinished:
    """An SMP run has completed. equal: the two secrets are equal. [choice smp.responder-result]"""

    instance: int | None
    equal: bool


@dataclass(frozen=True, slots=True)
class SmpAborted:
    """An SMP run or a waiting question was dropped, or an SMP message failed a check. [choice smp.aborted-event]"""

    instance: int | None
    reason: SmpAbortReason | None


@dataclass(frozen=True, slots=True)
class ExtraKeyDerived:
    """The extra symmetric key was derived. [Extra symmetric key; choice actions.extra-key-event]

    received: the correspondent asked for it, not our user. use: a 32-bit number. key: 32 bytes.
    """

    instance: int | None
    received: bool
    use: int | None
    data: bytes | None
    key: bytes = field(repr=False)


Event: TypeAlias = (
    OutgoingMessage
    | TextReceived
    | SessionEstablished
    | PeerEndedSession
    | UserEndedSession
    | ErrorMessageReceived
    | MessageUnreadable
    | MessageRejected
    | ActionRefused
    | StoredTextDropped
    | SmpRequested
    | SmpFinished
    | SmpAborted
    | ExtraKeyDerived
)


@quickly_made
@dataclass(frozen=True, slots=True)
class RatchetSnapshot:
    """The public D-H values and the counters of one ENCRYPTED session. [Key Management]

    our_keys: key id -> public value, for our two live keys. their_keys: the same for theirs, one or two.
    sent: (our key id, their key id) -> the last counter sent, for pairs that were used to send. received: the same for
    the last counter accepted. verified: the live pairs whose receiving MAC key has verified a message.
    """

    our_keyid: int
    their_keyid: int
    our_keys: Mapping[int, int]
    their_keys: Mapping[int, int]
    sent: Mapping[tuple[int, int], int]
    received: Mapping[tuple[int, int], int]
    verified: frozenset[tuple[int, int]]


@quickly_made
@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """The observable state of one session. [choice forgetting.session]

    version: 0 until a handshake has completed. ssid, fingerprint: not empty in ENCRYPTED. ratchet: None unless
    ENCRYPTED. pending_mac_keys: the MAC keys that the next data message reveals.
    """

    instance: int
    version: int
    message_state: MessageState
    auth_state: AuthState
    smp_state: SmpState
    smp_question_waiting: bool
    ssid: bytes
    fingerprint: bytes
    ratchet: RatchetSnapshot | None
    pending_mac_keys: tuple[bytes, ...]


@quickly_made
@dataclass(frozen=True, slots=True)
class PartySnapshot:
    """The observable state of a whole engine.

    focus: the session in focus, by its instance tag [choice sessions.focus]. announced: a commit of ours is announced
    [choice handshake.announcement]. heard_plaintext: plaintext has arrived, so no tags are sent [choice
    text.stops-tags]. sessions: in order of instance tag, always including session 0. stored: the texts to send after a
    handshake. fragments: sender tag (0 for version 2) -> (k, n): pieces 1 to k of n are stored.
    """

    instance_tag: int
    focus: int
    announced: bool
    heard_plaintext: bool
    sessions: tuple[SessionSnapshot, ...]
    stored: tuple[bytes, ...]
    fragments: Mapping[int, tuple[int, int]]


class OtrError(ValueError):
    """The caller gave a value out of range. Never raised because of a received message."""


@dataclass(frozen=True, slots=True)
class PartyConfig:
    """The configuration of an engine. The engine raises OtrError for a value out of range.

    key: in the ranges of [choice keys.dsa-ranges], with 0 < x < q. instance_tag: MIN_INSTANCE_TAG to 0xffffffff, or
    None to draw one. max_message_size: in bytes, at least MIN_MESSAGE_SIZE, or None not to fragment.
    heartbeat_interval: in whole seconds, or None for no heartbeats.
    """

    key: DsaPrivateKey
    policy: Policy = Policy.ALLOW_V2 | Policy.ALLOW_V3
    instance_tag: int | None = None
    max_message_size: int | None = None
    heartbeat_interval: int | None = 60


class Engine(Protocol):
    """One party of a conversation. Construct it with (config: PartyConfig, entropy: Entropy | None = None).

    Methods return the events in the order in which they happened. The `instance` of a user action is the instance tag
    of a session; None means the session in focus. [choice actions.instance]
    """

    @property
    def instance_tag(self) -> int: ...

    @property
    def fingerprint(self) -> bytes:
        """The fingerprint of our own key, 20 bytes."""

    def receive(self, message: bytes) -> Sequence[Event]:
        """Process a message from the network. Never raises, whatever the bytes. [choice text.kind-order]"""

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> Sequence[Event]:
        """The user sends a text. padding: in bytes. [choice actions.send-checks, choice actions.send-padding]"""

    def start(self) -> Sequence[Event]:
        """The user asks for a private conversation. [choice actions.start]"""

    def end(self, *, instance: int | None = None) -> Sequence[Event]:
        """The user ends the private conversation, in any message state.

        [choice actions.end-in-plaintext, choice actions.end-flag, choice actions.end-handshake, choice actions.end-smp]
        """

    def smp_start(
        self, secret: bytes, *, question: bytes | None = None, instance: int | None = None
    ) -> Sequence[Event]:
        """The user starts SMP. [choice smp.start-type, choice smp.restart, choice actions.smp-start-checks]"""

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> Sequence[Event]:
        """The user answers SmpRequested. [choice actions.smp-answer]"""

    def smp_abort(self, *, instance: int | None = None) -> Sequence[Event]:
        """The user aborts SMP. [choice smp.user-abort]"""

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> Sequence[Event]:
        """The user asks for the extra symmetric key. use: a 32-bit number. [choice actions.extra-key-checks]"""

    def set_time(self, now: int) -> None:
        """Set the time, in whole seconds; it starts at 0. Raises OtrError if time goes backwards."""

    def set_policy(self, policy: Policy) -> None:
        """Change the policy. [choice actions.set-policy]"""

    def inspect(self) -> PartySnapshot: ...

    def secrets(self) -> Mapping[str, bytes]:
        """Every secret in memory except the long-term key: exponents, session keys, SMP values, stored texts.

        Numbers are big-endian. The engine chooses the names, which say where a secret is kept. The harness searches the
        values to prove that old keys have been forgotten.
        """

    def snapshot(self) -> object:
        """The whole state, for `restore`. It takes well under a millisecond, and later calls do not change it."""

    def restore(self, state: object) -> None:
        """Go back to a `snapshot` of this engine, or of one of the same class with the same config and entropy.

        Raises OtrError if `state` is not a snapshot of this class.
        """
