"""The counters of data messages, sent and received. [Data Message, Key Management]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Message
from otterproof.implementations.contract import Established

#: Where numbers of 31, 32, 52 to 54, 63 or 64 bits, signed or not, or in floating point, come to their limits.
LIMITS = (
    1,
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
def counters_of_what_is_sent(context: Context) -> None:
    """Messages in a row go under one pair of keys with counters that rise, never 0; each new pair starts with what it
    likes but 0.
    """
    target, insider = context.encrypted()
    for turn in range(1, 5):
        run = [target.assert_sends_text(insider, b"turn %d, number %d" % (turn, number)) for number in range(3)]
        pairs = [(message.number("sender_keyid"), message.number("recipient_keyid")) for message in run]
        check(len(set(pairs)) == 1, f"a run of messages goes under one pair of keys, not {pairs}")
        counters = [_counter(message) for message in run]
        check(all(counters), f"no counter is 0: {counters}")
        check(counters == sorted(set(counters)), f"counters rise: {counters}")
        target.assert_receives_text(insider, b"the next turn")


@scenario(requirements=("DATA-CTR-1", "DATA-CTR-3"))
def counters_rise_beyond_a_byte(context: Context) -> None:
    """In a run of some three hundred messages under one pair of keys each counter is above the last, as a big-endian
    number.
    """
    target, _ = context.encrypted()
    last = 0
    for _ in range(300):
        message = target.user("send", text=b"again").sent[-1]
        check(_counter(message) > last, f"counter {_counter(message):#x} is above the last one, {last:#x}")
        last = _counter(message)


@scenario(
    requirements=("!DATA-CTR-1", "KEYMGMT-RECV-6", "!KEYMGMT-RECV-6", "!DATA-RECV-13", "DATA-RECV-13", "!DATA-RECV-1")
)
def counters_must_rise(context: Context) -> None:
    """A message is read once and in order: with the last counter of its keys or a lower one it is refused, even if it
    was lost before; counters may be left out.
    """
    target, insider = context.encrypted()
    for base in (1, 1000):
        late, first, second, third = (insider.data(b"text", ctr=base + number) for number in range(4))
        target.receive(first).assert_shown(b"text")
        target.receive(first).assert_rejected("a message that comes again at once")
        target.receive(third).assert_shown(b"text")
        for what, message in (("again", first), ("late", second), ("again", third), ("very late", late)):
            target.receive(message).assert_rejected(f"a message that comes {what}")
        other = insider.data(b"another text", ctr=base + 3)
        target.receive(other).assert_rejected("another message with the last counter")
    target.assert_receives_text(insider, b"the next one", ctr=1004)


@scenario(requirements=("DATA-CTR-4", "!DATA-CTR-4"))
def counters_have_64_bits(context: Context) -> None:
    """Counters are compared as unsigned numbers of 64 bits, with the highest byte first."""
    target, insider = context.encrypted()
    for before, counter in zip((0, *LIMITS), LIMITS, strict=False):
        target.assert_receives_text(insider, b"counter %#x" % counter, ctr=counter)
        for lower in (before, counter):
            message = insider.data(b"not above the last", ctr=lower)
            target.receive(message).assert_rejected(f"counter {lower:#x} after {counter:#x}")
    for lower in LIMITS:
        message = insider.data(b"below the last", ctr=lower)
        target.receive(message).assert_rejected(f"counter {lower:#x} after all the others")
    for rising in (0x0100, 0x01FF, 0x0200, 0x01000001, 0x02000000):
        target.assert_sends_text(insider, b"an answer, for new keys")
        target.assert_receives_text(insider, b"below", ctr=rising - 1)
        target.assert_receives_text(insider, b"at", ctr=rising)
        target.receive(insider.data(b"one step back", ctr=rising - 1)).assert_rejected("a counter that is one lower")


@scenario(requirements=("DATA-CTR-2", "!DATA-CTR-2"))
def counter_0(context: Context) -> None:
    """A counter of 0 is refused after any other; as the first one it is refused with all keys or with none, and read
    once.
    """
    target, insider = context.encrypted()
    taken = set()
    for _ in range(3):
        zero = insider.data(b"counter 0", ctr=0)
        reply = target.receive(zero)
        taken.add(bool(reply.secure))
        if not reply.secure:
            reply.assert_rejected("a first message with counter 0")
        target.receive(zero).assert_rejected("a message with counter 0 that comes again")
        target.assert_receives_text(insider, b"counter 1", ctr=1)
        target.receive(insider.data(b"0 after 1", ctr=0)).assert_rejected("counter 0 after counter 1")
        message = target.assert_sends_text(insider, b"an answer, for new keys")
        check(_counter(message) != 0, "the counter of the target's message is not 0")
    check(len(taken) == 1, "a first counter of 0 is always refused or always taken")


@scenario(requirements=("KEYMGMT-RECV-9", "!KEYMGMT-RECV-9", "!DATA-RECV-10"))
def forgeries_move_no_counter(context: Context) -> None:
    """A message that does not verify leaves the last counter as it is, whatever counter it bears."""
    target, insider = context.encrypted()
    for _ in range(2):
        for counter in (1, 2, 1000, (1 << 64) - 1):
            forged = insider.data(b"forged", ctr=counter, mac=bytes(range(20)))
            target.receive(forged).assert_rejected("a message with a wrong MAC")
        target.assert_receives_text(insider, b"genuine")
        target.receive(insider.data(b"again", ctr=1)).assert_rejected("a counter that was seen")
        target.assert_sends_text(insider, b"an answer")


@scenario(requirements=("KEYMGMT-RECV-10", "!KEYMGMT-RECV-10"))
def counters_begin_anew_with_new_keys(context: Context) -> None:
    """Each pair of keys has a last counter of its own: a high one of one pair does not count for another, also when
    both are live.
    """
    target, insider = context.encrypted()
    for turn in range(1, 4):
        target.assert_receives_text(insider, b"high", ctr=(1 << 40) + turn)
        target.assert_sends_text(insider, b"an answer, for new keys")
        previous = (insider.our_keyid - 2, insider.their_keyid - 1)
        target.assert_receives_text(insider, b"low, under the new pair", ctr=1)
        late = insider.data(b"old counter under the old pair", under=previous, ctr=2)
        target.receive(late).assert_rejected("a low counter under the pair that had a high one")


def _nonces(target: TargetSession, insider: Insider, count: int) -> set[tuple[int, int, int]]:
    """(target's public key, ours, counter) of some messages of the target's."""
    seen = set()
    for number in range(count):
        message = target.assert_sends_text(insider, b"number %d" % number)
        ours, theirs = message.number("recipient_keyid"), message.number("sender_keyid")
        seen.add((insider.theirs[theirs], insider.exponents[ours], _counter(message)))
    check(len(seen) == count, "no counter is used twice under one pair of keys")
    return seen


@scenario(requirements=("DATA-CTR-3", "!DATA-CTR-3", "DATA-RECV-10"))
def no_counter_is_used_twice(context: Context) -> None:
    """Forged, replayed and unreadable messages do not bring back a counter that was used for sending."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    seen = _nonces(target, insider, 2)
    genuine = insider.data(b"genuine", under=(1, 1))
    for disturbance in (
        insider.data(b"forged", mac=bytes(20)),
        insider.data(b"forged, under the target's sending keys", under=(2, 1), mac=bytes(20)),
        insider.data(b"unknown keys", sender_keyid=50),
        genuine,
        genuine,
        b"?OTR Error: somebody says",
    ):
        target.receive(disturbance)
        more = _nonces(target, insider, 2)
        check(not more & seen, "after a message that means nothing counters go on")
        seen |= more


@scenario(requirements=("!DATA-CTR-3",))
def no_counter_comes_back_with_a_handshake(context: Context) -> None:
    """A new handshake in which the correspondent shows the same D-H key again leads to no counter used before under
    the same keys.
    """
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    kept = dict(insider.exponents)
    seen = _nonces(target, insider, 2)
    for _ in range(2):
        target.handshake_by_insider(insider).one(Established)
        insider.exponents.update({keyid: kept[keyid] for keyid in insider.exponents if keyid in kept})
        more = _nonces(target, insider, 2)
        check(not more & seen, "after a new handshake no counter comes again under the same keys")
        seen |= more
