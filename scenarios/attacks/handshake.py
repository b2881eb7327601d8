"""Attacks on the handshake that aim for a session that is not what it seems.

The attackers are on the network, or peers with valid keys. The attacks were published against OTR and similar
protocols: identity misbinding (Di Raimondo, Gennaro and Krawczyk 2005), version rollback and abuse of colliding commits
(Bonneau and Morrison 2006), reflection, and D-H keys of small order.
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, PEER, TARGET, Context, check
from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import check_told
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_PRIME, Kind
from otterproof.harness.wire.numbers import dsa_sign
from otterproof.implementations.contract import SessionEstablished

#: Public keys of small order, and others equal to them modulo p: anyone knows the secret that they lead to.
DEGENERATE = (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1)


@scenario(requirements=("!AKE-VERIFY-3", "!AKE-VERIFY-5", "!AKE-VERIFY-6", "!AKE-HIDE-1"))
def identity_misbinding(context: Context) -> None:
    """A peer can't pass for someone else.

    No session is made when the public key is not the one that signed, when the D-H keys under the signature are
    exchanged, or when the signature is out of range.
    """
    bob, mallory = published_key("bob"), published_key("mallory")
    stolen = dsa_sign(bob, bytes(32), 12345)  # Bob's signature over something else
    unsigned = ("handshake.reveal-signature-dsa-not-verified", "handshake.signature-message-dsa-not-verified")
    out_of_range = ("encoding.signature-out-of-range-accepted",) * 2
    q = mallory.public.q
    # Each lie, with the checks that fail if it is accepted in a Reveal Signature and in a Signature Message.
    lies = (
        ("Bob's public key and Mallory's signature", SignatureOptions(advertised_key=bob.public), unsigned),
        (
            "Bob's public key and his signature of another value",
            SignatureOptions(advertised_key=bob.public, signature=stolen),
            unsigned,
        ),
        ("a signature over the D-H keys in the wrong order", SignatureOptions(swap_dh=True), unsigned),
        ("a signature with r and s of 0", SignatureOptions(signature=(0, 0)), out_of_range),
        ("a signature with r and s of q", SignatureOptions(signature=(q, q)), out_of_range),
    )
    for case, lie, (in_reveal, in_signature) in lies:
        with context.case(case):
            for target_begins in (False, True):
                target = context.target_session()
                insider = target.insider("mallory")
                if target_begins:
                    target.handshake_by_target(insider, lie).assert_rejected(in_signature, case)
                else:
                    target.handshake_by_insider(insider, lie).assert_rejected(in_reveal, case)
                target.receive(insider.data(b"am I Bob?")).assert_rejected(
                    "handshake.session-before-verification", f"a Data Message after a handshake with {case}"
                )


@scenario(requirements=("!AKE-VERIFY-1", "!AKE-VERIFY-2", "!AKE-VERIFY-3", "AKE-BOTH-1", "!AKE-BOTH-1"))
def relayed_handshake_cannot_be_hijacked(context: Context) -> None:
    """A man in the middle who relays the D-H keys but puts another identity in place of the peer's gets no session.

    The genuine message still makes one with the peer.
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
    pair.deliver(TARGET, forged).assert_rejected(
        "handshake.reveal-signature-mac-not-verified", "an identity that is signed under another secret"
    )
    own = wire.parse(forged)
    for field in ("encrypted_signature", "mac"):
        mixed = wire.build(wire.parse(genuine).with_raw(field, own.raw(field)))
        pair.deliver(TARGET, mixed).assert_rejected(
            "handshake.reveal-signature-mac-not-verified", f"the peer's message with the attacker's {field}"
        )
    established = pair.deliver(TARGET, genuine).one(SessionEstablished)
    fingerprint = pair.world.parties[PEER].fingerprint
    check_told("session.wrong-fingerprint", established.fingerprint, fingerprint)
    pair.world.settle()
    pair.say(TARGET, b"so it is you")
    pair.say(PEER, b"it is")


@scenario(requirements=("!AKE-REFLECT-1", "!AKE-BOTH-1", "!ERROR-LOOP-1", "!ROBUST-LOOP-1"))
def reflected_messages_make_no_session(context: Context) -> None:
    """A target that gets back everything it sends makes no session with itself, and soon stops answering."""
    openings = {
        "query": context.target_session().user("start").sent,
        "commit": [context.target_session().query().message(Kind.DH_COMMIT)],
        "error": [wire.parse(b"?OTR Error: what was that?")],
    }
    for name, opening in openings.items():
        target = context.target_session()
        waiting = [wire.build(message) for message in opening]
        for _ in range(12):
            if not waiting:
                break
            reply = target.receive(waiting.pop(0))
            check(
                "handshake.own-message-accepted",
                not reply.of(SessionEstablished),
                expected="no session",
                got=reply,
                case=f"a mirror that begins with its {name}",
            )
            waiting += [wire.build(message) for message in reply.sent]
        check(
            "robustness.mirror-answered-endlessly",
            not waiting,
            expected="nothing goes out any more after 12 messages",
            got=[wire.parse(message) for message in waiting],
            case=f"a mirror that begins with its {name}",
        )


