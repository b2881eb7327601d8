"""The counters of Data Messages, sent and received. [Data Message, Key Management]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.implementations.contract import SessionEstablished

#: The limits of integers of 8, 16, 24, 31, 32, 52 to 54, 63 or 64 bits, signed or unsigned, and of floating point.
LIMITS = (
    1,
    0xFF,
    0x100,
    0xFFFF,
    0x10000,
    0xFFFFFF,
    0x1000000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    0x1_00000000,
    0x1_00000001,
    (1 << 53) - 1,
    1 << 53,
    (1 << 53) + 1,
    (1 << 63) - 1,
    1 << 63,
    (1 << 63) + 1,
    (1 << 64) - 2,
    (1 << 64) - 1,
)


def _counter(message: Message) -> int:
    return int.from_bytes(message.data("ctr"))


@scenario(requirements=("DATA-CTR-1", "DATA-CTR-2", "DATA-CTR-3", "KEYMGMT-SEND-4", "!KEYMGMT-SEND-4"))
def counters_of_sent_messages(context: Context) -> None:
    """Messages in a row use one pair of keys, and counters that rise and are never 0.

    The first counter under a new pair may be any number but 0.
    """
    target, insider = context.encrypted()
    for turn in range(1, 5):
        run = [target.assert_sends_text(insider, b"turn %d, number %d" % (turn, number)) for number in range(3)]
        pairs = [(message.number("sender_keyid"), message.number("recipient_keyid")) for message in run]
        check("keys.pair-changed-in-a-run", len(set(pairs)) == 1, expected="one pair of key ids", got=pairs)
        counters = [_counter(message) for message in run]
        rising = sorted(set(counters))
        check("data.counter-not-higher", counters == rising, expected="rising counters", got=counters)
        target.assert_receives_text(insider, b"the next turn")


@scenario(requirements=("DATA-CTR-1", "DATA-CTR-3"))
def counters_exceed_one_byte(context: Context) -> None:
    """In a run of 300 messages under one pair of keys, each counter is above the last as a big-endian number.

    A nightly run has 65,800 messages, for which counters need a third byte.
    """
    target, _ = context.encrypted()
    last = 0
    for _ in range(65_800 if context.thorough else 300):
        counter = _counter(target.user("send", text=b"again").message(Kind.DATA))
        check("data.counter-not-higher", counter > last, expected=f"above {last}", got=counter)
        last = counter


@scenario(
    requirements=("!DATA-CTR-1", "KEYMGMT-RECV-6", "!KEYMGMT-RECV-6", "!DATA-RECV-13", "DATA-RECV-13", "!DATA-RECV-1")
)
def counters_must_rise(context: Context) -> None:
    """A message is read once and in order: it is refused if its counter is not above the last under its keys.

    This also holds for a message that arrives late. Counters may be skipped.
    """
    target, insider = context.encrypted()
    target.assert_receives_text(insider, b"the first one")
    for base in (2, 1000):
        late, first, second, third = (insider.data(b"text", ctr=base + number) for number in range(4))
        target.receive(first).assert_shown("data.counter-gap-refused", b"text")
        target.receive(first).assert_rejected("data.counter-replayed", "a message that comes again at once")
        target.receive(third).assert_shown("data.counter-gap-refused", b"text")
        for what, message in (("again", first), ("late", second), ("again", third), ("very late", late)):
            target.receive(message).assert_rejected("data.counter-replayed", f"a message that comes {what}")
        other = insider.data(b"another text", ctr=base + 3)
        target.receive(other).assert_rejected("data.counter-replayed", "another message with the last counter")
    target.assert_receives_text(insider, b"the next one", check_id="data.counter-gap-refused", ctr=1004)


@scenario(requirements=("DATA-CTR-4", "!DATA-CTR-4"))
def counters_have_64_bits(context: Context) -> None:
    """Counters are compared as unsigned 64-bit numbers, most significant byte first."""
    target, insider = context.encrypted()
    for before, counter in zip((0, *LIMITS), LIMITS, strict=False):
        target.assert_receives_text(insider, b"counter %#x" % counter, check_id="data.counter-misread", ctr=counter)
        for lower in (before, counter):
            message = insider.data(b"not above the last", ctr=lower)
            target.receive(message).assert_rejected("data.counter-misread", f"counter {lower:#x} after {counter:#x}")
    for lower in LIMITS:
        message = insider.data(b"below the last", ctr=lower)
        target.receive(message).assert_rejected("data.counter-misread", f"counter {lower:#x} after {LIMITS[-1]:#x}")
    for rising in (0x0100, 0x01FF, 0x0200, 0x01000001, 0x02000000):
        target.assert_sends_text(insider, b"an answer, for new keys")
        for counter, text in ((rising - 1, b"below"), (rising, b"at")):
            target.assert_receives_text(insider, text, check_id="data.counter-misread", ctr=counter)
        back = insider.data(b"one step back", ctr=rising - 1)
        target.receive(back).assert_rejected("data.counter-misread", f"counter {rising - 1:#x} after {rising:#x}")


@scenario(requirements=("DATA-CTR-2", "!DATA-CTR-2"))
def counter_0(context: Context) -> None:
    """A counter of 0 is refused after any other.

    As the first counter under a pair of keys, 0 is either always refused or always accepted, but then only once.
    """
    target, insider = context.encrypted()
    taken = set()
    for _ in range(3):
        zero = insider.data(b"counter 0", ctr=0)
        reply = target.receive(zero)
        taken.add(bool(reply.secure))
        if not reply.secure:
            reply.assert_rejected("data.counter-0-inconsistent", "a first message with counter 0 that is not shown")
        target.receive(zero).assert_rejected("data.counter-replayed", "a message with counter 0 that comes again")
        target.assert_receives_text(insider, b"counter 1", ctr=1)
        after = insider.data(b"0 after 1", ctr=0)
        target.receive(after).assert_rejected("data.counter-replayed", "counter 0 after counter 1")
        target.assert_sends_text(insider, b"an answer, for new keys")
    check("data.counter-0-inconsistent", len(taken) == 1, got="refused under some keys, accepted under others")


@scenario(requirements=("KEYMGMT-RECV-9", "!KEYMGMT-RECV-9", "!DATA-RECV-10"))
def forgeries_do_not_advance_the_counter(context: Context) -> None:
    """A message that does not verify leaves the last counter as it is, whatever its own counter."""
    target, insider = context.encrypted()
    for _ in range(2):
        for counter in (1, 2, 1000, (1 << 64) - 1):
            forged = insider.data(b"forged", ctr=counter, mac=bytes(range(20)))
            target.receive(forged).assert_rejected("data.mac-not-verified", f"a wrong MAC and counter {counter:#x}")
        target.assert_receives_text(insider, b"genuine", check_id="data.counter-moved-by-forgery")
        seen = insider.data(b"again", ctr=1)
        target.receive(seen).assert_rejected("data.counter-replayed", "a counter that was seen before")
        target.assert_sends_text(insider, b"an answer")


@scenario(requirements=("KEYMGMT-RECV-10", "!KEYMGMT-RECV-10"))
def each_key_pair_has_its_own_counter(context: Context) -> None:
    """Each pair of keys has its own last counter: a high one under one pair does not affect another live pair."""
    target, insider = context.encrypted()
    for turn in range(1, 4):
        target.assert_receives_text(insider, b"high", ctr=(1 << 40) + turn)
        target.assert_sends_text(insider, b"an answer, for new keys")
        previous = (insider.our_keyid - 2, insider.their_keyid - 1)
        target.assert_receives_text(insider, b"low, under the new pair", check_id="data.counter-shared-by-pairs", ctr=1)
        late = insider.data(b"old counter under the old pair", under=previous, ctr=2)
        target.receive(late).assert_rejected(
            "data.counter-shared-by-pairs", "a low counter under the pair that had a high one"
        )


#: The target's public key, the insider's exponent, and the counter of a message.
_Nonce = tuple[int, int, int]


def _nonces(target: TargetSession, insider: Insider, count: int, used: set[_Nonce], case: str) -> None:
    """Demand that the target's next messages reuse no counter under the same keys; add them to `used`."""
    for number in range(count):
        message = target.assert_sends_text(insider, b"number %d" % number)
        ours, theirs = message.number("recipient_keyid"), message.number("sender_keyid")
        nonce = (insider.theirs[theirs], insider.exponents[ours], _counter(message))
        got = f"counter {nonce[2]} under key ids {theirs} and {ours} again"
        check("data.counter-reused", nonce not in used, got=got, case=case)
        used.add(nonce)


