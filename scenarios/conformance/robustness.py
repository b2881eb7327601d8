"""What the aims of the protocol require beyond its letter: no harm from any input, no loops, no growth.

[State transitions]
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import PEER, TARGET, Context, check
from otterproof.harness.testkit.pair import Pair
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_session import ABORT, MESSAGE_3, SmpSession
from otterproof.harness.wire import DH_GENERATOR, Kind, build
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import power
from otterproof.implementations.contract import SessionEstablished

#: Numbers modulo the prime that are below this have a leading zero byte.
SHORT = 1 << 1528

#: The most messages that may answer one: the answer itself, an abort or a heartbeat, and a new query.
MOST_REPLIES = 3


def junk(seed: bytes, message: bytes) -> Iterator[bytes]:
    """Meaningless inputs of all kinds: random bytes, marks followed by nonsense, and damaged copies of a message."""
    choose = random.Random(seed)
    yield from (b"", b"\0", b"?", b"?OTR", b"?OTR:", b"?OTR:.", b"?OTR|", b"?OTR,", b"?OTR,,,,", b"?OTR|||,,,,")
    yield from (b"?OTR:" * 500, b"?OTR|" * 500, b"?OTR" * 500, b"?OTRv" + b"4" * 3000 + b"?", b" \t" * 4000)
    for size in (1, 3, 16, 300, 5000):
        noise = choose.randbytes(size)
        yield noise
        yield b"?OTR:" + b64encode(noise) + b"."
        yield b"?OTR:" + b64encode(wire.parse(message).body[:11] + noise) + b"."
        tags = choose.randrange(1 << 32), choose.randrange(1 << 32)
        yield b"?OTR|%x|%x,%d,7,%s," % (*tags, size, noise)
    body = wire.parse(message).body
    for _ in range(12):
        at = choose.randrange(11, len(body))
        yield wire.armour(body[:at] + choose.randbytes(2) + body[at + 2 :])
        yield wire.armour(body[:at] + body[at + choose.randrange(1, 9) :])


@scenario(requirements=("ROBUST-INPUT-1", "!ROBUST-INPUT-1", "!ROBUST-LOOP-1"))
def arbitrary_bytes_do_no_harm(context: Context) -> None:
    """Whatever bytes arrive before, during or after a handshake, the target keeps working and sends few answers."""
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    for one in junk(context.seed, insider.commit()):
        _assert_few_answers(target.receive(one), one)
    target = context.target_session()
    insider = target.insider()
    commit = build(target.query().message(Kind.DH_COMMIT))
    for one in junk(context.seed, insider.dh_key()):
        if wire.parse(one).kind is not Kind.DH_KEY:  # which may be valid, with a number whose exponent nobody has
            target.receive(one)
    reveal = build(target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
    signature = insider.signature(insider.decommit(commit, reveal))
    for one in junk(context.seed, signature):
        target.receive(one).assert_rejected("robustness.junk-accepted", one)
    target, insider = context.encrypted()
    for one in junk(context.seed, insider.data(b"spoilt", mac=bytes(20))):
        reply = target.receive(one)
        reply.assert_rejected("robustness.junk-accepted", one)
        _assert_few_answers(reply, one)
    target.assert_session_alive(insider, "robustness.junk-breaks-session")


def _assert_few_answers(reply: Reply, message: bytes) -> None:
    """Demand that a message is answered with no more messages than any message can need."""
    few, wanted = len(reply.raw) <= MOST_REPLIES, f"at most {MOST_REPLIES} messages"
    check("robustness.too-many-answers", few, expected=wanted, got=reply, case=message)


@scenario(requirements=("ROBUST-INPUT-2", "!ROBUST-INPUT-2"))
def forged_messages_change_nothing(context: Context) -> None:
    """A Data Message with a wrong MAC ends nothing, uses up no counter and changes no key, whatever it contains."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    newest = (insider.our_keyid, insider.their_keyid)
    forged = {
        "the end of the session": insider.data(tlvs=[tlv(1)], mac=bytes(20), ctr=50),
        "a high counter": insider.data(b"with a high counter", mac=bytes(20), ctr=(1 << 64) - 1),
        "another next key": insider.data(b"with another key", mac=bytes(20), ctr=50, next_dh=power(2, 12345)),
        "the key ids of the next keys": insider.data(
            b"under the next key", under=newest, mac=bytes(20), ctr=50, next_dh=power(2, 54321)
        ),
        "an SMP abort": insider.data(tlvs=[tlv(6)], mac=bytes(20), ctr=50),
    }
    for what, message in forged.items():
        target.receive(message).assert_rejected("data.mac-not-verified", f"a forged message with {what}")
        genuine = wire.parse(insider.data(b"genuine"))
        for name in ("flags", "sender_keyid", "recipient_keyid", "next_dh", "ctr", "encrypted_message"):
            value = genuine.value(name)
            lie = value ^ 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
            changed = target.receive(build(genuine.with_value(name, lie)))
            changed.assert_rejected("data.mac-covers-too-little", f"a message whose {name} was changed")
        reply = target.receive(build(genuine))
        reply.assert_shown("robustness.forgery-changes-session", b"genuine", case=f"after a forgery with {what}")
    target.assert_session_alive(insider, "robustness.forgery-changes-session")


