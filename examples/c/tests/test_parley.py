"""Parley's own tests that need a correspondent. Otterproof plays it, and talks to Parley through the driver."""

import pytest

from otterproof import contract


@pytest.fixture(params=[2, 3])
def otr_version(request):
    """Runs each test in both versions of the protocol."""
    return request.param


def test_a_conversation_with_an_honest_peer(otr_peer):
    otr_peer.establish("target")
    otr_peer.say("target", b"shall we talk?")
    otr_peer.say("peer", b"we shall")
    otr_peer.end("peer")


def test_a_forged_message_is_told_and_not_shown(otr_session, otr_insider):
    forged = otr_insider.data(b"the treaty is off", mac=bytes(20))
    reply = otr_session.receive(forged)
    assert [event for event in reply.events if isinstance(event, contract.MessageUnreadable)]
    assert not [event for event in reply.events if isinstance(event, contract.TextReceived)]
    otr_session.assert_session_alive(otr_insider)
