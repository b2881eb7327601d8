"""Attacks on SMP: someone without the secret wants a run to succeed, or to learn something about the secret.

The first description of SMP in OTR did not exclude elements of small order. The other attacks exploit defects that
clients have had, or are what a man in the middle with a session on each side would try.
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import PEER, TARGET, Context
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import (
    OUT_OF_TURN_CHECKS,
    RANGE_CHECKS,
    Numbers,
    SmpPeer,
    secret_number,
)
from otterproof.harness.testkit.smp_session import MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, SECRET, SmpSession
from otterproof.harness.wire import DH_PRIME
from otterproof.harness.wire.numbers import fingerprint
from otterproof.harness.wire.proofs import prove_degenerate

#: Elements of order 1 and 2, and 0.
SMALL = (0, 1, DH_PRIME - 1)


@scenario(
    needs=("smp",),
    versions=(3,),
    requirements=("!SMPMATH-RANGE-1", "!SMPMATH-RANGE-2", "!SMPMATH-RANGE-3", "!SMPMATH-RANGE-4", "!SMPMATH-EQUAL-1"),
)
def elements_of_small_order(context: Context) -> None:
    """Elements of small order, with proofs that fit them, are refused in message 1 and in message 2.

    They would make the outcome independent of the secret.
    """
    target, insider = context.encrypted()
    smp_session = SmpSession(target, insider)
    elements = (
        (MESSAGE_1, "g2a", ("c2", "D2"), 1),
        (MESSAGE_1, "g3a", ("c3", "D3"), 2),
        (MESSAGE_2, "g2b", ("c2", "D2"), 3),
        (MESSAGE_2, "g3b", ("c3", "D3"), 4),
    )
    for small in SMALL:
        for kind, name, proof, prefix in elements:
            lie = {name: small} | dict(zip(proof, prove_degenerate(prefix, small), strict=True))

            def lying(run: SmpPeer, heard: Numbers, lie: Numbers = lie) -> Numbers:
                return {**(run.message_2(heard) if heard else run.message_1()), **lie}

            smp_session.refuses(RANGE_CHECKS[kind], kind, lying, f"{name} of {'p - 1' if small > 1 else small}")
    target.assert_session_alive(insider)


@scenario(needs=("smp",), requirements=("!SMP-SECRET-1", "!SMPMATH-TEST-1", "!SMPMATH-TEST-2"))
def man_in_the_middle_fails(context: Context) -> None:
    """SMP fails with a man in the middle who knows the users' secret but has a separate session with each side.

    The number that is compared depends on both fingerprints, the session and the roles.
    """
    target, mallory, bob = (fingerprint(published_key(name).public) for name in ("alice", "mallory", "bob"))
    subject, insider = context.encrypted()
    smp_session = SmpSession(subject, insider)
    smp_session.asks(smp_session.liar(b"another", target_asks=True)).tells(False, case="other words")
    wrong = {
        "the fingerprint of another responder": (target, bob, insider.ssid),
        "the fingerprints in the wrong order": (mallory, target, insider.ssid),
        "another ssid": (target, mallory, bytes(8)),
    }
    for case, (initiator, responder, ssid) in wrong.items():
        reply = smp_session.asks(SmpPeer(secret_number(initiator, responder, ssid, SECRET)))
        reply.tells(False, check_id="smp.man-in-the-middle-not-detected", case=f"a secret made with {case}")
    smp_session.asks(SmpPeer(secret_number(target, mallory, insider.ssid, SECRET))).tells(
        True, check_id="smp.secret-hashed-otherwise", case="the same secret on both sides"
    )


@scenario(needs=("smp",), requirements=("!SMP-BEGIN-5", "!SMP-ABORT-1", "!SMP-STATE-2"))
def messages_out_of_turn(context: Context) -> None:
    """Unexpected SMP messages are refused before, during and after a run; a proper run works."""
    target, insider = context.encrypted()
    smp_session = SmpSession(target, insider)
    run, other = smp_session.liar(), smp_session.liar()
    first = run.message_1()
    second = other.message_2(first)
    third = run.message_3(second)
    fourth = other.message_4(third)
    for kind, numbers in ((MESSAGE_2, second), (MESSAGE_3, third), (MESSAGE_4, fourth)):
        smp_session.tell(kind, numbers).refuses(OUT_OF_TURN_CHECKS[kind], f"SMP message {kind - 1} in EXPECT1")
    for kind, numbers in ((MESSAGE_4, fourth), (MESSAGE_2, second)):
        smp_session.request(smp_session.liar())
        smp_session.tell(kind, numbers).refuses(
            OUT_OF_TURN_CHECKS[kind], f"SMP message {kind - 1} while the user is asked"
        )
    run = smp_session.liar()
    third = run.message_3(smp_session.expect3(run))
    smp_session.tell(MESSAGE_3, third).tells(True)
    smp_session.tell(MESSAGE_3, third).refuses("smp.last-message-counts-twice", "SMP message 3 a second time")


@scenario(needs=("smp",), peer_needs=("smp",), requirements=("!SMP-BEGIN-5", "!DATA-RECV-12"))
def tampered_run_never_succeeds(context: Context) -> None:
    """A message of an SMP run between honest peers is not acted on if an attacker on the network damages it.

    A later run succeeds.
    """
    for damaged in range(4):
        pair = context.pair()
        pair.establish(PEER)
        pair.do(PEER, "smp_start", {"secret": SECRET})
        receiver, sender = TARGET, PEER
        for turn in range(4):
            message = wire.parse(pair.pop(receiver))
            if turn == damaged:
                mac = bytes(one ^ 1 for one in message.data("mac"))
                pair.deliver(receiver, wire.build(message.with_value("mac", mac))).assert_rejected(
                    "smp.forgery-accepted", f"message {turn + 1} of a run with a wrong MAC, to the {receiver}"
                )
                break
            pair.deliver(receiver, wire.build(message))
            if turn == 0:
                pair.do(TARGET, "smp_answer", {"secret": SECRET})
            receiver, sender = sender, receiver
        pair.drop_all(TARGET)
        pair.drop_all(PEER)
        pair.smp(PEER, SECRET, SECRET)
