"""Malformed messages, put into records of genuine conversations for the oracle `form` to object to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from otterproof.harness import wire
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import ErrorMessageReceived, OutgoingMessage
from tests.oracle_changes import Change, added, has, sent


def with_leading_zero(name: str) -> Callable[[wire.Message], wire.Message]:
    """Puts a zero byte before the number in a field."""

    def change(message: wire.Message) -> wire.Message:
        content = b"\0" + message.raw(name)[4:]
        return message.with_raw(name, len(content).to_bytes(4) + content)

    return change


#: The id of a check, program, setup, and the change that makes it fail.
FORM: list[tuple[str, str, int, Change]] = [
    ("form.partial-mac-key", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("old_mac_keys", bytes(19)))),
    ("form.key-id-zero", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("sender_keyid", 0))),
    ("form.counter-zero", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("ctr", bytes(8)))),
    ("form.undefined-flags", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("flags", 0x81))),
    ("form.wrong-sender-tag", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("sender_tag", 0x777))),
    ("form.no-receiver-tag", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("receiver_tag", 0))),
    ("form.public-value-out-of-range", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("next_dh", 1))),
    ("form.data-malformed", "talk", 0, sent(Kind.DATA, lambda one: one.with_body(one.body + b"\0"))),
    ("form.unknown-header", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("type", 0x13))),
    (
        "form.signature-block-size",
        "handshakes",
        0,
        sent(Kind.SIGNATURE, lambda one: one.with_value("encrypted_signature", bytes(20))),
    ),
    (
        "form.armour-malformed",
        "talk",
        0,
        sent(Kind.DATA, lambda one: replace(one, armour=wire.Armour(b"?OTR:", b"", b""))),
    ),
    ("form.mpi-not-minimal", "talk", 0, sent(Kind.DATA, with_leading_zero("next_dh"))),
    (
        "form.commit-malformed",
        "handshakes",
        0,
        sent(Kind.DH_COMMIT, lambda one: one.with_value("hashed_gx", bytes(20))),
    ),
    ("form.dh-key-malformed", "handshakes", 0, sent(Kind.DH_KEY, lambda one: one.with_body(one.body + b"\0"))),
    (
        "form.reveal-signature-malformed",
        "handshakes",
        0,
        sent(Kind.REVEAL_SIGNATURE, lambda one: one.with_value("revealed_key", bytes(15))),
    ),
    ("form.signature-malformed", "handshakes", 0, sent(Kind.SIGNATURE, lambda one: one.with_body(one.body[:-1]))),
    ("form.tags-missing", "talk", 0, sent(Kind.DATA, lambda one: one.with_body(one.body[:3] + one.body[11:]))),
    (
        "form.tags-in-version-2",
        "handshakes",
        1,
        sent(Kind.SIGNATURE, lambda one: one.with_body(one.body[:3] + bytes(8) + one.body[3:])),
    ),
    (
        "form.wrong-version",
        "talk",
        0,
        sent(Kind.DATA, lambda one: one.with_body(b"\0\2" + one.body[2:3] + one.body[11:])),
    ),
    (
        "form.answer-in-other-version",
        "handshakes",
        0,
        sent(Kind.SIGNATURE, lambda one: one.with_body(b"\0\2" + one.body[2:3] + one.body[11:])),
    ),
    ("form.no-known-form", "negotiation", 0, added(has(ErrorMessageReceived), OutgoingMessage(b"?OTRv23"))),
]
