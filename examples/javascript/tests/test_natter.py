"""Natter's own tests that need a correspondent. Otterproof plays it, and talks to Natter through driver.js."""

from otterproof import contract


def test_a_conversation_with_an_honest_peer(otr_peer):
    otr_peer.establish("target")
    otr_peer.say("target", "ça va ?".encode())
    otr_peer.say("peer", "très bien".encode())
    otr_peer.end("peer")


def test_a_forged_message_is_not_shown(otr_session, otr_insider):
    reply = otr_session.receive(otr_insider.data(b"send money", mac=bytes(20)))
    assert not [event for event in reply.events if isinstance(event, contract.TextReceived)]


def test_it_speaks_both_versions(otr_target):
    assert {"v2", "v3"} <= otr_target.capabilities
