"""SMP: whole runs, what is compared, and who learns the outcome.

[Socialist Millionaires' Protocol, Secret information]
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from otterproof.harness.testkit.context import Context, check, who_begins
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import SmpPeer
from otterproof.harness.testkit.smp_session import (
    ABORT,
    MESSAGE_1,
    MESSAGE_2,
    MESSAGE_3,
    MESSAGE_4,
    SECRET,
    SmpReply,
    SmpSession,
)
from otterproof.harness.wire.numbers import fingerprint
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import SmpRequested

ALICE, MALLORY = fingerprint(published_key("alice").public), fingerprint(published_key("mallory").public)

#: Wrong inputs to the hash of the secret, each wrong in one way, from the initiator's and the responder's fingerprint
#: and the ssid.
WRONG_SECRETS: dict[str, Callable[[bytes, bytes, bytes], bytes]] = {
    "without the version of SMP": lambda ours, theirs, ssid: ours + theirs + ssid + SECRET,
    "with another version of SMP": lambda ours, theirs, ssid: b"\2" + ours + theirs + ssid + SECRET,
    "with the fingerprints in the other order": lambda ours, theirs, ssid: b"\1" + theirs + ours + ssid + SECRET,
    "with another fingerprint of the initiator": lambda ours, theirs, ssid: b"\1" + bytes(20) + theirs + ssid + SECRET,
    "with another fingerprint of the responder": lambda ours, theirs, ssid: b"\1" + ours + bytes(20) + ssid + SECRET,
    "with another ssid": lambda ours, theirs, ssid: b"\1" + ours + theirs + bytes(8) + SECRET,
    "with what was typed before the ssid": lambda ours, theirs, ssid: b"\1" + ours + theirs + SECRET + ssid,
    "with a NUL after what was typed": lambda ours, theirs, ssid: b"\1" + ours + theirs + ssid + SECRET + b"\0",
}


def run_to_end(
    smp_session: SmpSession,
    check_id: str,
    run: SmpPeer,
    text: bytes = SECRET,
    *,
    target_asks: bool,
    equal: bool = True,
    case: str = "",
) -> None:
    """A whole run; the target must tell its user the outcome, once. Whatever else follows a failure is ignored."""
    reply = smp_session.asks(run, text) if target_asks else smp_session.asked(run, text)
    begins = "the target begins" if target_asks else "the peer begins"
    reply.tells(equal, check_id=check_id, case=f"{case}; {begins}" if case else begins)
    if not equal:
        smp_session.give(ABORT)


#: Whether the target begins, what its user types, and what the insider types.
Typed = tuple[bool, bytes, bytes]


def compare_secrets(context: Context, runs: Iterable[Typed]) -> None:
    """Do these runs in one session; each must succeed if both sides type the same bytes, and fail if not."""
    smp_session = SmpSession(*context.encrypted())
    for asks, typed, theirs in runs:
        run_to_end(
            smp_session,
            "smp.secret-bytes-changed",
            smp_session.liar(theirs, target_asks=asks),
            typed,
            target_asks=asks,
            equal=typed == theirs,
            case=f"the secrets {shown(typed)} and {shown(theirs)}",
        )


def _peer_finds(wanted: bool, found: bool, case: str) -> None:
    """Demand the result of the peer's own test of the target's last value."""
    words = {True: "the peer finds the secrets equal", False: "the peer finds the secrets different"}
    check("smp.peer-result-differs", found == wanted, expected=words[wanted], got=words[found], case=case)


@scenario(
    needs=("smp",),
    requirements=(
        "SMP-USE-1",
        "SMP-RESULT-1",
        "SMP-SECRET-1",
        "SMP-SECRET-2",
        "SMP-SECRET-3",
        "SMP-SECRET-4",
        "SMP-SECRET-5",
        "SMP-SECRET-6",
        "SMP-MSG1-2",
        "SMP-MSG1-3",
        "SMP-MSG3-2",
        "SMP-MSG3-3",
        "SMP-MSG3-4",
        "SMP-EXPECT-4",
        "SMP-EXPECT-7",
        "!SMP-MSG1-1",
        "!SMP-MSG1-5",
        "!SMP-MSG3-1",
        "!SMP-MSG3-5",
        "SMPMATH-TEST-1",
        "SMPMATH-STORE-1",
    ),
)
def run_begun_by_the_peer(context: Context) -> None:
    """The user is asked and gives the same secret: messages 2 and 4 go out, and both sides find the secrets equal."""
    smp_session = SmpSession(*context.encrypted())
    run = smp_session.liar()
    second = smp_session.expect3(run)
    third = run.message_3(second)
    reply = smp_session.tell(MESSAGE_3, third)
    reply.tells(True)
    lifted = reply.numbers(MESSAGE_4)["Rb"]
    _peer_finds(True, run.finds_equal(lifted, third["Pa"], second["Pb"]), "the peer began")
    smp_session.is_in_expect1()
    smp_session.subject.assert_session_alive(smp_session.insider)


@scenario(
    needs=("smp",),
    requirements=(
        "SMP-USE-1",
        "SMP-RESULT-1",
        "SMP-SECRET-3",
        "SMP-SECRET-4",
        "SMP-BEGIN-1",
        "SMP-BEGIN-2",
        "SMP-EXPECT-6",
        "SMP-EXPECT-8",
        "!SMP-MSG2-1",
        "!SMP-MSG2-4",
        "!SMP-MSG4-1",
        "!SMP-MSG4-4",
        "SMP-MSG2-2",
        "SMP-MSG2-3",
        "SMP-MSG4-2",
        "SMP-MSG4-3",
        "SMPMATH-TEST-2",
        "SMPMATH-STORE-2",
        "SMPMATH-STORE-3",
        "DATA-FLAGS-3",
    ),
)
def run_begun_by_the_user(context: Context) -> None:
    """The user begins: message 1 goes out, then message 3, and both sides find the secrets equal."""
    smp_session = SmpSession(*context.encrypted())
    run = smp_session.liar(target_asks=True)
    second = run.message_2(smp_session.expect2())
    reply = smp_session.tell(MESSAGE_2, second)
    reply.tells()
    third = reply.numbers(MESSAGE_3)
    fourth = run.message_4(third)
    _peer_finds(True, run.finds_equal(third["Ra"], third["Pa"], second["Pb"]), "the target began")
    reply = smp_session.tell(MESSAGE_4, fourth)
    reply.tells(True)
    reply.sends("smp.answered-after-the-end")
    smp_session.is_in_expect1()
    smp_session.subject.assert_session_alive(smp_session.insider)


@scenario(
    needs=("smp",),
    requirements=(
        "!SMP-RESULT-1",
        "!SMP-USE-1",
        "!SMP-MSG3-2",
        "!SMP-MSG3-3",
        "!SMP-MSG4-2",
        "!SMPMATH-TEST-1",
        "!SMPMATH-TEST-2",
    ),
)
def both_sides_learn_that_secrets_differ(context: Context) -> None:
    """With different secrets, neither side finds them equal, and message 4 still goes out."""
    smp_session = SmpSession(*context.encrypted())
    run = smp_session.liar(b"another")
    second = smp_session.expect3(run)
    third = run.message_3(second)
    reply = smp_session.tell(MESSAGE_3, third)
    reply.tells(False)
    lifted = reply.numbers(MESSAGE_4)["Rb"]
    _peer_finds(False, run.finds_equal(lifted, third["Pa"], second["Pb"]), "different secrets; the peer began")
    smp_session.give(ABORT)
    smp_session.asks(smp_session.liar(b"another", target_asks=True)).tells(False)


@scenario(needs=("smp",), requirements=("SMP-EXPECT-9", "!SMP-EXPECT-9"))
def failed_run_can_be_tried_again(context: Context) -> None:
    """After a run that found the secrets different, either side can begin another, which succeeds."""
    for target_asks in (False, True):
        with context.case():
            smp_session = SmpSession(*context.encrypted())
            smp_session.asks(smp_session.liar(b"another", target_asks=True)) if target_asks else smp_session.asked(
                smp_session.liar(b"another")
            )
            case = f"after a failed run that the {'target' if target_asks else 'peer'} began"
            fails = "smp.later-run-fails"
            smp_session.asked(smp_session.liar(), check_id=fails).tells(True, check_id=fails, case=case)
            smp_session.asks(smp_session.liar(target_asks=True)).tells(True, check_id=fails, case=case)


@scenario(
    needs=("smp",),
    requirements=(
        "!SMP-SECRET-1",
        "!SMP-SECRET-2",
        "!SMP-SECRET-3",
        "!SMP-SECRET-4",
        "!SMP-SECRET-5",
        "!SMP-SECRET-6",
    ),
)
def wrongly_hashed_secret_fails(context: Context) -> None:
    """A run with equal words fails if the other side hashes them with one input wrong, whichever side begins."""
    smp_session = SmpSession(*context.encrypted())
    for why, hashed in WRONG_SECRETS.items():
        number = hashlib.sha256(hashed(MALLORY, ALICE, smp_session.insider.ssid)).digest()
        reply = smp_session.asked(SmpPeer(int.from_bytes(number)))
        _no_success(reply, why, "the peer begins, with a secret")
        smp_session.give(ABORT)
    for why in ("with the fingerprints in the other order", "with another ssid"):
        number = hashlib.sha256(WRONG_SECRETS[why](ALICE, MALLORY, smp_session.insider.ssid)).digest()
        reply = smp_session.asks(SmpPeer(int.from_bytes(number)))
        _no_success(reply, why, "the target begins, and the peer has a secret")
        smp_session.give(ABORT)


def _no_success(reply: SmpReply, why: str, who: str) -> None:
    success = True in reply.outcomes
    check_id = "smp.secret-fingerprints-misplaced" if "fingerprint" in why else "smp.secret-hashed-otherwise"
    check(check_id, not success, expected="no success", got=reply, case=f"{who} {why}")


@scenario(needs=("smp",), requirements=("SMP-SECRET-7", "!SMP-SECRET-7"))
def initiator_is_the_sender_of_message_1(context: Context) -> None:
    """The fingerprint of the side that began SMP comes first in the secret, even if the other began the handshake."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            smp_session = SmpSession(*context.encrypted(target_begins=target_begins))
            target_asks = not target_begins
            for swapped in (False, True):
                run_to_end(
                    smp_session,
                    "smp.initiator-mistaken",
                    smp_session.liar(target_asks=target_asks != swapped),
                    target_asks=target_asks,
                    equal=not swapped,
                    case="the responder's fingerprint first" if swapped else "the initiator's fingerprint first",
                )


