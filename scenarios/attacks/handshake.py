"""Attacks on the handshake: somebody on the network, or a peer with valid keys, wants a session that is not what it
seems.

The attacks are those that were published against OTR and its like: identity misbinding (Di Raimondo, Gennaro and
Krawczyk 2005), version rollback and abuse of colliding commits (Bonneau and Morrison 2006), reflection, and D-H keys of
small order.
"""

from __future__ import annotations

from harness import wire
from harness.insider import HONEST, Insider, Signed, dsa_sign
from harness.keys import test_key
from harness.scenario import scenario
from harness.stage import ALLOW, PEER, TARGET, Stage, check
from harness.wire import DH_PRIME, Kind
from implementations.contract import Established

#: Public keys of small order, and their like modulo p: the secret that they lead to is known to everybody.
DEGENERATE = (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1)


@scenario(requirements=("!AKE-VERIFY-3", "!AKE-VERIFY-5", "!AKE-VERIFY-6", "!AKE-HIDE-1"))
def identity_misbinding(stage: Stage) -> None:
    """A peer can't pass for somebody else: a public key that is not the one that signed, and the two D-H keys in the
    wrong places under the signature, make no session, and no fingerprint of the victim is ever reported.
    """
    bob, mallory = test_key("bob"), test_key("mallory")
    stolen = dsa_sign(bob, bytes(32), 12345)  # a signature of Bob's, over something else
    lies = (
        Signed(shown=bob.public),
        Signed(shown=bob.public, pair=stolen),
        Signed(swapped=True),
        Signed(pair=(0, 0)),
        Signed(pair=(mallory.public.q, mallory.public.q)),
    )
    for lie in lies:
        for target_begins in (False, True):
            subject = stage.subject()
            insider = subject.insider("mallory")
            reply = subject.answer(insider, lie) if target_begins else subject.begin(insider, lie)
            check(not reply.of(Established), f"a signature that does not fit makes no session: {reply}")
            reply.accepts_nothing("a signature that does not fit")
            subject.give(insider.data(b"am I Bob?")).accepts_nothing("a message of a session that is none")


@scenario(requirements=("!AKE-VERIFY-1", "!AKE-VERIFY-2", "!AKE-VERIFY-3", "AKE-BOTH-1", "!AKE-BOTH-1"))
def a_relayed_handshake_can_not_be_taken_over(stage: Stage) -> None:
    """Somebody in the middle who hands on the D-H keys of two others, and puts an identity of his own in the place of
    the peer's, gets no session; the genuine message still makes one with the peer.
    """
    pair = stage.pair()
    pair.do(TARGET, "start", {})
    pair.pass_on(PEER)
    dh_key = pair.pass_on(TARGET).message(Kind.DH_KEY)
    pair.pass_on(PEER)
    genuine = pair.take(TARGET)
    mallory = Insider(test_key("mallory"), pair.world.parties[TARGET].instance_tag, version=stage.version)
    mallory.r = wire.parse(genuine).data("revealed_key")
    forged = mallory.reveal_signature(wire.build(dh_key))
    check(not pair.hand(TARGET, forged).accepted, "an identity under another secret makes no session")
    own = wire.parse(forged)
    for field in ("encrypted_signature", "mac"):
        mixed = wire.build(wire.parse(genuine).with_raw(field, own.raw(field)))
        check(not pair.hand(TARGET, mixed).accepted, f"the peer's message with another's {field} makes no session")
    established = pair.hand(TARGET, genuine).one(Established)
    fingerprint = pair.world.parties[PEER].fingerprint
    check(established.fingerprint == fingerprint, "the genuine message makes a session with the peer")
    pair.world.settle()
    pair.say(TARGET, b"so it is you")
    pair.say(PEER, b"it is")


@scenario(requirements=("!AKE-REFLECT-1", "!AKE-BOTH-1", "!ERROR-LOOP-1", "!ROBUST-LOOP-1"))
def a_mirror_gets_no_session(stage: Stage) -> None:
    """All that the target sends is sent back to it: it never comes to a session with itself, and soon falls silent."""
    openings = {
        "query": stage.subject().user("start").sent,
        "commit": stage.subject().query().sent,
        "error": [wire.parse(b"?OTR Error: what was that?")],
    }
    for name, opening in openings.items():
        subject = stage.subject()
        waiting = [wire.build(message) for message in opening]
        for _ in range(12):
            if not waiting:
                break
            reply = subject.give(waiting.pop(0))
            check(not reply.of(Established), f"no session comes of a mirror, and there was {reply}")
            waiting += [wire.build(message) for message in reply.sent]
        check(not waiting, f"a mirror that begins with its {name} is not answered for ever")


