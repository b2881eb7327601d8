"""The vocabulary that both engines and the harness share: types and fixed choices, no logic.

An engine speaks OTR 2 and 3 for one local client (one account at one location) with one correspondent.
It is sans-I/O: bytes, user actions and the time go in, a list of events comes out, and an outgoing message is an
event like any other, so their order is part of the result. The protocol texts decide what an engine does.
Where they leave a choice, the choice that both engines make is written down here, next to the type it concerns,
so that two engines written apart stay byte-identical under one seed. Everything below is either a type, a constant
or such a choice. Section names in [brackets] are those of the protocol texts.

Sessions
    The correspondent may be logged in several times. Each of his version 3 clients is an *instance*, named by its
    instance tag, with message state, authentication state, keys, SMP and fragments of its own. Version 2 has no
    tags; its single session is instance 0. A version 3 session comes into being when a D-H Commit, or a D-H Key
    that answers our own commit, changes its state; a message that is discarded, ignored or rejected creates nothing,
    and so does a commit that loses against our announced one (COLLISION_WON).
    At most MAX_INSTANCES version 3 sessions exist. To make room for one more, the one created first among those
    in PLAINTEXT is forgotten; if none is, the message is rejected with TOO_MANY_INSTANCES (after the checks of state
    and group element, before anything is drawn).
    The *focus* is the session that user actions mean when they name no instance, and whose message state decides
    how received plaintext is treated. It is 0 at first and moves to a session when that becomes ENCRYPTED, and at
    no other time. A session that does not exist counts as a fresh one in PLAINTEXT, NONE and EXPECT1.

Starting a handshake (a query or whitespace tag was received)
    A new commit (new r, new x) abandons every handshake under way with this correspondent.
    Version 2: session 0 enters AWAITING_DHKEY, all version 3 sessions go to NONE, an open announcement is dropped.
    Version 3: the commit goes out with receiver tag 0, since unencoded text names no instance. It is *announced*:
    every version 3 session enters AWAITING_DHKEY with it, session 0 goes to NONE, and a session created later while
    the announcement is open starts in AWAITING_DHKEY with that commit instead of in NONE.
    An announcement ends when a new handshake is started, or when its x is forgotten (see Forgetting).
    A commit that arrives moves only the session that it belongs to; the announcement stays open for the others.

Handshake, choices
    Each handshake uses fresh D-H keys and the key id 1; the D-H key of the handshake becomes our_dh[1], a newly drawn
    one our_dh[2], and our_keyid 2, when the handshake completes. [Key Management]
    Equal hashes in a commit collision count as "otherwise": forget ours, answer theirs.
    "Resend" and "retransmit" mean the very same bytes. (A resent D-H Commit keeps its receiver tag 0.)
    A handshake message that fails any check is ignored: nothing changes, the authentication state included, and the
    failing message may be followed by the genuine one. Nothing is stored before all checks have passed.
    A D-H Commit in AWAITING_REVEALSIG replaces the stored commit and repeats the same D-H Key.
    COLLISION_WON gives Rejected, then Outgoing with our commit.
    D-H Key, in order: state (UNEXPECTED, also for another gy in AWAITING_SIG), range of gy, then (version 3) a gy with
    which this announced commit has been answered in another session, or that is our own from a D-H Key Message sent
    since then: UNEXPECTED. No two sessions share both D-H keys, and nobody has a session with himself.
    Reveal Signature: state, BAD_COMMITMENT, the structure of gxmpi (exactly one MPI), range of gx, BAD_MAC, the
    structure of X, BAD_PUBLIC_KEY, BAD_KEY_ID, BAD_SIGNATURE. Signature: state, BAD_MAC, and on as before.
    Only the D-H Commit may carry receiver tag 0; any other message with it is discarded as OTHER_INSTANCE.
    The ALLOW flag that counts for a message is the one of the message's own version, for all four handshake messages.
    It is not consulted for data messages and fragments.
    A correspondent who uses our own public key, or our own instance tag, is accepted and reported as he is.

Completing a handshake, in this order
    1. Outgoing(Signature Message), if we are the one to send it.
    2. If the session was ENCRYPTED: all receiving MAC keys that verified something under the old keys join the keys
       to reveal; an SMP run or question under way is dropped with SmpAborted(REHANDSHAKE).
    3. The correspondent's keys are kept if key id and key match one we hold, otherwise reset. [Key Management]
    4. Message state ENCRYPTED, focus here, Established(...). The time of the last data message sent becomes now.
    5. Each stored text, oldest first: sent as a data message (Outgoing) if it is recent, that is stored no more than
       RECENT seconds ago, and, if it is bound to a fingerprint, this is the fingerprint; else StoredDropped(text).
    Stored texts belong to the party, not to a session: typed in PLAINTEXT under REQUIRE_ENCRYPTION they are bound to
    nobody, typed in FINISHED they are bound to the fingerprint of the session that finished. A text that went out in
    a data message is not kept: sending it again could deliver it twice, or to somebody else.

Data messages received, in this order; the first check that fails gives the Reason
    1. The structure: MALFORMED etc. 2. Message state: NOT_ENCRYPTED. 3. Key ids: UNKNOWN_KEY. 4. MAC: BAD_MAC; when
    it is right, its key counts from here on as one that verified a message. 5. Counter: BAD_COUNTER. 6. next_dh in
    [2, p-2]: BAD_GROUP_ELEMENT. Then decrypt; rotate our key, then theirs; TextReceived if the text is not empty; the
    TLVs in order; the heartbeat if it is due. Answers thus use the new keys. A failure at 1 to 6 gives
    Unreadable(reason) and Outgoing(UNREADABLE_ERROR), or only Rejected(reason) when the flags byte is present
    and has IGNORE_UNREADABLE set. Apart from the note at 4 nothing changes. (1 covers a Data Message whose header was
    right: version, tags, type.)
    The text ends before the first NUL. After a Disconnected TLV the rest of the TLVs is not looked at. TLVs of type 0
    and unknown types give no event. A TLV cut short gives Rejected(BAD_TLV), what came before it stands.
    A sender key id of 0xffffffff that equals their_keyid is UNKNOWN_KEY, for no id could follow it.
    A heartbeat is due when a data message was accepted, the session is still ENCRYPTED, and no data message went out
    in it for heartbeat_interval seconds or more.

Revealing MAC keys
    The keys to reveal are kept per session, and outlive ENCRYPTED: they go into the next data message of that
    session, whenever that is. Order: as they were collected; when keys are dropped, by our key id then their key id,
    rising. When our key is rotated: the dropped key with their previous, then with their current. Then, when theirs
    is rotated, our previous, then our current, with the one dropped. The message with which we end a session reveals
    every receiving MAC key that verified something, since it is the last one to carry them.

SMP received: the state (SMP_UNEXPECTED), then the structure (SMP_MALFORMED; an MPI with leading zeros too), the group
    elements and D values (SMP_BAD_ELEMENT), the proofs (SMP_BAD_PROOF). Ranges are checked in both versions. Each of
    them sends a data message with an abort TLV and goes to EXPECT1. SMP message 1 while a question waits replaces it.
    A type 6 TLV aborts whatever its value. Each SMP message is the only TLV of a data message without text and flags.

Forgetting
    A D-H private key that is dropped from our_dh (rotation, new handshake, end, peer's end) is forgotten everywhere:
    an announcement of that same x ends, and sessions still in AWAITING_DHKEY with it go to NONE.
    A session that leaves ENCRYPTED keeps: instance, version, keys to reveal. In FINISHED it keeps the fingerprint
    too. (ssid is empty, key ids are 0 and key lists empty outside ENCRYPTED.) Handshake secrets are forgotten when
    the authentication state goes to NONE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import Protocol, TypeAlias

# --------------------------------------------------------------------------------------------------------------------
# Constants
# --------------------------------------------------------------------------------------------------------------------

#: The protocol versions an engine speaks. Version 1 is never offered and never answered.
VERSIONS = (2, 3)

#: The smallest instance tag that a client may have. [Instance Tags]
MIN_INSTANCE_TAG = 0x100

#: The Error Message sent in answer to a data message that could not be read.
UNREADABLE_ERROR = b"?OTR Error: An encrypted message could not be read."

#: A stored text is "recent" for this many seconds, both ends included.
RECENT = 60

#: Most version 3 sessions, and most senders whose fragments are kept, at one time.
MAX_INSTANCES = 16

#: Most bytes kept of one message that arrives in fragments.
MAX_REASSEMBLY = 2 << 20

#: Smallest `max_message_size`; leaves room for the longest fragment header and for MAX_TEXT in 65535 pieces.
MIN_MESSAGE_SIZE = 64

#: Longest text (bytes) that `send` takes; longest SMP question; longest data that `extra_key` takes; most padding.
MAX_TEXT = 1 << 20
MAX_QUESTION = 60_000
MAX_EXTRA_KEY_DATA = 65_531
MAX_PADDING = 65_535


class Policy(Flag):
    """What a client may and will do with a correspondent. [Policies]"""

    NONE = 0
    ALLOW_V2 = auto()
    ALLOW_V3 = auto()
    REQUIRE_ENCRYPTION = auto()
    SEND_WHITESPACE_TAG = auto()
    WHITESPACE_START_AKE = auto()
    ERROR_START_AKE = auto()

    def __repr__(self) -> str:
        """As it is written in a program, which printed runs are."""
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
    """smpstate. While the user is being asked for the secret it is still EXPECT1. [Expected Message]"""

    EXPECT1 = "expect1"
    EXPECT2 = "expect2"
    EXPECT3 = "expect3"
    EXPECT4 = "expect4"


class Reason(Enum):
    """Why an engine did not act on something it received, or on something its user asked for.

    The first ones come from looking at the bytes, in the order given, before any state is consulted; `field` and
    `offset` of the event say where (see Rejected).
    """

    # The armour and the header, in the order in which they are checked.
    BAD_ARMOUR = "bad_armour"  # after the first "?OTR:", no "."; or the text up to it is no padded standard base64
    MALFORMED = "malformed"  # a field is cut short, has a wrong fixed length, or bytes follow the last field
    UNKNOWN_VERSION = "unknown_version"
    BAD_SENDER_TAG = "bad_sender_tag"  # below MIN_INSTANCE_TAG
    BAD_RECEIVER_TAG = "bad_receiver_tag"  # 1 to MIN_INSTANCE_TAG - 1
    OTHER_INSTANCE = "other_instance"  # meant for another client of this account
    UNKNOWN_TYPE = "unknown_type"
    VERSION_NOT_ALLOWED = "version_not_allowed"  # by policy; handshake messages only
    # The body's structure (MALFORMED again) and:
    NON_MINIMAL_MPI = "non_minimal_mpi"  # an MPI with leading zero bytes, anywhere
    # State.
    UNEXPECTED = "unexpected"  # a handshake message that the authentication state does not wait for
    TOO_MANY_INSTANCES = "too_many_instances"
    COLLISION_WON = "collision_won"  # their commit, ignored because our hash is higher; we resend ours
    # Cryptographic checks of the handshake.
    BAD_COMMITMENT = "bad_commitment"  # SHA256 of the decrypted g^x is not the one committed to
    BAD_GROUP_ELEMENT = "bad_group_element"  # outside [2, p-2]
    BAD_MAC = "bad_mac"
    BAD_PUBLIC_KEY = "bad_public_key"  # unknown type, or parameters out of the ranges given at DsaPublicKey
    BAD_KEY_ID = "bad_key_id"  # 0
    BAD_SIGNATURE = "bad_signature"
    # Data messages.
    NOT_ENCRYPTED = "not_encrypted"  # in PLAINTEXT or FINISHED
    UNKNOWN_KEY = "unknown_key"  # a key id that is neither the current nor the previous one, or no such key
    BAD_COUNTER = "bad_counter"
    BAD_TLV = "bad_tlv"  # a TLV cut short, or an extra-key TLV (version 3) with less than 4 bytes
    # SMP. Each of these sends an abort and goes to EXPECT1.
    SMP_UNEXPECTED = "smp_unexpected"  # this SMP message is not the one expected
    SMP_MALFORMED = "smp_malformed"  # count, MPIs or NUL not as they must be, or bytes left over
    SMP_BAD_ELEMENT = "smp_bad_element"  # a group element outside [2, p-2], or a D value not below q
    SMP_BAD_PROOF = "smp_bad_proof"
    REHANDSHAKE = "rehandshake"  # a new handshake replaced the session the run belonged to
    SESSION_LEFT = "session_left"  # ENCRYPTED was left, by the peer's or the user's end
    PEER_ABORTED = "peer_aborted"
    # Fragments.
    BAD_FRAGMENT = "bad_fragment"  # not of the form, empty piece, k or n 0 or above 65535, k > n
    FRAGMENT_OUT_OF_ORDER = "fragment_out_of_order"
    NESTED_FRAGMENT = "nested_fragment"
    TOO_LARGE = "too_large"  # more than MAX_REASSEMBLY
    # User actions.
    WRONG_STATE = "wrong_state"
    TOO_LONG = "too_long"
    HAS_NUL = "has_nul"
    NOT_IN_VERSION = "not_in_version"
    # Never given by an engine:
    UNSPECIFIED = "unspecified"  # a third-party implementation that gives no reason


# --------------------------------------------------------------------------------------------------------------------
# Keys and randomness
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DsaPublicKey:
    """A long-term key's public half, as four integers. [Public keys, signatures, and fingerprints]

    Accepted from the wire when p has 1024, 2048 or 3072 bits, q has 160 bits, 1 < g < p and 1 < y < p; that p
    and q are prime is not checked. The signed value is the 32-byte MAC as an integer modulo q; r and s must be in
    [1, q-1].
    """

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
    """Where an engine gets its randomness.

    Every value is drawn by name and number: `index` counts the draws of that label by this engine, from 0, over all
    sessions. Values are big-endian integers unless noted. The labels:

    - `instance_tag` (4 bytes): own tag if none is given; while it is below MIN_INSTANCE_TAG, draw again.
    - `ake.r` (16): the AES key of a D-H Commit, raw bytes. `ake.x` (40): exponent of the D-H Commit's key.
    - `ake.y` (40): exponent of the D-H Key message's key.
    - `dh.x` (40): exponent of each later D-H key: our_dh[2] when a handshake completes, then one a rotation.
    - `dsa.k` (28): DSA nonce, k = value mod (q - 1) + 1; drawn when the signature is made, which for the Signature
      Message is after all checks of the Reveal Signature.
    - `smp.a2`, `smp.a3`, `smp.r2`, `smp.r3` (192 each): SMP message 1.
    - `smp.b2`, `smp.b3`, `smp.r2` to `smp.r6` (192): message 2. `smp.r4` to `smp.r7`: message 3. `smp.r7`: message 4.

    Nothing is drawn for a message that is rejected. Exponents are used as drawn, not reduced. An engine that is
    given no source uses the operating system's.
    """

    def draw(self, label: str, index: int, size: int) -> bytes:
        """`size` bytes, always the same ones for the same label and index."""
        ...


# --------------------------------------------------------------------------------------------------------------------
# Events
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to transmit, as the network sees it. One event per fragment when it had to be fragmented.

    Only encoded messages are fragmented, when longer than max_message_size, into pieces that fill it, the last one
    shorter: "?OTR|%08x|%08x,%05d,%05d,%s," in version 3, "?OTR,%05d,%05d,%s," in version 2, with the message's own
    two tags.
    """

    message: bytes


