"""The types that both engines and the harness share; no logic.

An engine speaks OTR 2 and 3 for one local client (one account at one location) with one correspondent. It is sans-I/O:
bytes, user actions and the time go in, and a list of events comes out. An outgoing message is an event like any other,
so the order of events is part of the result. The protocol texts decide what an engine does. Where they leave a choice,
both engines make the same one, so that they give the same bytes under one seed. These choices are data, in
`implementations/choices/`, and are listed in docs/reference/choices.md. [Brackets] name a section of the texts, or a
choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import Protocol, TypeAlias

from otterproof.implementations.reasons import RefuseReason as RefuseReason
from otterproof.implementations.reasons import RejectReason as RejectReason
from otterproof.implementations.reasons import SmpAbortReason as SmpAbortReason

#: The protocol versions an engine speaks. Version 1 is never offered and never answered.
VERSIONS = (2, 3)

#: The smallest instance tag that a client may have. [Instance Tags]
MIN_INSTANCE_TAG = 0x100

#: The Error Message that answers a data message that could not be read. [choice text.error-sent]
UNREADABLE_ERROR = b"?OTR Error: An encrypted message could not be read."

#: A stored text is recent for this many seconds. [choice stored.recent]
RECENT = 60

#: Most version 3 sessions, and most senders of fragments. [choice sessions.limit, choice fragments.limit]
MAX_INSTANCES = 16

#: Most bytes stored of one message that arrives in fragments. [choice fragments.out-of-order]
MAX_REASSEMBLY = 2 << 20

#: Smallest `max_message_size`: room for the longest fragment header, and for MAX_TEXT in 65535 pieces.
MIN_MESSAGE_SIZE = 64

#: In bytes: the longest text for `send`, the longest SMP question, the longest data for `extra_key`, the most padding.
MAX_TEXT = 1 << 20
MAX_QUESTION = 60_000
MAX_EXTRA_KEY_DATA = 65_531
MAX_PADDING = 65_535


class Policy(Flag):
    """What a client may and will do with a correspondent. [Policies; choice handshake.policy-flag]"""

    NONE = 0
    ALLOW_V2 = auto()
    ALLOW_V3 = auto()
    REQUIRE_ENCRYPTION = auto()
    SEND_WHITESPACE_TAG = auto()
    WHITESPACE_START_AKE = auto()
    ERROR_START_AKE = auto()

    def __repr__(self) -> str:
        """As Python source, because runs are printed as programs."""
        return " | ".join(f"Policy.{flag.name}" for flag in self) or "Policy.NONE"


class MessageState(Enum):
    """msgstate. [Message state]"""

    PLAINTEXT = "plaintext"
    ENCRYPTED = "encrypted"
    FINISHED = "finished"


class AuthState(Enum):
    """authstate. [Authentication state]"""

    NONE = "none"
    AWAITING_DHKEY = "awaiting_dhkey"
    AWAITING_REVEALSIG = "awaiting_revealsig"
    AWAITING_SIG = "awaiting_sig"


class SmpState(Enum):
    """smpstate; EXPECT1 while the user is asked for the secret. [Expected Message; choice smp.waiting-question]"""

    EXPECT1 = "expect1"
    EXPECT2 = "expect2"
    EXPECT3 = "expect3"
    EXPECT4 = "expect4"


@dataclass(frozen=True, slots=True)
class DsaPublicKey:
    """The public half of a long-term key, as four integers. [choice keys.dsa-ranges, choice keys.dsa-signature]"""

    p: int
    q: int
    g: int
    y: int


@dataclass(frozen=True, slots=True)
class DsaPrivateKey:
    """A long-term key: the public half and the exponent x."""

    public: DsaPublicKey
    x: int = field(repr=False)


class Entropy(Protocol):
    """Where an engine gets its randomness. The choices entropy.* list the labels. [choice entropy.draws]"""

    def draw(self, label: str, index: int, size: int) -> bytes:
        """`size` bytes, always the same ones for the same label and index."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to transmit, as the network sees it; one event for each fragment. [choice fragments.sent]"""

    message: bytes


