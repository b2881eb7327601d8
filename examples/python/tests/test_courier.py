"""Courier's own tests that need a correspondent. Otterproof plays it, and talks to Courier through driver.py."""

from otterproof import contract


def test_a_conversation_with_an_honest_peer(otr_peer):
    otr_peer.establish("target")
    otr_peer.say("target", b"build 481 is green")
    otr_peer.say("peer", b"deploy it")
    otr_peer.end("peer")


def test_a_forged_message_is_not_shown(otr_session, otr_insider):
    reply = otr_session.receive(otr_insider.data(b"deploy it", mac=bytes(20)))
    assert not [event for event in reply.events if isinstance(event, contract.TextReceived)]
    otr_session.assert_session_alive(otr_insider)


def test_it_speaks_version_2_only(otr_target):
    assert "v3" not in otr_target.capabilities