@dataclass(frozen=True, slots=True)
class TextReceived:
    """Text to show.

    secure: it came in a verified data message of session `instance`. If not secure, instance is 0, and `warn` says
    that the user is to be warned that it came in the clear (focus in ENCRYPTED or FINISHED, or REQUIRE_ENCRYPTION
    set). Text in the clear is shown even when empty.
    """

    text: bytes
    secure: bool
    warn: bool
    instance: int


@dataclass(frozen=True, slots=True)
class Established:
    """A handshake has completed: the session is ENCRYPTED.

    sent_reveal_signature: then the first half of the ssid is shown bold, else the second.
    refreshed: the session was ENCRYPTED already; same_key: and its fingerprint was the same. `same_key` is False when
    not refreshed.
    """

    instance: int
    version: int
    ssid: bytes
    fingerprint: bytes
    sent_reveal_signature: bool
    refreshed: bool
    same_key: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """The correspondent has ended the session: FINISHED. The user should do the same."""

    instance: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The user's end of an ENCRYPTED or FINISHED session took effect: PLAINTEXT. Follows the Outgoing, if any."""

    instance: int


@dataclass(frozen=True, slots=True)
class ErrorReceived:
    """An Error Message: `text` is everything after the first "?OTR Error:", unchanged."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A data message that the user must be told about could not be read. Fields as in Rejected."""

    instance: int
    reason: Reason
    field: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something received was ignored; for the log, not for the user.

    field and offset are set for MALFORMED and NON_MINIMAL_MPI, otherwise "" and 0. `offset` counts bytes in
    the decoded message from its start, or in the decrypted signature block (X), or in the decrypted gxmpi, or in the
    TLV's value; it is the offset at which the named field starts (its length prefix, for DATA and MPI). `field` is
    the first one that does not fit: "version", "type", "sender_tag", "receiver_tag"; "encrypted_gx", "hashed_gx";
    "gy"; "revealed_key", "encrypted_signature", "mac"; "flags", "sender_keyid", "recipient_keyid", "next_dh", "ctr",
    "encrypted_message", "mac", "old_mac_keys"; in X: "pubkey_type", "p", "q", "g", "y", "keyid", "signature"; in the
    decrypted gxmpi: "gx"; bytes after the last field: "end", at the offset where they start. Fixed lengths: hashed_gx
    32, revealed_key 16, old_mac_keys a multiple of 20. A message of fewer than 3 bytes is MALFORMED in "version" or
    "type"; the version is judged as soon as it is there, then the type must be there, then in version 3 the tags are
    judged, each when it is there, and then the type.
    """

    reason: Reason
    field: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A user action that could not be carried out; nothing changed, nothing was sent.

    action: the name of the method. `send` in FINISHED is refused with WRONG_STATE, and the text is stored.
    """

    action: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class StoredDropped:
    """A stored text was not sent after the handshake, for it was too old or meant for another key."""

    text: bytes