@scenario(needs=("smp",), requirements=("SMP-SECRET-8", "!SMP-SECRET-8", "SMP-SECRET-6", "!SMP-SECRET-6"))
def secrets_may_contain_any_bytes(context: Context) -> None:
    """A secret counts byte for byte as it was typed, even if it is long, is not ASCII, or has blanks or capitals."""
    long, foreign = b"otter " * 50, "Fischotter \u00fc\u00e4 \u6c34\u7378 \U0001f9a6".encode()
    compare_secrets(
        context,
        [
            (False, long, long),
            (True, long, long[:-1]),
            (True, foreign, foreign),
            (False, foreign, foreign[:-1] + b"\xa7"),
            (False, b" secret", b"secret"),
            (False, b"secret", b"Secret"),
        ],
    )


@scenario(needs=("smp",), requirements=("SMP-SECRET-8", "!SMP-SECRET-8"))
def empty_secret_is_valid(context: Context) -> None:
    """An empty secret equals an empty one, but not a word or a blank."""
    smp_session = SmpSession(*context.encrypted())
    for theirs, asks in ((b"", False), (b"secret", False), (b" ", True)):
        run_to_end(
            smp_session,
            "smp.secret-bytes-changed",
            smp_session.liar(theirs, target_asks=asks),
            b"",
            target_asks=asks,
            equal=not theirs,
            case=f"an empty secret, and one of {len(theirs)} bytes",
        )


