"""The driver of python-otr 1.2.2 by AG Projects.

Usage: `python -m otterproof.implementations.drivers.python_otr.driver [FOLDER]`.

The library speaks versions 2 and 3. It is written in Python 2; `python2.py` loads it and describes how. The library has
no policies except the versions, does not fragment, pad or send heartbeats, and has no extra key. It draws a new
instance tag for each conversation.

It reports state changes and SMP by notifications, and texts by what handle_input returns and raises. For a rejected
handshake message it does the same as for one that needs no answer, so the driver can't tell them apart. Its errors
about encrypted messages say why, in words that become reasons here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from otterproof.implementations.contract import Policy
from otterproof.implementations.drivers.adapter import About, Adapted, Adapter, Settings
from otterproof.implementations.drivers.linejson import Unsupported, serve
from otterproof.implementations.drivers.python_otr.python2 import Library, PrivateKey, to_bytes, to_text

CONTENT_TYPE = "text/plain"

#: The text of an EncryptedMessageError -> the reason.
UNREADABLE = {
    "Received an unreadable encrypted message while unencrypted": "not_encrypted",
    "Invalid session key requested": "unknown_key",
    "The message counter should be monotonically increasing": "bad_counter",
    "The message MAC doesn't match": "bad_mac",
    "The next DH public key is invalid": "bad_group_element",
}

#: The library's reason for the end of an SMP run -> the reason.
SMP_ENDED = {
    "aborted from remote": "peer_aborted",
    "encryption ended": "session_left",
    "startup collision": "smp_unexpected",
}


def _versions(policy: Policy) -> set[int]:
    return {version for version, flag in ((2, Policy.ALLOW_V2), (3, Policy.ALLOW_V3)) if flag in policy}


class Party(Adapted):
    """A session of the library, and an observer of its notifications."""

    otr: Library

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        module = self.otr.module("otr")
        key = self.otr.module("otr.cryptography").DSAPrivateKey(PrivateKey(settings.key, settings.random))
        self.fingerprint = to_bytes(key.public_key.fingerprint)
        self._states, self._errors = module.OTRState, self.otr.module("otr.exceptions")
        transport = module.GenericOTRTransport(self._transmit)
        self._session = module.OTRSession(key, transport, _versions(settings.policy))
        self.otr.notifications.add_observer(self, self._session)

    def _transmit(self, message: str) -> None:
        self.emit("outgoing_message", message=message)

    def set_policy(self, policy: Policy) -> None:
        self._session.supported_versions = _versions(policy)

    def receive(self, message: bytes) -> None:
        secure, instance = self._session.encrypted, self._instance()
        try:
            text = self._session.handle_input(to_text(message), CONTENT_TYPE)
        except self._errors.IgnoreMessage:
            pass
        except self._errors.UnencryptedMessage:  # while encrypted; the application has the text and warns
            self.emit("text_received", text=message, secure=False, warn=True, instance=0)
        except self._errors.EncryptedMessageError as error:
            reason = UNREADABLE.get(str(error))
            self.emit("message_unreadable", instance=self._instance(), reason=reason, field=None, offset=None)
        except self._errors.OTRError as error:
            self.emit("error_message_received", text=str(error))
        else:
            # In a session, a returned text was encrypted; for others the library raises UnencryptedMessage.
            self.emit("text_received", text=text, secure=secure, warn=False, instance=instance if secure else 0)

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
        _no_instance(instance)
        if padding is not None:
            raise Unsupported("python-otr adds no padding")
        try:
            self._transmit(self._session.handle_output(to_text(text), CONTENT_TYPE))
        except self._errors.OTRFinishedError:
            self.emit("action_refused", action="send", reason="wrong_state")

    def start(self) -> None:
        self._session.start()

    def end(self, *, instance: int | None = None) -> None:
        _no_instance(instance)
        self._session.stop()

    def smp_start(self, secret: bytes, *, question: bytes | None = None, instance: int | None = None) -> None:
        _no_instance(instance)
        self._session.smp_verify(to_text(secret), None if question is None else to_text(question))

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> None:
        _no_instance(instance)
        self._session.smp_answer(to_text(secret))

    def smp_abort(self, *, instance: int | None = None) -> None:
        _no_instance(instance)
        self._session.smp_abort()

    def _instance(self) -> int:
        """The correspondent's instance tag; version 2 has none."""
        return getattr(self._session.protocol, "remote_tag", 0)

    # The library's notifications.

    def handle_notification(self, notification: Any) -> None:
        handler = getattr(self, f"_on_{notification.name}", None)
        if handler is not None:
            handler(notification.data)

    def _on_OTRSessionStateChanged(self, data: Any) -> None:
        protocol = self._session.protocol
        if data.new_state is self._states.Encrypted:
            refreshed = data.old_state is self._states.Encrypted
            self.emit(
                "session_established",
                instance=self._instance(),
                version=protocol.__version__,
                ssid=to_bytes(protocol.session_id).hex(),
                fingerprint=to_bytes(protocol.remote_public_key.fingerprint).hex(),
                sent_reveal_signature=None,
                refreshed=refreshed,
                same_key=None if refreshed else False,
            )
        else:
            finished = data.new_state is self._states.Finished
            self.emit("peer_ended_session" if finished else "user_ended_session", instance=self._instance())

    def _on_OTRSessionSMPVerificationDidStart(self, data: Any) -> None:
        if data.originator == "remote":
            self.emit("smp_requested", instance=self._instance(), question=data.question)

    def _on_OTRSessionSMPVerificationDidNotStart(self, data: Any) -> None:
        self.emit("action_refused", action="smp_start", reason="wrong_state")

    def _on_OTRSessionSMPVerificationDidEnd(self, data: Any) -> None:
        if data.status.value == "Success":
            self.emit("smp_finished", instance=self._instance(), equal=data.same_secrets)
        elif data.reason != "cancelled":  # by our own user, who knows
            reason = "smp_unexpected" if data.reason.endswith("out of order") else SMP_ENDED.get(data.reason)
            reason = "smp_bad_proof" if data.reason.startswith("failed to verify") else reason
            self.emit("smp_aborted", instance=self._instance(), reason=reason)


def _no_instance(instance: int | None) -> None:
    if instance is not None:
        raise Unsupported("python-otr has a single session; instances can't be chosen")


def _folder() -> Path:
    for folder in sys.path:
        if Path(folder, "otr", "protocol.py").is_file():
            return Path(folder)
    sys.exit("python-otr is not there; see README.md")


if __name__ == "__main__":
    sys.path += sys.argv[1:]
    folder = _folder()
    Party.otr = Library(folder, lambda: Adapted.current.settings.random)
    version = Party.otr.module("otr.__info__").__version__
    claims = ["v2", "v3", "smp", "smp_question", "smp_abort"]
    about = About("python-otr", version, [2, 3], claims, "seed", code=(folder / "otr").resolve())
    serve(Adapter(about, Party).methods())
