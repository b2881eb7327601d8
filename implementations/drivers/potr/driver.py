"""The driver of python-potr 1.0.2.

Usage: `python -m otterproof.implementations.drivers.potr.driver [FOLDER WITH THE PACKAGE]`.

The library speaks only version 2. It was written for PyCrypto, which no longer builds, and uses it only through its
module potr.compatcrypto.pycrypto. The driver replaces three names of that module and changes nothing else in the
library:

- Cipher and DSA: as in pycrypto.py.
- Crypto: random numbers, from the party's seed.

The library's clock is replaced as well, by the time that `set_time` gives.

An application learns of state changes by overriding Context.setState, of SMP by looking at the state of the run after
each TLV, and of everything else from what receiveMessage returns or raises. Exceptions by which the library informs its
user about a message become events; every other exception is an error. The library gives no reasons. It has no policies
for starting a handshake on whitespace tags or error messages, and its heartbeat interval is always 60 s.
"""

from __future__ import annotations

import sys
from importlib import import_module, metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from Crypto.Cipher import AES

from otterproof.implementations.contract import Policy
from otterproof.implementations.drivers.adapter import About, Adapted, Adapter, Settings
from otterproof.implementations.drivers.linejson import Unsupported, serve
from otterproof.implementations.drivers.potr.pycrypto import restore

sys.path += sys.argv[1:]

context: Any = import_module("potr.context")
crypt: Any = import_module("potr.crypt")
proto: Any = import_module("potr.proto")
pycrypto: Any = import_module("potr.compatcrypto.pycrypto")


def _adapt() -> None:
    restore(pycrypto, AES)
    numbers = SimpleNamespace(
        getrandbits=lambda bits: Adapted.current.settings.random.getrandbits(bits),
        randrange=lambda start, stop: Adapted.current.settings.random.randrange(start, stop),
    )
    pycrypto.Crypto = SimpleNamespace(Random=SimpleNamespace(random=numbers))
    context.time = lambda: Adapted.current.now


# --------------------------------------------------------------------------------------------------------------------
# The application
# --------------------------------------------------------------------------------------------------------------------

#: The policies that the library asks for, by its own names. Version 1 is never allowed.
POLICIES = {
    "ALLOW_V1": Policy.NONE,
    "ALLOW_V2": Policy.ALLOW_V2,
    "REQUIRE_ENCRYPTION": Policy.REQUIRE_ENCRYPTION,
    "SEND_TAG": Policy.SEND_WHITESPACE_TAG,
}


class Account(context.Account):  # type: ignore[misc]
    """The library's account, without its files on disk."""

    def saveTrusts(self) -> None:
        pass


class Conversation(context.Context):  # type: ignore[misc]
    """The library's context, with the methods that an application must provide, and hooks that report events."""

    def __init__(self, party: Party, account: Account, peer: str) -> None:
        super().__init__(account, peer)
        self._party = party
        self.parsed: object = None
        handle = self.crypto.smpHandle

        def smp_handle(tlv: Any, appdata: object = None) -> None:
            under_way = self.crypto.smp is not None and self.crypto.smp.state != 1
            handle(tlv, appdata=appdata)
            self._tell_smp(tlv, under_way)

        self.crypto.smpHandle = smp_handle

    def getPolicy(self, key: str) -> bool:
        return bool(self._party.policy & POLICIES[key])

    def inject(self, msg: bytes, appdata: object = None) -> None:
        self._party.emit("outgoing_message", message=msg)

    def parse(self, message: bytes, nofragment: bool = False) -> object:
        self.parsed = super().parse(message, nofragment)
        return self.parsed

    def setState(self, newstate: int) -> None:
        before = self.state
        super().setState(newstate)
        if newstate == context.STATE_ENCRYPTED:
            refreshed = before == context.STATE_ENCRYPTED
            self._party.emit(
                "session_established",
                instance=0,
                version=2,
                ssid=self.crypto.sessionId.hex(),
                fingerprint=self.crypto.theirPubkey.fingerprint().hex(),
                sent_reveal_signature=not self.crypto.sessionIdHalf,
                refreshed=refreshed,
                same_key=None if refreshed else False,
            )
        elif newstate == context.STATE_FINISHED:
            self._party.emit("peer_ended_session", instance=0)
        elif before != context.STATE_PLAINTEXT:
            self._party.emit("user_ended_session", instance=0)

    def _tell_smp(self, tlv: Any, under_way: bool) -> None:
        """Report what an application learns from the state of the run after an SMP TLV."""
        progress = self.crypto.smp.prog
        if isinstance(tlv, proto.SMPABORTTLV):
            if under_way:
                self._party.emit("smp_aborted", instance=0, reason="peer_aborted")
        elif progress == crypt.SMPPROG_CHEATED:
            self._party.emit("smp_aborted", instance=0, reason=None)
        elif isinstance(tlv, proto.SMP1QTLV):
            self._party.emit("smp_requested", instance=0, question=tlv.msg)
        elif isinstance(tlv, proto.SMP1TLV):
            self._party.emit("smp_requested", instance=0, question=None)
        elif isinstance(tlv, proto.SMP3TLV | proto.SMP4TLV):
            self._party.emit("smp_finished", instance=0, equal=progress == crypt.SMPPROG_SUCCEEDED)