@dataclass(frozen=True, slots=True)
class SmpRequested:
    """The correspondent's SMP message 1 is in order: the user is to give the secret (`smp_answer`)."""

    instance: int
    question: bytes | None


@dataclass(frozen=True, slots=True)
class SmpFinished:
    """An SMP run has come to its end. For the responder it follows the Outgoing with SMP message 4."""

    instance: int
    equal: bool


@dataclass(frozen=True, slots=True)
class SmpAborted:
    """A run, or a question waiting for an answer, was given up; or an SMP message was wrong.

    For the reasons SMP_*: always, after the Outgoing with the abort. For PEER_ABORTED, REHANDSHAKE and SESSION_LEFT:
    only if the state was not EXPECT1 or a question was waiting. The user's own smp_abort gives no event but the
    Outgoing. With SESSION_LEFT it comes just before Finished or Ended.
    """

    instance: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class ExtraKey:
    """The extra symmetric key (32 bytes), on both sides. [Extra symmetric key]

    received: a type 8 TLV came in; else the user asked for it, and the event follows the Outgoing that carries the
    TLV.
    """

    instance: int
    received: bool
    use: int
    data: bytes
    key: bytes = field(repr=False)


Event: TypeAlias = (
    Outgoing
    | TextReceived
    | Established
    | Finished
    | Ended
    | ErrorReceived
    | Unreadable
    | Rejected
    | Refused
    | StoredDropped
    | SmpRequested
    | SmpFinished
    | SmpAborted
    | ExtraKey
)