@dataclass(frozen=True, slots=True)
class TextReceived:
    """Text to show to the user.

    secure: it came in a verified data message of session `instance`. Otherwise instance is 0, and `warn` tells whether
    the user is to be warned that it came in the clear. [choice text.warning, choice text.shown-first]
    """

    text: bytes
    secure: bool
    warn: bool | None
    instance: int | None


@dataclass(frozen=True, slots=True)
class SessionEstablished:
    """A handshake has completed: the session is ENCRYPTED. [choice completion.order]

    sent_reveal_signature: whether the first half of the ssid is shown bold, instead of the second. refreshed: the
    session was ENCRYPTED already. same_key: it was refreshed, and its fingerprint was the same.
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
    """The correspondent has ended the session, which is FINISHED now; the user should end it too."""

    instance: int | None


@dataclass(frozen=True, slots=True)
class UserEndedSession:
    """The user has ended an ENCRYPTED or FINISHED session, which is in PLAINTEXT now. [choice actions.end-smp]"""

    instance: int | None


@dataclass(frozen=True, slots=True)
class ErrorMessageReceived:
    """An Error Message came, with this text. [choice text.error]"""

    text: bytes | None


@dataclass(frozen=True, slots=True)
class MessageUnreadable:
    """A data message could not be read, and the user must be told. Fields as in MessageRejected.

    [choice data.unreadable]
    """

    instance: int | None
    reason: RejectReason | None
    field: str | None = ""
    offset: int | None = 0


@dataclass(frozen=True, slots=True)
class MessageRejected:
    """Something received was ignored; for the log, not for the user.

    field, offset: the first field that does not fit and where it starts, for MALFORMED and NON_MINIMAL_MPI; otherwise
    "" and 0. [choice encoding.mistake-field, choice encoding.mistake-offset]
    """

    reason: RejectReason | None
    field: str | None = ""
    offset: int | None = 0


@dataclass(frozen=True, slots=True)
class ActionRefused:
    """A user action, named as the method of Engine, could not be carried out. [choice actions.refused]"""

    action: str
    reason: RefuseReason | None


@dataclass(frozen=True, slots=True)
class StoredTextDropped:
    """A stored text was not sent after a handshake: it was too old, or meant for another key. [choice stored.sent]"""

    text: bytes


@dataclass(frozen=True, slots=True)
class SmpRequested:
    """The correspondent's SMP message 1 passed its checks; the user is to give the secret (`smp_answer`)."""

    instance: int | None
    question: bytes | None


@dataclass(frozen=True, slots=True)
class SmpFinished:
    """An SMP run has completed; equal: whether the secrets are. [choice smp.responder-result]"""

    instance: int | None
    equal: bool


@dataclass(frozen=True, slots=True)
class SmpAborted:
    """A run or a waiting question was given up, or an SMP message failed a check. [choice smp.aborted-event]"""

    instance: int | None
    reason: SmpAbortReason | None


@dataclass(frozen=True, slots=True)
class ExtraKeyDerived:
    """The extra symmetric key, 32 bytes; received: the peer asked, not our user. [choice actions.extra-key-event]"""

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


