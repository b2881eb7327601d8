"""The subject: what it requires of the target's data messages and replies."""

from __future__ import annotations

import pytest

from otterproof.harness import wire
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import Reply
from otterproof.implementations.contract import MessageUnreadable, OutgoingMessage, RejectReason, TextReceived
from tests.raising import raises_check


@pytest.mark.parametrize("version", [2, 3])
def test_a_message_must_be_under_known_keys_and_have_the_right_mac(version: int) -> None:
    target, insider = Context(EngineTarget("reference"), version, b"subject").encrypted()
    message = target.exchange_texts(insider)
    for changed in (message.with_value("mac", bytes(20)), message.with_value("flags", 1)):
        with raises_check("data.mac-wrong"):
            target.read(insider, changed)
    with raises_check("data.key-id-unknown"):
        target.read(insider, message.with_value("sender_keyid", 40))
    assert target.read(insider, message).text == b"from the target"
    assert wire.build(message) in [sent for reply in [target.replies(0, target.name)] for sent in reply.raw]


def test_an_unreadable_message_is_noticed_by_the_user_or_the_other_side() -> None:
    assert Reply((MessageUnreadable(0, RejectReason.BAD_MAC),)).noticed
    assert Reply((OutgoingMessage(b"?OTR Error: unreadable"),)).noticed
    assert not Reply((TextReceived(b"text", secure=True, warn=False, instance=0), OutgoingMessage(b"?OTRv3?"))).noticed
    assert not Reply(()).noticed