class Party(Adapted):
    """An account with one correspondent. There is a single session, so `instance` is unsupported."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.policy = settings.policy
        public, x = settings.key.public, settings.key.x
        key = pycrypto.DSAKey((public.y, public.g, public.p, public.q, x), private=True)
        self.fingerprint = key.fingerprint()
        account = Account(settings.account, "otterproof", settings.max_message_size or 0, key)
        self._otr = Conversation(self, account, settings.peer)

    def set_policy(self, policy: Policy) -> None:
        self.policy = policy

    def receive(self, message: bytes) -> None:
        self._otr.parsed = None
        try:
            text, tlvs = self._otr.receiveMessage(message)
        except context.NotOTRMessage as error:
            self.emit("text_received", text=error.args[0], secure=False, warn=False, instance=0)
        except context.UnencryptedMessage as error:
            self.emit("text_received", text=error.args[0], secure=False, warn=True, instance=0)
        except context.ErrorReceived as error:
            self.emit("error_message_received", text=error.args[0].error)
        except context.NotEncryptedError:
            self.emit("message_unreadable", instance=0, reason="not_encrypted", field=None, offset=None)
        except crypt.InvalidParameterError:
            if isinstance(self._otr.parsed, proto.DataMessage):
                self.emit("message_unreadable", instance=0, reason=None, field=None, offset=None)
            else:
                self.emit("message_rejected", reason=None, field=None, offset=None)
        else:
            if text is not None:
                self.emit("text_received", text=text, secure=True, warn=False, instance=0)
            for tlv in tlvs:
                if isinstance(tlv, proto.ExtraKeyTLV):
                    self._tell_extra_key(True, tlv.appid, tlv.appdata, self._otr.getExtraKey())

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
        _no_instance(instance)
        tlvs = [] if padding is None else [proto.PaddingTLV(bytes(padding))]
        try:
            self._transmit(self._otr.sendMessage(context.FRAGMENT_SEND_ALL, text, tlvs=tlvs))
        except context.NotEncryptedError:
            self._refuse("send")

    def start(self) -> None:
        # As clients do it: the library replaces a query among the texts by the account's own.
        self._transmit(self._otr.sendMessage(context.FRAGMENT_SEND_ALL, b"?OTRv2?"))

    def end(self, *, instance: int | None = None) -> None:
        _no_instance(instance)
        self._otr.disconnect()

    def smp_start(self, secret: bytes, *, question: bytes | None = None, instance: int | None = None) -> None:
        _no_instance(instance)
        try:
            self._otr.smpInit(secret, question)
        except context.NotEncryptedError:
            self._refuse("smp_start")

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> None:
        _no_instance(instance)
        try:
            self._otr.smpGotSecret(secret)
        except context.NotEncryptedError:
            self._refuse("smp_answer")

    def smp_abort(self, *, instance: int | None = None) -> None:
        _no_instance(instance)
        try:
            self._otr.smpAbort()
        except context.NotEncryptedError:
            self._refuse("smp_abort")

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> None:
        _no_instance(instance)
        try:
            key = self._otr.getExtraKey(use.to_bytes(4), data)
        except context.NotEncryptedError:
            self._refuse("extra_key")
        else:
            self._tell_extra_key(False, use.to_bytes(4), data, key)

    def _transmit(self, message: bytes | None) -> None:
        """Transmit what sendMessage returns: it leaves that to the application."""
        if message is not None:
            self.emit("outgoing_message", message=message)

    def _refuse(self, action: str) -> None:
        self.emit("action_refused", action=action, reason="wrong_state")

    def _tell_extra_key(self, received: bool, use: bytes, data: bytes, key: bytes) -> None:
        # The library takes `use` from the TLV without checking the length.
        self.emit("extra_key_derived", instance=0, received=received, use=int.from_bytes(use), data=data, key=key.hex())


def _no_instance(instance: int | None) -> None:
    if instance is not None:
        raise Unsupported("python-potr has a single session; instances can't be chosen")


def _version() -> str:
    try:
        return metadata.version("python-potr")
    except metadata.PackageNotFoundError:
        return ".".join(map(str, import_module("potr").VERSION[:3]))


CAPABILITIES = [
    "v2",
    "smp",
    "smp_question",
    "smp_abort",
    "extra_key",
    "fragmentation_out",
    "whitespace_tag",
    "heartbeat",
    "time",
]

if __name__ == "__main__":
    _adapt()
    code = Path(context.__file__).parent.resolve()
    serve(Adapter(About("potr", _version(), [2], CAPABILITIES, "seed", code=code), Party).methods())