@dataclass(frozen=True, slots=True)
class RatchetSnapshot:
    """The key management of one ENCRYPTED session, public values and counters. [Key Management]

    our_keys: key id -> public value, the two live ones. their_keys: key id -> public value, one or two.
    sent: (our key id, their key id) -> last counter sent, for pairs that sent something. received: the same for the
    last counter accepted. verified: the live pairs whose receiving MAC key has verified something.
    """

    our_keyid: int
    their_keyid: int
    our_keys: Mapping[int, int]
    their_keys: Mapping[int, int]
    sent: Mapping[tuple[int, int], int]
    received: Mapping[tuple[int, int], int]
    verified: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """One session as seen from outside. [choice forgetting.session]

    version: 0 until a handshake has completed. ssid, fingerprint: not empty in ENCRYPTED. ratchet: None unless
    ENCRYPTED. pending_mac_keys: to be revealed in the next data message.
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


@dataclass(frozen=True, slots=True)
class PartySnapshot:
    """A whole engine as seen from outside.

    focus: see [choice sessions.focus]. announced: a commit of ours is announced [choice handshake.announcement].
    heard_plaintext: no tags are sent [choice text.stops-tags]. sessions: by rising instance tag, session 0 always among
    them. stored: the texts stored for sending. fragments: sender tag (0 for version 2) -> (k, n) of what is stored.
    """

    instance_tag: int
    focus: int
    announced: bool
    heard_plaintext: bool
    sessions: tuple[SessionSnapshot, ...]
    stored: tuple[bytes, ...]
    fragments: Mapping[int, tuple[int, int]]


class OtrError(ValueError):
    """The caller gave a value out of range. Never raised for anything that was received."""


@dataclass(frozen=True, slots=True)
class PartyConfig:
    """What an engine is made from.

    key: in the ranges of [choice keys.dsa-ranges], with 0 < x < q. instance_tag: None draws one. max_message_size:
    None never fragments, otherwise at least MIN_MESSAGE_SIZE. heartbeat_interval: whole seconds; None sends none.
    Values out of range make the engine raise OtrError.
    """

    key: DsaPrivateKey
    policy: Policy = Policy.ALLOW_V2 | Policy.ALLOW_V3
    instance_tag: int | None = None
    max_message_size: int | None = None
    heartbeat_interval: int | None = 60


class Engine(Protocol):
    """One party of a conversation. Construct with (config: PartyConfig, entropy: Entropy | None = None).

    Methods return events in the order in which they happened. `instance` in a user action names a session, None the
    focus. [choice actions.instance]
    """

    @property
    def instance_tag(self) -> int: ...

    @property
    def fingerprint(self) -> bytes:
        """Of our own key, 20 bytes."""

    def receive(self, message: bytes) -> Sequence[Event]:
        """Take a message from the network. Never raises, whatever the bytes. [choice text.kind-order]"""

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> Sequence[Event]:
        """The user typed a text. padding: in bytes. [choice actions.send-checks, choice actions.send-padding]"""

    def start(self) -> Sequence[Event]:
        """The user asks for a private conversation. [choice actions.start]"""

    def end(self, *, instance: int | None = None) -> Sequence[Event]:
        """The user ends the private conversation, in any message state.

        [choice actions.end-in-plaintext, choice actions.end-flag, choice actions.end-handshake, choice actions.end-smp]
        """

    def smp_start(
        self, secret: bytes, *, question: bytes | None = None, instance: int | None = None
    ) -> Sequence[Event]:
        """The user begins SMP. [choice smp.start-type, choice smp.restart, choice actions.smp-start-checks]"""

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> Sequence[Event]:
        """The user answers SmpRequested. [choice actions.smp-answer]"""

    def smp_abort(self, *, instance: int | None = None) -> Sequence[Event]:
        """The user gives up SMP. [choice smp.user-abort]"""

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> Sequence[Event]:
        """The user wants the extra symmetric key; `use` is a 32-bit number. [choice actions.extra-key-checks]"""

    def set_time(self, now: int) -> None:
        """The time in whole seconds; 0 at first. Raises OtrError when it goes backwards."""

    def set_policy(self, policy: Policy) -> None:
        """Change the policy. [choice actions.set-policy]"""

    def inspect(self) -> PartySnapshot: ...

    def secrets(self) -> Mapping[str, bytes]:
        """Every secret in memory but the long-term key: exponents, session keys, SMP values, stored texts.

        Big-endian, by names of the engine's own that say where. It is searched to prove that old keys are forgotten.
        """

    def snapshot(self) -> object:
        """The whole state, for `restore`; costs well under a millisecond and does not change with the engine."""

    def restore(self, state: object) -> None:
        """Go back to a `snapshot` of this or another engine of the same class with the same config and entropy."""