@scenario(requirements=("DATA-CTR-3", "!DATA-CTR-3", "DATA-RECV-10"))
def no_counter_is_used_twice(context: Context) -> None:
    """Forged, replayed and unreadable messages do not make the target reuse a counter."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    used: set[_Nonce] = set()
    _nonces(target, insider, 2, used, "before any disturbance")
    genuine = insider.data(b"genuine", under=(1, 1))
    for what, disturbance in (
        ("a forged message", insider.data(b"forged", mac=bytes(20))),
        (
            "a forged message under the target's sending keys",
            insider.data(b"forged, under the target's sending keys", under=(2, 1), mac=bytes(20)),
        ),
        ("a message under unknown keys", insider.data(b"unknown keys", sender_keyid=50)),
        ("a late message", genuine),
        ("a message that comes again", genuine),
        ("an OTR Error Message", b"?OTR Error: somebody says"),
    ):
        target.receive(disturbance)
        _nonces(target, insider, 2, used, f"after {what}")


@scenario(requirements=("!DATA-CTR-3",))
def counters_are_not_reused_after_a_handshake(context: Context) -> None:
    """After a new handshake in which the peer repeats its D-H key, no counter is reused under the same keys."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    kept = dict(insider.exponents)
    used: set[_Nonce] = set()
    _nonces(target, insider, 2, used, "in the first session")
    for _ in range(2):
        target.handshake_by_insider(insider).one(SessionEstablished)
        insider.exponents.update({keyid: kept[keyid] for keyid in insider.exponents if keyid in kept})
        _nonces(target, insider, 2, used, "after a new handshake with the same D-H key")
