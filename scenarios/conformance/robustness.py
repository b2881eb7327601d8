"""What the texts leave unsaid and the aims of the protocol ask for: no harm from any input, no loops, no growth.

[State transitions]
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import PEER, TARGET, Context, check
from otterproof.harness.testkit.pair import Pair
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_session import ABORT, MESSAGE_3, SmpSession
from otterproof.harness.wire import DH_GENERATOR, Kind, build
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import power
from otterproof.implementations.contract import Established

#: A number below this has a leading zero byte where numbers modulo the prime have 192 bytes.
SHORT = 1 << 1528

#: So many messages at most may answer one: an abort or a heartbeat beside what is asked for, and a new query.
MOST_REPLIES = 3


def junk(seed: bytes, message: bytes) -> Iterator[bytes]:
    """Inputs of all kinds that mean nothing: random bytes, marks with nonsense after them, and spoilt copies."""
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
def any_bytes_do_no_harm(context: Context) -> None:
    """Whatever bytes arrive, before, within and after a handshake, the target lives on, says little, and can talk."""
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    for one in junk(context.seed, insider.commit()):
        reply = target.receive(one)
        check(len(reply.raw) <= MOST_REPLIES, f"{one[:40]!r} is answered with little, and was with {len(reply.raw)}")
    target = context.target_session()
    insider = target.insider()
    commit = build(target.query().message(Kind.DH_COMMIT))
    for one in junk(context.seed, insider.dh_key()):
        if wire.parse(one).kind is not Kind.DH_KEY:  # which could be one, with a number of nobody's
            target.receive(one)
    reveal = build(target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
    signature = insider.signature(insider.decommit(commit, reveal))
    for one in junk(context.seed, signature):
        target.receive(one).assert_rejected("junk")
    target, insider = context.encrypted()
    for one in junk(context.seed, insider.data(b"spoilt", mac=bytes(20))):
        reply = target.receive(one)
        reply.assert_rejected("junk")
        check(len(reply.raw) <= MOST_REPLIES, f"{one[:40]!r} is answered with little, and was with {len(reply.raw)}")
    target.assert_session_alive(insider)


@scenario(requirements=("ROBUST-INPUT-2", "!ROBUST-INPUT-2"))
def forged_messages_change_nothing(context: Context) -> None:
    """A Data Message with anything in it but a right MAC ends nothing, uses up no counter and changes no key."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    newest = (insider.our_keyid, insider.their_keyid)
    forged = [
        insider.data(tlvs=[tlv(1)], mac=bytes(20), ctr=50),
        insider.data(b"with a high counter", mac=bytes(20), ctr=(1 << 64) - 1),
        insider.data(b"with another key", mac=bytes(20), ctr=50, next_dh=power(2, 12345)),
        insider.data(b"under the next key", under=newest, mac=bytes(20), ctr=50, next_dh=power(2, 54321)),
        insider.data(tlvs=[tlv(6)], mac=bytes(20), ctr=50),
    ]
    for message in forged:
        target.receive(message).assert_rejected("a forged message")
        genuine = wire.parse(insider.data(b"genuine"))
        for name in ("flags", "sender_keyid", "recipient_keyid", "next_dh", "ctr", "encrypted_message"):
            value = genuine.value(name)
            lie = value ^ 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
            target.receive(build(genuine.with_value(name, lie))).assert_rejected(f"a message with {name} changed")
        target.receive(build(genuine)).assert_shown(b"genuine")
    target.assert_session_alive(insider)


@scenario(needs=("smp",), requirements=("!ROBUST-INPUT-2",))
def forged_messages_do_not_end_smp(context: Context) -> None:
    """A forged abort in a run of SMP is nothing: the run ends as it would have."""
    smp_session = SmpSession(*context.encrypted())
    run = smp_session.liar()
    numbers = smp_session.expect3(run)
    forged = smp_session.insider.data(tlvs=[tlv(ABORT)], mac=bytes(20), ctr=50)
    smp_session.subject.receive(forged).assert_rejected("a forged abort")
    smp_session.tell(MESSAGE_3, run.message_3(numbers)).tells(True)