# --------------------------------------------------------------------------------------------------------------------
# Inspection
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RatchetSnapshot:
    """The key management of one ENCRYPTED session, public values and counters. [Key Management]

    our_keys: key id -> public value, the two live ones. their_keys: key id -> public value, one or two.
    sent: (our key id, their key id) -> last counter sent, for pairs that sent something; received: the same for the
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
    """One session as seen from outside. `ratchet` is None unless ENCRYPTED; ssid and fingerprint are then not empty.

    version is 0 until a handshake has completed. pending_mac_keys: the keys to reveal in the next data message.
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

    sessions: in the order of their instance tags, session 0 always among them. stored: the texts stored for sending.
    fragments: sender tag (0 for version 2) -> (k, n) of the fragments kept.
    """

    instance_tag: int
    focus: int
    announced: bool
    heard_plaintext: bool
    sessions: tuple[SessionSnapshot, ...]
    stored: tuple[bytes, ...]
    fragments: Mapping[int, tuple[int, int]]


# --------------------------------------------------------------------------------------------------------------------
# The engine
# --------------------------------------------------------------------------------------------------------------------


class OtrError(ValueError):
    """The caller's mistake: a value out of range. Never raised for anything that was received."""


@dataclass(frozen=True, slots=True)
class PartyConfig:
    """What an engine is made from.

    key: in the ranges of DsaPublicKey, with 0 < x < q. instance_tag: None draws one. max_message_size: None never
    fragments, else at least MIN_MESSAGE_SIZE. heartbeat_interval: whole seconds, None sends none. Values out of range
    make the engine raise OtrError.
    """

    key: DsaPrivateKey
    policy: Policy = Policy.ALLOW_V2 | Policy.ALLOW_V3
    instance_tag: int | None = None
    max_message_size: int | None = None
    heartbeat_interval: int | None = 60