@scenario(needs=("smp",), requirements=("!ROBUST-INPUT-2",))
def forged_messages_do_not_end_smp(context: Context) -> None:
    """A forged abort during an SMP run has no effect: the run succeeds."""
    smp_session = SmpSession(*context.encrypted())
    run = smp_session.liar()
    numbers = smp_session.expect3(run)
    forged = smp_session.insider.data(tlvs=[tlv(ABORT)], mac=bytes(20), ctr=50)
    smp_session.subject.receive(forged).assert_rejected("data.mac-not-verified", "a forged SMP abort")
    smp_session.tell(MESSAGE_3, run.message_3(numbers)).tells(True)


@scenario(requirements=("ROBUST-INPUT-3", "!ROBUST-INPUT-3"))
def query_recovers_from_forgeries(context: Context) -> None:
    """After forged handshake messages, one new query leads to a working session."""
    target, insider = context.encrypted()
    stranger = target.insider("bob", tag=insider.tag, seed=b"stranger")
    for what, forged in (
        ("a D-H Commit Message", stranger.commit()),
        ("a D-H Key Message", stranger.dh_key()),
        ("a D-H Commit Message with a wrong hash", insider.commit(hashed=bytes(32))),
        ("a D-H Commit Message cut short", wire.armour(wire.parse(stranger.commit()).body[:-1])),
    ):
        target.receive(forged).assert_rejected("robustness.forged-handshake-accepted", what)
    again = target.insider(seed=b"again")
    target.handshake_by_target(again).one(SessionEstablished, "robustness.query-does-not-help")
    target.assert_session_alive(again, "robustness.query-does-not-help")


@scenario(requirements=("ROBUST-LOOP-1",))
def injected_messages_cause_no_loop(context: Context) -> None:
    """Whatever an attacker inserts between two clients, they stop sending messages eventually, and texts arrive."""
    pair = context.pair()
    pair.establish(TARGET)
    unreadable = wire.parse(pair.replies(0, PEER).raw[-1])
    for one in (
        b"?OTR Error: no",
        b"?OTRv4?",
        b"hello",
        b"?OTR:AAMD.",
        *[b"?OTRv%d?" % context.version] * 6,  # chance decides which of two commits that cross wins
        build(unreadable.with_body(unreadable.body[:-2])),
    ):
        for name in (TARGET, PEER):
            pair.deliver(name, one)
        pair.world.settle(60)
    pair.establish(PEER)
    pair.say(TARGET, b"in peace")
    pair.say(PEER, b"in peace")


