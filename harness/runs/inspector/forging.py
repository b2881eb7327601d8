"""A Data Message rewritten under a MAC key, which anybody can do once the key is revealed: OTR's deniability.

With the AES key any text can take the place of the old one. With the MAC key alone, the old text must be known, and the
new one has its length: the encryption only adds a key stream. [Revealing MAC keys]
"""

from __future__ import annotations

from collections.abc import Mapping

from otterproof.harness.runs.inspector.opening import DataKey
from otterproof.harness.support.errors import UsageError
from otterproof.harness.wire import FieldError, Kind, Message
from otterproof.harness.wire.crypto import encrypt_data, mac_data


def forged(
    message: Message,
    key: DataKey,
    text: bytes | None,
    was: bytes | None = None,
    changes: Mapping[str, int | bytes] | None = None,
) -> Message:
    """The message with another text and other fields, and the right authenticator. UsageError.

    was: the old text, which is needed where the AES key is not known. changes: fields and their new values.
    """
    if message.kind is not Kind.DATA:
        raise UsageError(f"only a Data Message has a MAC to be made again, and this is {message.kind}")
    try:
        for name, value in (changes or {}).items():
            message = message.with_value(name, value)
        if text is not None:
            message = _with_text(message, key, text, was)
        return mac_data(message, key.mac)
    except FieldError as error:
        raise UsageError(f"the message can't be changed so: {error}") from error


def _with_text(message: Message, key: DataKey, text: bytes, was: bytes | None) -> Message:
    if key.aes is not None:
        return encrypt_data(message, key.aes, text)
    if was is None:
        raise UsageError("only the MAC key is known: give the old text with --was, or the AES key with --aes")
    if len(was) != len(text):
        raise UsageError(
            f"only the MAC key is known, so the new text must have the {len(was)} bytes of the old one, not {len(text)}"
        )
    encrypted = message.data("encrypted_message")
    if len(was) > len(encrypted):
        raise UsageError(f"the old text can't have {len(was)} bytes: the message has {len(encrypted)} encrypted ones")
    stream = bytes(a ^ b for a, b in zip(encrypted, was, strict=False))
    start = bytes(a ^ b for a, b in zip(stream, text, strict=True))
    return message.with_value("encrypted_message", start + encrypted[len(start) :])