@scenario(requirements=("ROBUST-INPUT-3", "!ROBUST-INPUT-3"))
def after_forgeries_a_query_helps(context: Context) -> None:
    """Handshake messages of somebody without keys leave nothing that one new query would not mend."""
    target, insider = context.encrypted()
    stranger = target.insider("bob", tag=insider.tag, seed=b"stranger")
    for forged in (
        stranger.commit(),
        stranger.dh_key(),
        insider.commit(hashed=bytes(32)),
        wire.armour(wire.parse(stranger.commit()).body[:-1]),
    ):
        target.receive(forged).assert_rejected("a forged message")
    again = target.insider(seed=b"again")
    target.handshake_by_target(again).one(Established)
    target.assert_session_alive(again)


@scenario(requirements=("ROBUST-LOOP-1",))
def two_clients_leave_each_other_in_peace(context: Context) -> None:
    """Whatever is slipped between two clients, the network falls silent again, and texts arrive."""
    pair = context.pair()
    pair.establish(TARGET)
    unreadable = wire.parse(pair.replies(0, PEER).raw[-1])
    for one in (
        b"?OTR Error: no",
        b"?OTRv4?",
        b"hello",
        b"?OTR:AAMD.",
        b"?OTRv%d?" % context.version,
        build(unreadable.with_body(unreadable.body[:-2])),
    ):
        for name in (TARGET, PEER):
            pair.deliver(name, one)
        pair.world.settle(60)
    pair.establish(PEER)
    pair.say(TARGET, b"in peace")
    pair.say(PEER, b"in peace")


@scenario(requirements=("ROBUST-LOOP-2", "!ROBUST-LOOP-2"))
def one_mishap_in_a_handshake_can_be_mended(context: Context) -> None:
    """A message of a handshake that is lost or comes twice leads to no state that a new query does not lead out of."""
    for spoil in (_lose, _repeat):
        for number in range(4):
            pair = context.pair()
            pair.do(TARGET, "start", {})
            for _ in range(number):
                _deliver(pair)
            spoil(pair)
            pair.world.settle(60)
            pair.act_and_settle(PEER if number % 2 else TARGET, "start")
            pair.say(TARGET, b"all is well")
            pair.say(PEER, b"all is well")


def _waiting(pair: Pair) -> str | None:
    """Somebody for whom a message waits."""
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
def long_sessions_do_not_grow(context: Context) -> None:
    """Messages are no longer after many changes of keys than after a few, nor after many texts that were received."""
    target, insider = context.encrypted()
    lengths = [len(build(target.exchange_texts(insider))) for _ in range(24)]
    early, late = max(lengths[4:12]), max(lengths[12:])
    check(late <= early + 8, f"messages do not grow, and the longest had {early} bytes at first and {late} later")
    for number in range(30):
        target.assert_receives_text(insider, b"number %d" % number)
    message = target.assert_sends_text(insider, b"from the target")
    check(len(build(message)) <= late + 200, f"many texts received do not make a message long: {len(build(message))}")
    if "lockstep" in context.target.capabilities:
        secrets = [len(_secrets(context, turns)) for turns in (6, 12)]
        check(secrets[0] == secrets[1], f"no more is kept after twelve changes of keys than after six: {secrets}")


def _secrets(context: Context, turns: int) -> dict[str, bytes]:
    """What an engine of this project keeps after so many changes of keys."""
    target, insider = context.encrypted()
    for _ in range(turns):
        target.exchange_texts(insider)
    return dict(getattr(target.world.parties[TARGET], "secrets")())  # noqa: B009 (a party need not have it)


@scenario(requirements=("ROBUST-AGREE-1", "!ROBUST-AGREE-1"))
def numbers_with_leading_zeros_make_no_difference(context: Context) -> None:
    """Public keys and shared secrets that are a byte shorter than others, one in 256, serve like any other."""
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    first = target.receive(insider.commit()).message(Kind.DH_KEY)
    gy = first.number("gy")
    insider.x = insider.exponent(gy, lambda _, secret: secret < SHORT)
    dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
    target.receive(insider.reveal_signature(build(dh_key))).one(Established)
    target.assert_session_alive(insider)
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
        target = context.target_session()
        target.establish(target.insider(seed=b"by chance %d" % number), target_begins=bool(number % 2))