class Engine(Protocol):
    """One party of a conversation. Construct with (config: PartyConfig, entropy: Entropy | None = None).

    Every method that returns events returns them in the order in which they happened. `instance` in a user action
    names a session, None the focus. An instance that does not exist, or is in the wrong message state, gives
    Refused(WRONG_STATE).

    Unencoded text received [Unencoded messages, Fragmentation]. With neither version allowed everything received is
    plain text, unchanged, and in PLAINTEXT `send` passes the text on unchanged, whatever the other flags. Otherwise,
    by the first of these that fits:
      - "?OTR|" or "?OTR," anywhere, whichever comes first: a fragment. After it, up to 8 hex digits twice (version
        3), then k and n of 1 to 5 decimal digits, a piece with no comma, and a comma; what precedes or follows does
        not matter. Anything else is BAD_FRAGMENT and leaves what is stored alone, as does a fragment whose tags are
        refused; the form is judged first, then the tags (sender, receiver, as for encoded messages; 0 is for
        everybody), then k and n. A fragment out of order forgets what is stored for that sender
        (FRAGMENT_OUT_OF_ORDER), as does too large a one (TOO_LARGE). The fragments of each version 3 sender are kept
        apart, and those of version 2. To make room for one more sender's than MAX_INSTANCES, those that began
        longest ago are forgotten. A complete message is then received as if it had come in one piece, except that it
        may not be a fragment itself (NESTED_FRAGMENT).
      - "?OTR:" anywhere: an encoded message, from there to the next ".".
      - "?OTR Error:" anywhere: an Error Message. With ERROR_START_AKE it is answered with a query.
      - "?OTR?" or "?OTRv", or "?OTR?v", and in the latter two a closing "?" after any bytes but "?", space, or
        control characters: a Query Message, the first such in the text. "?OTR?" not followed by a
        whole "v...?" offers version 1 only. A query is never shown.
      - a whitespace tag: the 16 bytes and one or more groups of 8 bytes that are all space or tab, as many as follow
        at once, at the first place where both stand; all of it is removed. Unknown groups offer nothing. Without a
        group it is no tag.
      - else plain text.
    Text shown comes first (TextReceived), then what is sent. All text in the clear, tagged or not, counts as
    plaintext received from the correspondent, and turns off the sending of tags until PLAINTEXT is entered anew
    (Ended, on the focus). A message that is not a fragment forgets stored fragments: a version 3 message that was
    not discarded for its tags those of its sender, a version 2 message those of version 2, and everything else
    (unencoded, bad armour, unknown version, header cut short) all of them. A complete message that was put together
    does so too. The tag that we send is appended to the text, version 2 before version 3. A query is "?OTRv" + "23",
    "2" or "3" + "?", alone.
    """

    @property
    def instance_tag(self) -> int: ...

    @property
    def fingerprint(self) -> bytes:
        """Of our own key, 20 bytes."""
        ...

    def receive(self, message: bytes) -> Sequence[Event]:
        """Take a message from the network. Never raises, whatever the bytes."""
        ...

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> Sequence[Event]:
        """The user typed a text. [User types a message to be sent]

        padding: when not None and the text is encrypted, a type 0 TLV of that many zero bytes is added; else ignored.
        Refused with TOO_LONG (above MAX_TEXT, or padding above MAX_PADDING or below 0), with HAS_NUL. In PLAINTEXT
        these checks are made as well. Under REQUIRE_ENCRYPTION in PLAINTEXT the text is stored and a query goes out.
        """
        ...

    def start(self) -> Sequence[Event]:
        """The user asks for a private conversation: a query. Refused (NOT_IN_VERSION) when no version is allowed."""
        ...

    def end(self, *, instance: int | None = None) -> Sequence[Event]:
        """The user ends the private conversation; in PLAINTEXT nothing happens, with no event, also for an unknown
        instance.

        The Disconnected TLV goes out with the flag IGNORE_UNREADABLE, so that two ends that cross raise no error. A
        handshake under way is left alone. An SMP run is dropped, SmpAborted(SESSION_LEFT), after the Outgoing.
        """
        ...

    def smp_start(
        self, secret: bytes, *, question: bytes | None = None, instance: int | None = None
    ) -> Sequence[Event]:
        """Begin SMP; type 7 with a question (in both versions), else type 2.

        While a run is under way (not EXPECT1): a data message with an abort goes first, then the new run begins. A
        question waiting for an answer is dropped without a word. Refused: WRONG_STATE, TOO_LONG, HAS_NUL (question),
        in this order.
        """
        ...

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> Sequence[Event]:
        """Answer SmpRequested with SMP message 2. Refused with WRONG_STATE when no question is waiting."""
        ...

    def smp_abort(self, *, instance: int | None = None) -> Sequence[Event]:
        """Send an abort and go to EXPECT1, in every SMP state."""
        ...

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> Sequence[Event]:
        """Send a type 8 TLV and report the extra symmetric key of that message. `use` is a 32-bit number.

        Refused: WRONG_STATE, NOT_IN_VERSION (a version 2 session; there a received type 8 is an unknown TLV),
        TOO_LONG (data, or use out of range), in this order.
        """
        ...

    def set_time(self, now: int) -> None:
        """The time in whole seconds; 0 at first. Raises OtrError when it goes backwards."""
        ...

    def set_policy(self, policy: Policy) -> None:
        """Change the policy; what is under way is left alone."""
        ...

    def inspect(self) -> PartySnapshot: ...

    def secrets(self) -> Mapping[str, bytes]:
        """Every secret held in memory, by a name that says where: exponents, session keys, SMP values, stored texts.

        Big-endian, for the search that proves old keys forgotten. The long-term key is left out. Names are the
        engine's own.
        """
        ...

    def snapshot(self) -> object:
        """The whole state, for `restore`; costs well under a millisecond and does not change with the engine."""
        ...

    def restore(self, state: object) -> None:
        """Go back to a `snapshot` of this or another engine of the same class with the same config and entropy."""
        ...