@scenario(requirements=("!AKE-VALID-1", "!AKE-VALID-2", "!AKE-VALID-4", "!AKE-VERIFY-6"))
def keys_of_small_order(stage: Stage) -> None:
    """A D-H key of 0, 1 or p-1 (or those plus p) leads to a secret that everybody knows; it makes no session, from
    either side, and the target still completes a handshake with a good one.
    """
    for public in DEGENERATE:
        for secret in {public % DH_PRIME, 1, DH_PRIME - 1}:
            signed = Signed(secret=secret)
            subject = stage.subject()
            insider = subject.insider()
            subject.user("start")
            dh_key = subject.give(insider.commit(public)).messages(Kind.DH_KEY)
            if dh_key:
                reveal = insider.reveal_signature(wire.build(dh_key[0]), signed, public=public)
                subject.give(reveal).accepts_nothing("g^x out of range")
            subject.establish(subject.insider(seed=b"a good one"))
            if not public:
                continue
            subject = stage.subject()
            insider = subject.insider()
            commit = wire.build(subject.query().message(Kind.DH_COMMIT))
            for reveal_message in subject.give(insider.dh_key(public)).messages(Kind.REVEAL_SIGNATURE):
                gx = insider.opened(commit, wire.build(reveal_message))
                subject.give(insider.signature(gx, signed, public=public)).accepts_nothing("g^y out of range")
            subject.give(insider.dh_key())
            subject.user("send", text=b"still in the clear?")


@scenario(requirements=("!POLICY-V2-1", "!POLICY-V3-1", "!QUERY-ANSWER-1"))
def version_rollback(stage: Stage) -> None:
    """A query, tag or commit of a version that the user does not allow starts nothing, version 1 least of all; so a
    changed offer can't bring the target to an older protocol than its user accepts.
    """
    other = 5 - stage.version
    subject = stage.subject(policy=ALLOW[stage.version])
    offers = [b"?OTR?", b"?OTRv?", b"?OTR?v1?", b"?OTRv1?", b"?OTRv%d?" % other, b"?OTR?v%d?" % other, b"?OTRv4x?"]
    for offer in offers:
        subject.give(offer).sends()
    insider = Insider(test_key("mallory"), subject.world.parties[TARGET].instance_tag, version=other)
    reply = subject.give(insider.commit())
    check(Kind.DH_KEY not in reply.kinds, f"a commit of a version that is not allowed is not answered: {reply}")
    subject.establish(subject.insider())


@scenario(requirements=("COMMIT-DHKEY-1", "!COMMIT-DHKEY-1", "!AKE-VERIFY-1"))
def commits_that_collide(stage: Stage) -> None:
    """An attacker who sends commits of his own into a handshake, with the lowest and the highest hash and with the
    target's own one, gets no session, and a handshake with the peer completes after it.
    """
    for hashed in (bytes(32), b"\xff" * 32, None):
        pair = stage.pair()
        pair.do(PEER, "start", {})
        commit = wire.parse(wire.build(pair.pass_on(TARGET).message(Kind.DH_COMMIT)))
        changed = commit if hashed is None else commit.with_value("hashed_gx", hashed)
        if stage.version == 3:
            changed = changed.with_value("sender_tag", 0x6666)
        pair.hand(TARGET, wire.build(changed)).accepts_nothing("a commit of the attacker's")
        pair.lose(PEER)
        pair.lose(TARGET)
        pair.establish(PEER)
        pair.say(TARGET, b"this is between us")


@scenario(requirements=("!AKE-VERIFY-2", "!AKE-VERIFY-4", "REVEAL-REJECT-1", "SIG-REJECT-1", "!STATE-ENCRYPTED-4"))
def a_running_session_survives_a_failed_handshake(stage: Stage) -> None:
    """A handshake that an attacker starts within a session and can't complete leaves that session as it was, at every
    stage of it.
    """
    subject, insider = stage.encrypted()
    attacker = subject.insider(insider_key(insider), insider.tag, b"attacker")
    dh_key = wire.build(subject.give(attacker.commit()).message(Kind.DH_KEY))
    subject.still_talks(insider)
    subject.give(attacker.reveal_signature(dh_key, Signed(mac=bytes(20)))).accepts_nothing("a wrong MAC")
    subject.still_talks(insider)
    subject.query()
    subject.still_talks(insider)
    reveal = subject.give(attacker.dh_key())
    subject.still_talks(insider)
    if reveal.messages(Kind.REVEAL_SIGNATURE):
        wrong = attacker.signature(2, HONEST, public=2)
        subject.give(wrong).accepts_nothing("a Signature Message of nobody's")
    subject.still_talks(insider)


def insider_key(insider: Insider) -> str:
    """Another long-term key than the insider's."""
    return "carol" if insider.key == test_key("mallory") else "mallory"
