"""Honest parties on a network that loses, repeats, reorders and forges messages: handshakes, data messages, ends,
stored texts, SMP, the extra key.
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW
from otterproof.harness.wire.mutate import flip_bit, truncate
from otterproof.implementations.contract import Policy
from otterproof.scenarios.differential.claims import LOSSES
from otterproof.scenarios.differential.comparison import BOTH, ComparedConversation, Comparison, differential

#: Exponents of 302 and 142 bits: one gives a power of 2 with fewer than 1529 bits, the other is a DSA nonce of alice's
#: that gives a short r.
_SHORT_POWER = (3 << 300) + 0x506
_SHORT_R = (3 << 140) + 0x1FA


@differential("MACREVEAL-END-1")
def handshakes(comparison: Comparison) -> None:
    """The target agrees with the reference engine in repeated handshakes, with texts and ends in between."""
    for first in ("target", "peer"):
        conversation = comparison.conversation()
        for asks in (first, "peer", "target", first):
            conversation.start(asks)
            conversation.exchange_texts(2)
        conversation.act_and_settle("target", "end")
        conversation.act_and_settle("peer", "end")
        conversation.start(first)
        conversation.exchange_texts(1)
    conversation = comparison.conversation()
    conversation.start()
    conversation.start("target")


@differential(
    "AKE-FRESH-1",
    "AKE-HIDE-1",
    "AKE-VERIFY-2",
    "AKE-VERIFY-4",
    "ARMOUR-PARSE-6",
    "COMMIT-LIVE-1",
    "COMMIT-REVEALSIG-1",
    "COMMIT-SIG-1",
    "DERIVE-AKE-8",
    "DHKEY-NONE-1",
    "DHKEY-SIG-2",
    "REVEAL-IGNORED-1",
    "SIG-DHKEY-1",
)
def handshake_messages_in_every_state(comparison: Comparison) -> None:
    """The target agrees with the reference engine on repeated, altered and old handshake messages in every state."""
    conversation = comparison.conversation()
    seen: list[bytes] = []
    for asks in ("peer", "target", "peer"):
        conversation.deliver("peer" if asks == "target" else "target", b"?OTRv%d?" % comparison.version)
        for party, message in conversation.network.deliveries(to=("peer", "target")):
            seen.append(message)
            if party == "peer":
                conversation.deliver("peer", message)
                continue
            size = 8 * len(wire.parse(message).body)
            wrong = [flip_bit(message, bit) for bit in (size - 1, size - 165, size - 400, size // 2, 7)]
            wrong += [truncate(message, size // 8 - 1), truncate(message, 30), truncate(message, 9)]
            moment = conversation.target.snapshot()
            for other in [*dict.fromkeys(seen), *wrong]:
                conversation.target.receive(other)
                conversation.target.receive(message)
                conversation.target.receive(message)
                conversation.target.restore(moment)
            conversation.deliver("target", message)


@differential(
    "AKE-FRESH-1",
    "COMMIT-DHKEY-1",
    "COMMIT-DHKEY-2",
    "COMMIT-DHKEY-3",
    "COMMIT-DHKEY-4",
    "COMMIT-DHKEY-5",
    "COMMIT-DHKEY-8",
    "COMMIT-HASH-1",
    "DERIVE-AKE-2",
    "DERIVE-AKE-3",
    "DERIVE-AKE-4",
    "DERIVE-SECRET-2",
    "DERIVE-SSID-2",
    "DHKEY-SIG-1",
    "KEYMGMT-AKE-4",
    "KEYS-FPR-3",
    "REVEAL-ACCEPT-3",
    "REVEAL-MAC-2",
    "REVEAL-SIG-2",
    "REVEAL-SIG-5",
    "SIG-ACCEPT-3",
    "STATE-ENCRYPTED-4",
)
def collisions(comparison: Comparison) -> None:
    """The target agrees with the reference engine when both sides begin at once, whichever commit wins."""
    for number in range(6):
        tape = {("ake.x", 0): bytes([number + 1]) * 40}
        conversation = comparison.conversation(tape=tape)
        query = b"?OTRv%d?" % comparison.version
        conversation.deliver("target", query)
        conversation.deliver("peer", query)
        if number % 2:
            conversation.queues["peer"].clear()
        conversation.settle()
        conversation.exchange_texts(1)
        conversation.deliver("target", query)
        conversation.deliver("target", query)
        conversation.deliver("peer", query)
        conversation.settle()
    conversation = comparison.conversation()
    own = conversation.deliver("target", b"?OTRv%d?" % comparison.version)[0]
    message = wire.parse(own)
    first = message.data("hashed_gx")[:1]
    for hashed in (bytes(32), b"\xff" * 32, b"\x7f" * 32, b"\x80" * 32, first + bytes(31), first + b"\xff" * 31):
        moment = conversation.target.snapshot()
        commit = message.with_value("hashed_gx", hashed)
        if comparison.version == 3:
            commit = commit.with_value("sender_tag", 0x2B2B)
        conversation.target.receive(wire.build(commit))
        conversation.target.restore(moment)


@differential(*LOSSES)
def losses(comparison: Comparison) -> None:
    """The target agrees with the reference engine on data messages that are lost, late, repeated or reordered."""
    conversation = comparison.conversation()
    conversation.start()
    late: list[bytes] = []
    for number in range(5):
        for text in (b"a", b" b ", b"c"):
            conversation.act("peer", "send", text=b"%d " % number + text)
        late.append(conversation.queues["target"][1])
        first, second, third = conversation.queues["target"]
        for message in ((first, third, second), (second, first, first, third), (third,))[number % 3]:
            conversation.deliver("target", message)
        conversation.queues["target"].clear()
        for message in late:
            conversation.deliver("target", message)
        conversation.act("target", "send", text=b"answer %d" % number)
        conversation.act("target", "send", text=b"once more %d" % number)
        if number % 2:
            conversation.pop("peer")
        conversation.settle()
    conversation.act_and_settle("peer", "send", text=b"")
    conversation.act_and_settle("target", "send", text=b"x" * 70000)
    conversation.act_and_settle("peer", "send", text=b"y" * 70000)


@differential("KEYMGMT-KEEP-1", "!KEYMGMT-RECV-6")
def late_messages(comparison: Comparison) -> None:
    """The target agrees with the reference engine on messages that are delivered some steps late."""
    conversation = comparison.conversation()
    conversation.start()
    conversation.exchange_texts(2)
    kept: list[bytes] = []
    for number in range(4):
        kept += conversation.act("peer", "send", text=b"kept %d" % number)
        conversation.queues["target"].clear()
        conversation.act("peer", "send", text=b"first %d" % number)
        conversation.settle()
        conversation.act_and_settle("target", "send", text=b"reply %d" % number)
        for message in kept[-3:]:
            moment = conversation.target.snapshot()
            conversation.deliver("target", message)
            conversation.act("target", "send", text=b"after a late one")
            conversation.drop_all()
            conversation.target.restore(moment)
    conversation.deliver("target", kept[-1])
    conversation.act("peer", "send", text=b"end")
    conversation.settle()
    conversation.exchange_texts(2)


@differential(
    "DATA-CTR-3",
    "DATA-FLAGS-4",
    "DATA-FLAGS-5",
    "DATA-MAC-1",
    "DATA-RECV-1",
    "DATA-RECV-8",
    "KEYMGMT-RECV-6",
    "KEYMGMT-RECV-9",
    "MACREVEAL-WHAT-3",
)
def forged_data(comparison: Comparison) -> None:
    """The target agrees with the reference engine on altered data messages, and on the genuine ones after them."""
    conversation = comparison.conversation()
    conversation.start()
    for number in range(2):
        message = conversation.act("peer", "send", text=b"genuine")[0]
        parsed = wire.parse(message)
        bits = 8 * len(parsed.body)
        forged = [flip_bit(message, bit) for bit in range(0, bits, 37)]
        mac = parsed.data("mac")
        forged += [wire.build(parsed.with_value("mac", mac[:10] + bytes(10)))]
        forged += [wire.build(parsed.with_value("mac", value)) for value in (bytes(20), b"\xff" * 20)]
        for field in ("sender_keyid", "recipient_keyid"):
            forged += [wire.build(parsed.with_value(field, value)) for value in (0, 1, 2, 3, 0xFFFFFFFF)]
        forged += [wire.build(parsed.with_value("ctr", (9).to_bytes(8))), wire.build(parsed.with_value("flags", 1))]
        forged += [wire.build(parsed.with_value("old_mac_keys", keys)) for keys in (b"", bytes(20), bytes(7))]
        forged += [truncate(message, length) for length in range(0, bits // 8, 9)]
        for other in forged:
            moment = conversation.target.snapshot()
            conversation.target.receive(other)
            conversation.target.receive(message)
            conversation.target.restore(moment)
        conversation.act("target", "send", text=b"before a forgery")
        conversation.target.receive(wire.build(parsed.with_value("ctr", b"\xff" * 8)))
        conversation.act("target", "send", text=b"after a forgery")
        conversation.settle()
        if number:
            break
        conversation.act_and_settle("target", "send", text=b"to change keys")
    conversation.target.receive(message)
    conversation.act_and_settle("peer", "end")
    conversation.target.receive(message)
    conversation.target.receive(wire.build(parsed.with_value("flags", 1)))


@differential("DATA-RECV-4", "DATA-RECV-5")
def heartbeats(comparison: Comparison) -> None:
    """The target agrees with the reference engine, heartbeats included, in a conversation in which time passes."""
    conversation = comparison.conversation()
    conversation.start()
    now = 0
    for seconds in (0, 1, 59, 60, 61, 30, 30, 120):
        now += seconds
        conversation.set_time(now)
        conversation.act_and_settle("peer", "send", text=b"at %d" % now)
        if seconds == 30:
            conversation.act_and_settle("target", "send", text=b"busy")
    conversation.act("target", "send", text=b"")
    conversation.settle()


@differential(
    "DATA-FLAGS-4",
    "MACREVEAL-END-1",
    "MACREVEAL-WHAT-2",
    "MACREVEAL-WHEN-3",
    "MACREVEAL-WHEN-6",
    "STATE-ENDED-1",
    "USER-END-2",
    "USER-END-4",
    "USER-END-5",
    "USER-STORED-1",
)
def ends(comparison: Comparison) -> None:
    """The target agrees with the reference engine when one side or both end a session, and on texts typed after it."""
    for ender in ("target", "peer"):
        conversation = comparison.conversation()
        conversation.start()
        conversation.exchange_texts(2)
        conversation.act_and_settle("peer", "send", text=b"verified")
        conversation.act_and_settle(ender, "end")
        conversation.act("target", "send", text=b"when it is over")
        conversation.settle()
        conversation.act_and_settle("target", "end")
        conversation.act_and_settle("target", "end")
        conversation.act_and_settle("peer", "end")
        conversation.start()
        conversation.exchange_texts(1)
    conversation = comparison.conversation()
    conversation.start()
    conversation.act("peer", "end")
    conversation.act_and_settle("target", "end")
    conversation.act_and_settle("target", "send", text=b"again in the clear")


@differential(
    "STATE-ENCRYPTED-4",
    "USER-SEND-10",
    "USER-SEND-8",
    "USER-SEND-9",
    "USER-STORED-1",
    "USER-STORED-3",
    "USER-STORED-4",
    "USER-STORED-5",
)
def stored_texts(comparison: Comparison) -> None:
    """The target agrees with the reference engine on stored texts that are recent, too old, or for another key."""
    policy = ALLOW[comparison.version] | Policy.REQUIRE_ENCRYPTION
    for later in (0, 60, 61):
        conversation = comparison.conversation(policy)
        for text in (b"one", b"two", b"three"):
            conversation.act("target", "send", text=text)
        conversation.set_time(later)
        conversation.settle()
        conversation.start()
        conversation.exchange_texts(1)
    for key in ("bob", "carol"):
        conversation = comparison.conversation(policy)
        conversation.start()
        conversation.act_and_settle("peer", "end")
        conversation.act_and_settle("target", "send", text=b"for bob alone")
        conversation.join("peer", 0x2B2B, key=key)
        conversation.start()
        conversation.start("target")


@differential("KEYMGMT-ROTATE-2", "STATE-ENCRYPTED-3")
def refresh_with_texts(comparison: Comparison) -> None:
    """The target agrees with the reference engine on texts, SMP and an end while a second handshake is under way."""
    conversation = comparison.conversation()
    conversation.start()
    conversation.exchange_texts(1)
    conversation.deliver("target", b"?OTRv%d?" % comparison.version)
    conversation.act("target", "send", text=b"in between")
    conversation.settle()
    conversation.act_and_settle("target", "smp_start", secret=b"x")
    conversation.start("target")
    conversation.act_and_settle("peer", "smp_start", secret=b"x")
    conversation.start()
    conversation.deliver("peer", b"?OTRv%d?" % comparison.version)
    conversation.act("target", "end")
    conversation.settle()


@differential("DERIVE-SECRET-2", "INSTANCE-OWN-2", "KEYS-SIG-1", "TYPES-MPI-2")
def rare_random_values(comparison: Comparison) -> None:
    """The target agrees with the reference engine when rare random values give numbers leading zeros."""
    tape = {
        ("ake.x", 0): (_SHORT_POWER).to_bytes(40),
        ("ake.y", 0): (_SHORT_POWER).to_bytes(40),
        ("dh.x", 0): (_SHORT_POWER).to_bytes(40),
        ("dsa.k", 0): (_SHORT_R - 1).to_bytes(28),
        ("dsa.k", 1): (_SHORT_R - 1).to_bytes(28),
        ("instance_tag", 0): bytes(3) + b"\xff",
    }
    for asks in ("target", "peer"):
        conversation = comparison.conversation(tape=tape)
        conversation.start(asks)
        conversation.exchange_texts(2)
        conversation.start(asks)
    # Short shared secrets: an exponent of 1 on one side makes the secret the other side's public key.
    short = {("ake.x", 0): (1).to_bytes(40), ("ake.y", 0): (1).to_bytes(40), ("dh.x", 0): (1).to_bytes(40)}
    for asks in ("target", "peer"):
        conversation = ComparedConversation(comparison, comparison.target(tape=tape))
        conversation.join("peer", 0x2B2B, tape=short)
        conversation.start(asks)
        conversation.exchange_texts(3)
    comparison.target(BOTH, tag=None, tape=tape).start()


@differential("SMP-MSG1-4", "SMP-SECRET-6", "SMP-SECRET-8", "SMPMATH-EXP-1", "SMPMATH-EXP-3")
def smp_honest(comparison: Comparison) -> None:
    """The target agrees with the reference engine in SMP between honest parties, with all kinds of secrets."""
    conversation = comparison.conversation()
    conversation.start()
    rounds = (
        (b"same", b"same", None),
        (b"one", b"two", b"what?"),
        (b"one", b"one", b""),
        (" \u00fc\u4e2d ".encode(), " \u00fc\u4e2d ".encode(), "\u00e4?".encode()),
        (b"", b"", None),
        (b"", b"secret", None),
        (b"a" * 64, b"a" * 64 + b"b", None),
        (b"a", b" a", None),
    )
    for secret, answer, question in rounds:
        for asks, answers in (("target", "peer"), ("peer", "target")):
            conversation.act_and_settle(asks, "smp_start", secret=secret, question=question)
            conversation.act_and_settle(answers, "smp_answer", secret=answer)


@differential(
    "SMP-ABORT-1",
    "SMP-ABORT-2",
    "SMP-ACTION-2",
    "SMP-BEGIN-3",
    "SMP-BEGIN-5",
    "SMP-MSG1-1",
    "SMP-MSG2-1",
    "SMP-MSG2-4",
    "SMP-STATE-2",
    "SMP-STATE-4",
    "TLV-SMP-4",
)
def interrupted_smp(comparison: Comparison) -> None:
    """The target agrees with the reference engine when SMP is begun twice, begun by both sides, aborted or cut off."""
    conversation = comparison.conversation()
    conversation.start()
    for name, other in (("target", "peer"), ("peer", "target")):
        conversation.act("target", "smp_start", secret=b"x")
        conversation.act("peer", "smp_start", secret=b"x")
        conversation.settle()
        conversation.act_and_settle(name, "smp_start", secret=b"x")
        conversation.act_and_settle(name, "smp_start", secret=b"y", question=b"?")
        conversation.act_and_settle(other, "smp_abort")
        conversation.act_and_settle(other, "smp_answer", secret=b"y")
        conversation.act_and_settle(name, "smp_start", secret=b"x")
        conversation.act(other, "smp_answer", secret=b"x")
        conversation.drop_all()
        conversation.act_and_settle(other, "smp_start", secret=b"z")
        conversation.act_and_settle(name, "smp_abort")
        conversation.act_and_settle(name, "smp_abort")
        conversation.act_and_settle(other, "smp_start", secret=b"z")
        conversation.act(name, "smp_answer", secret=b"z")
        conversation.act_and_settle(other, "send", text=b"in between")
        conversation.act_and_settle(name, "smp_start", secret=b"x")
        conversation.act(other, "smp_answer", secret=b"x")
        conversation.deliver_next(name)
        conversation.drop_all()
        conversation.act_and_settle(other, "send", text=b"lost")
        conversation.act_and_settle(other, "smp_start", secret=b"q")
    for ender in ("target", "peer"):
        for asks in ("target", "peer"):
            conversation.start()
            conversation.act_and_settle(asks, "smp_start", secret=b"x")
            conversation.act_and_settle(ender, "end")
            conversation.act_and_settle("target", "end")
            conversation.act_and_settle("peer", "end")


@differential(
    "EXTRA-KEY-1",
    "EXTRA-KEY-2",
    "EXTRA-KEY-3",
    "EXTRA-KEY-4",
    "EXTRA-KEY-5",
    "TLV-EXTRA-2",
    "TLV-EXTRA-3",
    "TLV-PADDING-1",
)
def extra_keys(comparison: Comparison) -> None:
    """The target agrees with the reference engine when both sides ask for the extra key, at once or in turn."""
    conversation = comparison.conversation()
    conversation.start()
    conversation.exchange_texts(1)
    conversation.act("target", "extra_key", use=1, data=b"to the peer")
    conversation.act("peer", "extra_key", use=0xFFFFFFFF, data=b"to the target")
    conversation.settle()
    conversation.act_and_settle("target", "send", text=b"between")
    conversation.act_and_settle("peer", "extra_key", use=7)
    conversation.act_and_settle("target", "extra_key", use=0)
    conversation.act_and_settle("target", "send", text=b"padded", padding=40_000)
    conversation.act_and_settle("peer", "send", text=b"padded", padding=40_000)
    conversation.act_and_settle("peer", "send", text=b"padded", padding=0)