@scenario(requirements=("ROBUST-LOOP-2", "!ROBUST-LOOP-2"))
def query_recovers_from_a_lost_handshake_message(context: Context) -> None:
    """After a handshake message is lost or arrives twice, a new query leads to a working session."""
    for spoil in (_lose, _repeat):
        with context.case():
            for number in range(4):
                pair = context.pair()
                pair.do(TARGET, "start", {})
                for _ in range(number):
                    _deliver(pair)
                spoil(pair)
                pair.world.settle(60)
                pair.act_and_settle(PEER if number % 2 else TARGET, "start")
                pair.say(TARGET, b"all is well", check_id="robustness.query-does-not-help")
                pair.say(PEER, b"all is well", check_id="robustness.query-does-not-help")


def _waiting(pair: Pair) -> str | None:
    """The name of a party for which a message is waiting."""
    return next((name for name in pair.names if pair.world.network.queues[name]), None)


def _deliver(pair: Pair) -> None:
    if name := _waiting(pair):
        pair.deliver_next(name)


def _lose(pair: Pair) -> None:
    if name := _waiting(pair):
        pair.pop(name)


def _repeat(pair: Pair) -> None:
    if name := _waiting(pair):
        message = pair.pop(name)
        pair.deliver(name, message)
        pair.deliver(name, message)


@scenario(requirements=("ROBUST-GROW-1", "!ROBUST-GROW-1"))
def messages_do_not_grow_in_long_sessions(context: Context) -> None:
    """Messages do not grow after many key changes, or after many texts received."""
    target, insider = context.encrypted()
    lengths = [len(build(target.exchange_texts(insider))) for _ in range(24)]
    early, late = max(lengths[4:12]), max(lengths[12:])
    wanted = f"at most {early + 8} bytes"
    check("robustness.messages-grow", late <= early + 8, expected=wanted, got=late, case="after 24 changes of keys")
    for number in range(30):
        target.assert_receives_text(insider, b"number %d" % number)
    size = len(build(target.assert_sends_text(insider, b"from the target")))
    wanted = f"at most {late + 200} bytes"
    check("robustness.messages-grow", size <= late + 200, expected=wanted, got=size, case="after 30 texts received")
    if "lockstep" in context.target.capabilities:
        few, many = (len(_secrets(context, turns)) for turns in (6, 12))
        check(
            "robustness.memory-grows", few == many, expected=f"{few} secrets", got=many, case="after 12 changes of keys"
        )


def _secrets(context: Context, turns: int) -> dict[str, bytes]:
    """The secrets that an engine of this project keeps after so many key changes."""
    target, insider = context.encrypted()
    for _ in range(turns):
        target.exchange_texts(insider)
    return dict(getattr(target.world.parties[TARGET], "secrets")())  # noqa: B009 (a party need not have it)


@scenario(requirements=("ROBUST-AGREE-1", "!ROBUST-AGREE-1"))
def numbers_with_leading_zeros_make_no_difference(context: Context) -> None:
    """Public keys and shared secrets that are a byte shorter than most, as one in 256 is, work like any other."""
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    first = target.receive(insider.commit()).message(Kind.DH_KEY)
    gy = first.number("gy")
    insider.x = insider.exponent(gy, lambda _, secret: secret < SHORT)
    dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
    short = "robustness.short-number-fails"
    target.receive(insider.reveal_signature(build(dh_key))).one(SessionEstablished, short, case="a short shared secret")
    target.assert_session_alive(insider, short)
    target = context.target_session()
    insider = target.insider()
    insider.x = insider.exponent(DH_GENERATOR, lambda public, _: public < SHORT)
    target.establish(insider, target_begins=True)
    for wanted in (lambda _, secret: secret < SHORT, lambda public, _: public < SHORT):
        newest = insider.theirs[insider.their_keyid]
        insider.exponents[insider.our_keyid] = insider.exponent(newest, wanted)
        target.exchange_texts(insider)
        target.exchange_texts(insider)
    for number in range(4):
        with context.case(f"number {number}"):
            target = context.target_session()
            target.establish(target.insider(seed=b"by chance %d" % number), target_begins=bool(number % 2))
