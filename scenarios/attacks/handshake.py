"""Attacks on the handshake: somebody on the network, or a peer with valid keys, wants a session that is not what it
seems.

The attacks are those that were published against OTR and its like: identity misbinding (Di Raimondo, Gennaro and
Krawczyk 2005), version rollback and abuse of colliding commits (Bonneau and Morrison 2006), reflection, and D-H keys of
small order.
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, PEER, TARGET, Context, check
from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_PRIME, Kind
from otterproof.harness.wire.numbers import dsa_sign
from otterproof.implementations.contract import Established

#: Public keys of small order, and their like modulo p: the secret that they lead to is known to everybody.
DEGENERATE = (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1)


@scenario(requirements=("!AKE-VERIFY-3", "!AKE-VERIFY-5", "!AKE-VERIFY-6", "!AKE-HIDE-1"))
def identity_misbinding(context: Context) -> None:
    """A peer can't pass for somebody else: a public key that is not the one that signed, and the two D-H keys in the
    wrong places under the signature, make no session, and no fingerprint of the victim is ever reported.
    """
    bob, mallory = published_key("bob"), published_key("mallory")
    stolen = dsa_sign(bob, bytes(32), 12345)  # a signature of Bob's, over something else
    lies = (
        SignatureOptions(advertised_key=bob.public),
        SignatureOptions(advertised_key=bob.public, signature=stolen),
        SignatureOptions(swap_dh=True),
        SignatureOptions(signature=(0, 0)),
        SignatureOptions(signature=(mallory.public.q, mallory.public.q)),
    )
    for lie in lies:
        for target_begins in (False, True):
            target = context.target_session()
            insider = target.insider("mallory")
            reply = (
                target.handshake_by_target(insider, lie) if target_begins else target.handshake_by_insider(insider, lie)
            )
            check(not reply.of(Established), f"a signature that does not fit makes no session: {reply}")
            reply.assert_rejected("a signature that does not fit")
            target.receive(insider.data(b"am I Bob?")).assert_rejected("a message of a session that is none")


@scenario(requirements=("!AKE-VERIFY-1", "!AKE-VERIFY-2", "!AKE-VERIFY-3", "AKE-BOTH-1", "!AKE-BOTH-1"))
def a_relayed_handshake_can_not_be_taken_over(context: Context) -> None:
    """Somebody in the middle who hands on the D-H keys of two others, and puts an identity of his own in the place of
    the peer's, gets no session; the genuine message still makes one with the peer.
    """
    pair = context.pair()
    pair.do(TARGET, "start", {})
    pair.deliver_next(PEER)
    dh_key = pair.deliver_next(TARGET).message(Kind.DH_KEY)
    pair.deliver_next(PEER)
    genuine = pair.pop(TARGET)
    mallory = Insider(published_key("mallory"), pair.world.parties[TARGET].instance_tag, version=context.version)
    mallory.r = wire.parse(genuine).data("revealed_key")
    forged = mallory.reveal_signature(wire.build(dh_key))
    check(not pair.deliver(TARGET, forged).accepted, "an identity under another secret makes no session")
    own = wire.parse(forged)
    for field in ("encrypted_signature", "mac"):
        mixed = wire.build(wire.parse(genuine).with_raw(field, own.raw(field)))
        check(not pair.deliver(TARGET, mixed).accepted, f"the peer's message with another's {field} makes no session")
    established = pair.deliver(TARGET, genuine).one(Established)
    fingerprint = pair.world.parties[PEER].fingerprint
    check(established.fingerprint == fingerprint, "the genuine message makes a session with the peer")
    pair.world.settle()
    pair.say(TARGET, b"so it is you")
    pair.say(PEER, b"it is")


@scenario(requirements=("!AKE-REFLECT-1", "!AKE-BOTH-1", "!ERROR-LOOP-1", "!ROBUST-LOOP-1"))
def a_mirror_gets_no_session(context: Context) -> None:
    """All that the target sends is sent back to it: it never comes to a session with itself, and soon falls silent."""
    openings = {
        "query": context.target_session().user("start").sent,
        "commit": context.target_session().query().sent,
        "error": [wire.parse(b"?OTR Error: what was that?")],
    }
    for name, opening in openings.items():
        target = context.target_session()
        waiting = [wire.build(message) for message in opening]
        for _ in range(12):
            if not waiting:
                break
            reply = target.receive(waiting.pop(0))
            check(not reply.of(Established), f"no session comes of a mirror, and there was {reply}")
            waiting += [wire.build(message) for message in reply.sent]
        check(not waiting, f"a mirror that begins with its {name} is not answered for ever")


@scenario(requirements=("!AKE-VALID-1", "!AKE-VALID-2", "!AKE-VALID-4", "!AKE-VERIFY-6"))
def keys_of_small_order(context: Context) -> None:
    """A D-H key of 0, 1 or p-1 (or those plus p) leads to a secret that everybody knows; it makes no session, from
    either side, and the target still completes a handshake with a good one.
    """
    for public in DEGENERATE:
        for secret in {public % DH_PRIME, 1, DH_PRIME - 1}:
            signed = SignatureOptions(secret=secret)
            target = context.target_session()
            insider = target.insider()
            target.user("start")
            dh_key = target.receive(insider.commit(public)).messages(Kind.DH_KEY)
            if dh_key:
                reveal = insider.reveal_signature(wire.build(dh_key[0]), signed, public=public)
                target.receive(reveal).assert_rejected("g^x out of range")
            target.establish(target.insider(seed=b"a good one"))
            if not public:
                continue
            target = context.target_session()
            insider = target.insider()
            commit = wire.build(target.query().message(Kind.DH_COMMIT))
            for reveal_message in target.receive(insider.dh_key(public)).messages(Kind.REVEAL_SIGNATURE):
                gx = insider.decommit(commit, wire.build(reveal_message))
                target.receive(insider.signature(gx, signed, public=public)).assert_rejected("g^y out of range")
            target.receive(insider.dh_key())
            target.user("send", text=b"still in the clear?")


@scenario(requirements=("!POLICY-V2-1", "!POLICY-V3-1", "!QUERY-ANSWER-1"))
def version_rollback(context: Context) -> None:
    """A query, tag or commit of a version that the user does not allow starts nothing, version 1 least of all; so a
    changed offer can't bring the target to an older protocol than its user accepts.
    """
    other = 5 - context.version
    target = context.target_session(policy=ALLOW[context.version])
    offers = [b"?OTR?", b"?OTRv?", b"?OTR?v1?", b"?OTRv1?", b"?OTRv%d?" % other, b"?OTR?v%d?" % other, b"?OTRv4x?"]
    for offer in offers:
        target.receive(offer).assert_sent()
    insider = Insider(published_key("mallory"), target.world.parties[TARGET].instance_tag, version=other)
    reply = target.receive(insider.commit())
    check(Kind.DH_KEY not in reply.kinds, f"a commit of a version that is not allowed is not answered: {reply}")
    target.establish(target.insider())


@scenario(requirements=("COMMIT-DHKEY-1", "!COMMIT-DHKEY-1", "!AKE-VERIFY-1"))
def commits_that_collide(context: Context) -> None:
    """An attacker who sends commits of his own into a handshake, with the lowest and the highest hash and with the
    target's own one, gets no session, and a handshake with the peer completes after it.
    """
    for hashed in (bytes(32), b"\xff" * 32, None):
        pair = context.pair()
        pair.do(PEER, "start", {})
        commit = wire.parse(wire.build(pair.deliver_next(TARGET).message(Kind.DH_COMMIT)))
        changed = commit if hashed is None else commit.with_value("hashed_gx", hashed)
        if context.version == 3:
            changed = changed.with_value("sender_tag", 0x6666)
        pair.deliver(TARGET, wire.build(changed)).assert_rejected("a commit of the attacker's")
        pair.drop_all(PEER)
        pair.drop_all(TARGET)
        pair.establish(PEER)
        pair.say(TARGET, b"this is between us")


@scenario(requirements=("!AKE-VERIFY-2", "!AKE-VERIFY-4", "REVEAL-REJECT-1", "SIG-REJECT-1", "!STATE-ENCRYPTED-4"))
def a_running_session_survives_a_failed_handshake(context: Context) -> None:
    """A handshake that an attacker starts within a session and can't complete leaves that session as it was, at every
    stage of it.
    """
    target, insider = context.encrypted()
    attacker = target.insider(insider_key(insider), insider.tag, b"attacker")
    dh_key = wire.build(target.receive(attacker.commit()).message(Kind.DH_KEY))
    target.assert_session_alive(insider)
    target.receive(attacker.reveal_signature(dh_key, SignatureOptions(mac=bytes(20)))).assert_rejected("a wrong MAC")
    target.assert_session_alive(insider)
    target.query()
    target.assert_session_alive(insider)
    reveal = target.receive(attacker.dh_key())
    target.assert_session_alive(insider)
    if reveal.messages(Kind.REVEAL_SIGNATURE):
        wrong = attacker.signature(2, HONEST_SIGNATURE, public=2)
        target.receive(wrong).assert_rejected("a Signature Message of nobody's")
    target.assert_session_alive(insider)


def insider_key(insider: Insider) -> str:
    """Another long-term key than the insider's."""
    return "carol" if insider.key == published_key("mallory") else "mallory"
