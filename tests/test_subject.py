"""The subject: what it demands of the target's data messages, and of replies."""

from __future__ import annotations

import pytest

from harness import wire
from harness.course import CheckFailed, Reply
from harness.stage import Stage
from harness.targets import EngineTarget
from implementations.contract import Outgoing, Reason, TextReceived, Unreadable


@pytest.mark.parametrize("version", [2, 3])
def test_a_message_must_be_under_known_keys_and_have_the_right_mac(version: int) -> None:
    subject, insider = Stage(EngineTarget("reference"), version, b"subject").encrypted()
    message = subject.turn(insider)
    for changed in (message.with_value("mac", bytes(20)), message.with_value("flags", 1)):
        with pytest.raises(CheckFailed, match="MAC"):
            subject.read(insider, changed)
    with pytest.raises(CheckFailed, match="keys that both sides have"):
        subject.read(insider, message.with_value("sender_keyid", 40))
    assert subject.read(insider, message).text == b"from the target"
    assert wire.build(message) in [sent for reply in [subject.replies(0, subject.name)] for sent in reply.raw]


def test_an_unreadable_message_is_noticed_by_the_user_or_the_other_side() -> None:
    assert Reply((Unreadable(0, Reason.BAD_MAC),)).noticed
    assert Reply((Outgoing(b"?OTR Error: unreadable"),)).noticed
    assert not Reply((TextReceived(b"text", secure=True, warn=False, instance=0), Outgoing(b"?OTRv3?"))).noticed
    assert not Reply(()).noticed
