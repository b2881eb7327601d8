"""Messages of the model as bytes: where a real message has a value, these have the digest of its name.

A message that the model predicts is a template. Rendered, it can be received by another party's model like any other,
for the book knows what was written under which names.
"""

from __future__ import annotations

from functools import cache
from hashlib import shake_128

from otterproof.harness import wire
from otterproof.harness.judges.model.book import NameTable
from otterproof.harness.judges.model.expect import (
    Again,
    CommitMessage,
    DataMessage,
    DhKeyMessage,
    Header,
    SealedMessage,
    Template,
    Verbatim,
    encrypted_signature_size,
)
from otterproof.harness.judges.model.names import Dh, EncryptedGx, Given, HashedGx, RevealedKey

_COMMIT, _DATA, _DH_KEY, _REVEAL_SIGNATURE, _SIGNATURE = 0x02, 0x03, 0x0A, 0x11, 0x12


def rendered(template: Template, book: NameTable) -> bytes:
    """The message, which the book knows from now on."""
    message = _message(template, book)
    template.check(message, book, "message")
    return message


def _message(template: Template, book: NameTable) -> bytes:
    match template:
        case Verbatim(message):
            return message
        case Again(name):
            return book.message(name)
        case CommitMessage(header, commit, _):
            fields = _data(_value(EncryptedGx(commit), 12)) + _data(_value(HashedGx(commit), 32))
            return _encoded(header, _COMMIT, fields)
        case DhKeyMessage(header, y, _):
            return _encoded(header, _DH_KEY, _mpi(y))
        case SealedMessage(header, seal, commit, name):
            sealed = _data(_value((seal, name), encrypted_signature_size(seal.signer))) + _value(
                (seal, name, "mac"), 20
            )
            if commit is None:
                return _encoded(header, _SIGNATURE, sealed)
            return _encoded(header, _REVEAL_SIGNATURE, _data(_value(RevealedKey(commit), 16)) + sealed)
        case DataMessage():
            return _encoded(template.header, _DATA, _data_message(template))
    raise TypeError(f"the model predicts a message of a kind that can't be rendered: {type(template).__name__}")


def _data_message(template: DataMessage) -> bytes:
    ids = template.sender_keyid.to_bytes(4, "big") + template.recipient_keyid.to_bytes(4, "big")
    head = bytes([template.flags]) + ids + _mpi(template.next_dh) + template.counter.to_bytes(8, "big")
    reveals = b"".join(_value(key, 20) for key in template.reveals)
    return head + _data(_value(template, template.plain.sizes[0])) + _value((template, "mac"), 20) + _data(reveals)


def _encoded(header: Header, kind: int, fields: bytes) -> bytes:
    tags = header.sender_tag.to_bytes(4, "big") + header.receiver_tag.to_bytes(4, "big") if header.version == 3 else b""
    return wire.armour(header.version.to_bytes(2, "big") + bytes([kind]) + tags + fields)


@cache
def _value(name: object, size: int) -> bytes:
    """The made-up value of a name: a digest, so that it is the same in every run."""
    return shake_128(repr(name).encode()).digest(size)


def _data(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _mpi(key: Dh) -> bytes:
    """A public key. The first byte is not 0, so that the number is minimal."""
    if isinstance(key, Given):
        return _data(key.value.to_bytes((key.value.bit_length() + 7) // 8, "big"))
    return _data(b"\x7f" + _value(key, 16))