@scenario(needs=("smp",), requirements=("SMP-SECRET-9", "!SMP-SECRET-9", "!SMP-SECRET-3", "!SMP-SECRET-5"))
def man_in_the_middle_cannot_relay_smp(context: Context) -> None:
    """When a man in the middle relays SMP messages between two users, no run succeeds, even with equal secrets."""
    for target_asks in (False, True):
        alone = SmpSession(*context.encrypted())
        run = alone.liar(b"another", target_asks=target_asks)
        reply = alone.asks(run) if target_asks else alone.asked(run)
        reply.tells(False, case="other words")
    first, second = (SmpSession(one, one.insider()) for one in context.target_twice())
    for smp_session in (first, second):
        smp_session.subject.establish(smp_session.insider)
    numbers = first.expect2()
    second.tell(MESSAGE_1, numbers).reply.one(SmpRequested)
    numbers = second.user("smp_answer", secret=SECRET).numbers(MESSAGE_2)
    numbers = first.tell(MESSAGE_2, numbers).numbers(MESSAGE_3)
    reply = second.tell(MESSAGE_3, numbers)
    reply.tells(False, check_id="smp.man-in-the-middle-not-detected", case="the user who was asked")
    if reply.types == [MESSAGE_4]:
        reply = first.tell(MESSAGE_4, reply.numbers(MESSAGE_4))
        reply.tells(False, check_id="smp.man-in-the-middle-not-detected", case="the user who began")
