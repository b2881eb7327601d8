"""The state of one session: who, the authentication state, the message state, and what each of these needs.

States are types, so that a value which makes sense in one state only cannot exist in another, and leaving a state
forgets all that belonged to it [USER-END-5, STATE-ENDED-3]. All of them are immutable; the engine replaces a session to
change it, which makes a snapshot as cheap as a reference. [The protocol state machine]
"""

from __future__ import annotations

from dataclasses import dataclass, field

from otterproof.implementations.contract import AuthState, MessageState, SessionSnapshot, SmpState

from . import smp
from .growing import Chain
from .primitives import KeyPair
from .ratchet import Ratchet
from .wire import Encoded

# Authentication states. The messages in them are kept to be sent once more.


@dataclass(frozen=True, slots=True)
class Commit:
    """A D-H Commit that we have sent. [D-H Commit Message]"""

    key: KeyPair
    r: bytes = field(repr=False)
    hashed_gx: bytes
    message: Encoded


@dataclass(frozen=True, slots=True)
class Idle:
    """AUTHSTATE_NONE"""


@dataclass(frozen=True, slots=True)
class AwaitingDhKey:
    """AUTHSTATE_AWAITING_DHKEY"""

    commit: Commit


@dataclass(frozen=True, slots=True)
class AwaitingRevealSig:
    """AUTHSTATE_AWAITING_REVEALSIG: their commitment, and our answer to it."""

    encrypted_gx: bytes
    hashed_gx: bytes
    key: KeyPair
    dh_key_message: Encoded


@dataclass(frozen=True, slots=True)
class AwaitingSig:
    """AUTHSTATE_AWAITING_SIG: our key, theirs, the secret of both, and our proof."""

    key: KeyPair
    gy: int
    secbytes: bytes = field(repr=False)
    reveal_signature_message: Encoded


Auth = Idle | AwaitingDhKey | AwaitingRevealSig | AwaitingSig

# Message states.


@dataclass(frozen=True, slots=True)
class Plaintext:
    """MSGSTATE_PLAINTEXT"""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """MSGSTATE_ENCRYPTED; last_sent is the time of the last Data Message that went out, in seconds.

    SMP has a state only here, and begins in EXPECT1. [SMP-STATE-1, SMP-STATE-2, SMP-EXPECT-4]
    """

    ssid: bytes
    fingerprint: bytes
    ratchet: Ratchet
    last_sent: int
    smp: smp.State = smp.Expect1()  # noqa: RUF009 - immutable


@dataclass(frozen=True, slots=True)
class Finished:
    """MSGSTATE_FINISHED; the fingerprint is that of the session that was."""

    fingerprint: bytes


Message = Plaintext | Encrypted | Finished


@dataclass(frozen=True, slots=True)
class Session:
    """One session; pending_mac_keys are to be revealed in the next Data Message.

    Each instance of the correspondent has its own. [INSTANCE-MULTI-1] The authentication state and the message state
    don't depend on each other. [STATE-ENCRYPTED-3]
    """

    instance: int
    version: int = 0
    auth: Auth = Idle()  # [STATE-AUTH-1]
    message: Message = Plaintext()  # [STATE-PLAINTEXT-1]
    pending_mac_keys: Chain[bytes] = field(default_factory=Chain)

    def snapshot(self) -> SessionSnapshot:
        """The public view."""
        ssid, fingerprint, ratchet = b"", b"", None
        smp_state, asked = SmpState.EXPECT1, False
        match self.message:
            case Plaintext():
                message_state = MessageState.PLAINTEXT
            case Finished():
                message_state = MessageState.FINISHED
                fingerprint = self.message.fingerprint
            case Encrypted():
                message_state = MessageState.ENCRYPTED
                ssid, fingerprint = self.message.ssid, self.message.fingerprint
                ratchet = self.message.ratchet.snapshot()
                smp_state, asked = _smp_view(self.message.smp)
        return SessionSnapshot(
            instance=self.instance,
            version=self.version,
            message_state=message_state,
            auth_state=_auth_view(self.auth),
            smp_state=smp_state,
            smp_question_waiting=asked,
            ssid=ssid,
            fingerprint=fingerprint,
            ratchet=ratchet,
            pending_mac_keys=tuple(self.pending_mac_keys),
        )


def _auth_view(auth: Auth) -> AuthState:
    match auth:
        case Idle():
            return AuthState.NONE
        case AwaitingDhKey():
            return AuthState.AWAITING_DHKEY
        case AwaitingRevealSig():
            return AuthState.AWAITING_REVEALSIG
        case AwaitingSig():
            return AuthState.AWAITING_SIG


def _smp_view(state: smp.State) -> tuple[SmpState, bool]:
    """smpstate, and whether a question waits for the user."""
    match state:
        case smp.Expect1():
            return SmpState.EXPECT1, False
        case smp.Asked():
            return SmpState.EXPECT1, True
        case smp.Expect2():
            return SmpState.EXPECT2, False
        case smp.Expect3():
            return SmpState.EXPECT3, False
        case smp.Expect4():
            return SmpState.EXPECT4, False