@scenario(requirements=("!AKE-VALID-1", "!AKE-VALID-2", "!AKE-VALID-4", "!AKE-VERIFY-6"))
def keys_of_small_order(context: Context) -> None:
    """A D-H key of 0, 1 or p - 1, or equal to one of these modulo p, makes no session on either side.

    Anyone knows the secret that it leads to. A target that refused such a g^x still completes a handshake with a good
    one.
    """
    for public in DEGENERATE:
        with context.case():
            for secret in {public % DH_PRIME, 1, DH_PRIME - 1}:
                signed = SignatureOptions(secret=secret)
                target = context.target_session()
                insider = target.insider()
                target.user("start")
                dh_key = target.receive(insider.commit(public)).messages(Kind.DH_KEY)
                if dh_key:
                    reveal = insider.reveal_signature(wire.build(dh_key[0]), signed, public=public)
                    target.receive(reveal).assert_rejected(
                        "handshake.gx-range-not-checked", f"a g^x of {_named(public)}"
                    )
                target.establish(target.insider(seed=b"a good one"))
                if not public:
                    continue
                target = context.target_session()
                insider = target.insider()
                commit = wire.build(target.query().message(Kind.DH_COMMIT))
                for reveal_message in target.receive(insider.dh_key(public)).messages(Kind.REVEAL_SIGNATURE):
                    gx = insider.decommit(commit, wire.build(reveal_message))
                    target.receive(insider.signature(gx, signed, public=public)).assert_rejected(
                        "handshake.gy-range-not-checked", f"a g^y of {_named(public)}"
                    )
                target.receive(insider.dh_key())
                reply = target.user("send", text=b"still in the clear?")
                check(
                    "handshake.session-before-verification",
                    not reply.messages(Kind.DATA),
                    expected="no Data Message goes out",
                    got=reply,
                    case=f"a text after a g^y of {_named(public)}",
                )


def _named(public: int) -> str:
    """A degenerate key in words."""
    return {DH_PRIME - 1: "p - 1", DH_PRIME: "p", DH_PRIME + 1: "p + 1"}.get(public, str(public))


@scenario(requirements=("!POLICY-V2-1", "!POLICY-V3-1", "!QUERY-ANSWER-1"))
def version_rollback(context: Context) -> None:
    """A query or commit of a version that the user does not allow starts nothing.

    So a changed offer can't bring the target to an older protocol than its user accepts.
    """
    other = 5 - context.version
    target = context.target_session(policy=ALLOW[context.version])
    offers = [b"?OTR?", b"?OTRv?", b"?OTR?v1?", b"?OTRv1?", b"?OTRv%d?" % other, b"?OTR?v%d?" % other, b"?OTRv4x?"]
    for offer in offers:
        target.receive(offer).assert_sent("query.answered-without-common-version", case=offer)
    insider = Insider(published_key("mallory"), target.world.parties[TARGET].instance_tag, version=other)
    reply = target.receive(insider.commit())
    check(
        "handshake.disallowed-commit-not-ignored",
        Kind.DH_KEY not in reply.kinds,
        expected="no D-H Key Message goes out",
        got=reply,
        case=f"a D-H Commit Message of version {other}",
    )
    target.establish(target.insider())


@scenario(requirements=("COMMIT-DHKEY-1", "!COMMIT-DHKEY-1", "!AKE-VERIFY-1"))
def colliding_commits(context: Context) -> None:
    """An attacker who sends a commit into a handshake gets no session, and a handshake with the peer then completes.

    The commit has the lowest hash, the highest, or the target's own.
    """
    for case, hashed in (("the lowest", bytes(32)), ("the highest", b"\xff" * 32), ("the target's own", None)):
        with context.case(case):
            pair = context.pair()
            pair.do(PEER, "start", {})
            commit = wire.parse(wire.build(pair.deliver_next(TARGET).message(Kind.DH_COMMIT)))
            changed = commit if hashed is None else commit.with_value("hashed_gx", hashed)
            if context.version == 3:
                changed = changed.with_value("sender_tag", 0x6666)
            pair.deliver(TARGET, wire.build(changed)).assert_rejected(
                "robustness.forged-handshake-accepted", f"an attacker's D-H Commit Message with {case} hash"
            )
            pair.drop_all(PEER)
            pair.drop_all(TARGET)
            pair.establish(PEER)
            pair.say(TARGET, b"this is between us")


@scenario(requirements=("!AKE-VERIFY-2", "!AKE-VERIFY-4", "REVEAL-REJECT-1", "SIG-REJECT-1", "!STATE-ENCRYPTED-4"))
def session_survives_a_failed_handshake(context: Context) -> None:
    """A handshake that an attacker starts within a session and can't complete leaves the session unchanged.

    That holds at every stage of the handshake.
    """
    during, after = "state.session-not-kept-during-handshake", "state.session-not-kept-after-failure"
    target, insider = context.encrypted()
    attacker = target.insider(other_key(insider), insider.tag, b"attacker")
    dh_key = wire.build(target.receive(attacker.commit()).message(Kind.DH_KEY))
    target.assert_session_alive(insider, during)
    target.receive(attacker.reveal_signature(dh_key, SignatureOptions(mac=bytes(20)))).assert_rejected(
        "handshake.reveal-signature-mac-not-verified", "a Reveal Signature Message with a MAC of zeros"
    )
    target.assert_session_alive(insider, after)
    target.query()
    target.assert_session_alive(insider, during)
    reveal = target.receive(attacker.dh_key())
    target.assert_session_alive(insider, during)
    if reveal.messages(Kind.REVEAL_SIGNATURE):
        wrong = attacker.signature(2, HONEST_SIGNATURE, public=2)
        target.receive(wrong).assert_rejected(
            "handshake.signature-message-mac-not-verified", "a Signature Message under another secret"
        )
    target.assert_session_alive(insider, after)


def other_key(insider: Insider) -> str:
    """The name of a long-term key that is not the insider's."""
    return "carol" if insider.key == published_key("mallory") else "mallory"
