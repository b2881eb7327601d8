"""Honest parties with a network between them that loses, repeats, reorders and forges: handshakes, data
messages, ends, stored texts, SMP, the extra key."""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW
from otterproof.harness.wire.mutate import flip_bit, truncate
from otterproof.implementations.contract import Policy
from otterproof.scenarios.differential.room import BOTH, Duel, Room, differential

#: Exponents of 302 and 142 bits: a power of 2 with fewer than 1529 bits, and a DSA nonce of alice's for a short r.
_SHORT_POWER = (3 << 300) + 0x506
_SHORT_R = (3 << 140) + 0x1FA


@differential("MACREVEAL-END-1")
def handshakes(room: Room) -> None:
    """Handshakes asked for by either side, one after the other, with texts and replays in between."""
    for first in ("target", "peer"):
        duel = room.duel()
        for asks in (first, "peer", "target", first):
            duel.start(asks)
            duel.talk(2)
        duel.run("target", "end")
        duel.run("peer", "end")
        duel.start(first)
        duel.talk(1)
    duel = room.duel()
    duel.start()
    duel.start("target")


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
def messages_of_handshake_everywhere(room: Room) -> None:
    """Every message of a handshake, in every authentication state: repeated, from another run, and changed."""
    duel = room.duel()
    seen: list[bytes] = []
    for asks in ("peer", "target", "peer"):
        duel.give("peer" if asks == "target" else "target", b"?OTRv%d?" % room.version)
        while duel.queues["target"] or duel.queues["peer"]:
            if duel.queues["peer"]:
                seen.append(duel.queues["peer"][0])
                duel.pass_on("peer")
                continue
            message = duel.take("target")
            seen.append(message)
            size = 8 * len(wire.parse(message).body)
            wrong = [flip_bit(message, bit) for bit in (size - 1, size - 165, size - 400, size // 2, 7)]
            wrong += [truncate(message, size // 8 - 1), truncate(message, 30), truncate(message, 9)]
            moment = duel.target.snapshot()
            for other in [*dict.fromkeys(seen), *wrong]:
                duel.target.receive(other)
                duel.target.receive(message)
                duel.target.receive(message)
                duel.target.restore(moment)
            duel.give("target", message)


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
def collisions(room: Room) -> None:
    """Both sides begin at the same time; several times, since the hashes decide."""
    for number in range(6):
        tape = {("ake.x", 0): bytes([number + 1]) * 40}
        duel = room.duel(tape=tape)
        query = b"?OTRv%d?" % room.version
        duel.give("target", query)
        duel.give("peer", query)
        if number % 2:
            duel.queues["peer"].clear()
        duel.settle()
        duel.talk(1)
        duel.give("target", query)
        duel.give("target", query)
        duel.give("peer", query)
        duel.settle()
    duel = room.duel()
    own = duel.give("target", b"?OTRv%d?" % room.version)[0]
    message = wire.parse(own)
    first = message.data("hashed_gx")[:1]
    for hashed in (bytes(32), b"\xff" * 32, b"\x7f" * 32, b"\x80" * 32, first + bytes(31), first + b"\xff" * 31):
        moment = duel.target.snapshot()
        commit = message.with_value("hashed_gx", hashed)
        if room.version == 3:
            commit = commit.with_value("sender_tag", 0x2B2B)
        duel.target.receive(wire.build(commit))
        duel.target.restore(moment)


@differential(
    "DATA-CTR-1",
    "DATA-CTR-2",
    "DATA-CTR-3",
    "DATA-ENC-2",
    "DATA-HEARTBEAT-1",
    "DATA-HEARTBEAT-2",
    "DATA-KEYID-2",
    "DATA-MAC-1",
    "DATA-MAC-2",
    "DATA-MAC-3",
    "DATA-RECV-10",
    "DATA-RECV-11",
    "DATA-RECV-13",
    "DATA-RECV-2",
    "DATA-RECV-6",
    "DATA-RECV-7",
    "DATA-TEXT-1",
    "DATA-TEXT-2",
    "DERIVE-DATA-1",
    "DERIVE-DATA-2",
    "DERIVE-DATA-4",
    "DERIVE-DATA-6",
    "DERIVE-DATA-7",
    "KEYMGMT-KEEP-1",
    "KEYMGMT-RECV-10",
    "KEYMGMT-RECV-6",
    "KEYMGMT-RECV-8",
    "KEYMGMT-ROTATE-1",
    "KEYMGMT-ROTATE-2",
    "KEYMGMT-ROTATE-3",
    "KEYMGMT-ROTATE-4",
    "KEYMGMT-ROTATE-8",
    "KEYMGMT-SEND-1",
    "KEYMGMT-SEND-2",
    "MACREVEAL-WHAT-1",
    "MACREVEAL-WHAT-3",
    "MACREVEAL-WHEN-1",
    "MACREVEAL-WHEN-3",
    "MACREVEAL-WHEN-4",
    "MACREVEAL-WHEN-5",
)
def losses(room: Room) -> None:
    """Data messages that are lost, late, repeated and reordered, within keys and across them."""
    duel = room.duel()
    duel.start()
    late: list[bytes] = []
    for number in range(5):
        for text in (b"a", b" b ", b"c"):
            duel.act("peer", "send", text=b"%d " % number + text)
        late.append(duel.queues["target"][1])
        first, second, third = duel.queues["target"]
        for message in ((first, third, second), (second, first, first, third), (third,))[number % 3]:
            duel.give("target", message)
        duel.queues["target"].clear()
        for message in late:
            duel.give("target", message)
        duel.act("target", "send", text=b"answer %d" % number)
        duel.act("target", "send", text=b"once more %d" % number)
        if number % 2:
            duel.take("peer")
        duel.settle()
    duel.run("peer", "send", text=b"")
    duel.run("target", "send", text=b"x" * 70000)
    duel.run("peer", "send", text=b"y" * 70000)


@differential("KEYMGMT-KEEP-1", "!KEYMGMT-RECV-6")
def late_messages(room: Room) -> None:
    """Messages kept back for each number of steps, then delivered."""
    duel = room.duel()
    duel.start()
    duel.talk(2)
    kept: list[bytes] = []
    for number in range(4):
        kept += duel.act("peer", "send", text=b"kept %d" % number)
        duel.queues["target"].clear()
        duel.act("peer", "send", text=b"first %d" % number)
        duel.settle()
        duel.run("target", "send", text=b"reply %d" % number)
        for message in kept[-3:]:
            moment = duel.target.snapshot()
            duel.give("target", message)
            duel.act("target", "send", text=b"after a late one")
            duel.clear()
            duel.target.restore(moment)
    duel.give("target", kept[-1])
    duel.act("peer", "send", text=b"end")
    duel.settle()
    duel.talk(2)


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
def forged_data(room: Room) -> None:
    """Data messages with bits and bytes changed, then the genuine ones; and such without a session."""
    duel = room.duel()
    duel.start()
    for number in range(2):
        message = duel.act("peer", "send", text=b"genuine")[0]
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
            moment = duel.target.snapshot()
            duel.target.receive(other)
            duel.target.receive(message)
            duel.target.restore(moment)
        duel.act("target", "send", text=b"before a forgery")
        duel.target.receive(wire.build(parsed.with_value("ctr", b"\xff" * 8)))
        duel.act("target", "send", text=b"after a forgery")
        duel.settle()
        if number:
            break
        duel.run("target", "send", text=b"to change keys")
    duel.target.receive(message)
    duel.run("peer", "end")
    duel.target.receive(message)
    duel.target.receive(wire.build(parsed.with_value("flags", 1)))


@differential("DATA-RECV-4", "DATA-RECV-5")
def heartbeats(room: Room) -> None:
    """A conversation in which time passes."""
    duel = room.duel()
    duel.start()
    now = 0
    for seconds in (0, 1, 59, 60, 61, 30, 30, 120):
        now += seconds
        duel.time(now)
        duel.run("peer", "send", text=b"at %d" % now)
        if seconds == 30:
            duel.run("target", "send", text=b"busy")
    duel.act("target", "send", text=b"")
    duel.settle()


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
def ends(room: Room) -> None:
    """Sessions that are ended by one side, by both at once, and with texts waiting."""
    for ender in ("target", "peer"):
        duel = room.duel()
        duel.start()
        duel.talk(2)
        duel.run("peer", "send", text=b"verified")
        duel.run(ender, "end")
        duel.act("target", "send", text=b"when it is over")
        duel.settle()
        duel.run("target", "end")
        duel.run("target", "end")
        duel.run("peer", "end")
        duel.start()
        duel.talk(1)
    duel = room.duel()
    duel.start()
    duel.act("peer", "end")
    duel.run("target", "end")
    duel.run("target", "send", text=b"again in the clear")


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
def stored_texts(room: Room) -> None:
    """Texts that wait for a session: sent, too old, for another key, several of them."""
    policy = ALLOW[room.version] | Policy.REQUIRE_ENCRYPTION
    for later in (0, 60, 61):
        duel = room.duel(policy)
        for text in (b"one", b"two", b"three"):
            duel.act("target", "send", text=text)
        duel.time(later)
        duel.settle()
        duel.start()
        duel.talk(1)
    for key in ("bob", "carol"):
        duel = room.duel(policy)
        duel.start()
        duel.run("peer", "end")
        duel.run("target", "send", text=b"for bob alone")
        duel.join("peer", 0x2B2B, key=key)
        duel.start()
        duel.start("target")


@differential("KEYMGMT-ROTATE-2", "STATE-ENCRYPTED-3")
def refresh_with_texts(room: Room) -> None:
    """Texts, SMP and an end while a second handshake is under way."""
    duel = room.duel()
    duel.start()
    duel.talk(1)
    duel.give("target", b"?OTRv%d?" % room.version)
    duel.act("target", "send", text=b"in between")
    duel.settle()
    duel.run("target", "smp_start", secret=b"x")
    duel.start("target")
    duel.run("peer", "smp_start", secret=b"x")
    duel.start()
    duel.give("peer", b"?OTRv%d?" % room.version)
    duel.act("target", "end")
    duel.settle()


@differential("DERIVE-SECRET-2", "INSTANCE-OWN-2", "KEYS-SIG-1", "TYPES-MPI-2")
def statistical(room: Room) -> None:
    """Draws that are rare: numbers with leading zeros wherever a number is written."""
    tape = {
        ("ake.x", 0): (_SHORT_POWER).to_bytes(40),
        ("ake.y", 0): (_SHORT_POWER).to_bytes(40),
        ("dh.x", 0): (_SHORT_POWER).to_bytes(40),
        ("dsa.k", 0): (_SHORT_R - 1).to_bytes(28),
        ("dsa.k", 1): (_SHORT_R - 1).to_bytes(28),
        ("instance_tag", 0): bytes(3) + b"\xff",
    }
    for asks in ("target", "peer"):
        duel = room.duel(tape=tape)
        duel.start(asks)
        duel.talk(2)
        duel.start(asks)
    # Short shared secrets: 1 as exponent of one side makes the secret the other side's public key.
    short = {("ake.x", 0): (1).to_bytes(40), ("ake.y", 0): (1).to_bytes(40), ("dh.x", 0): (1).to_bytes(40)}
    for asks in ("target", "peer"):
        duel = Duel(room, room.target(tape=tape))
        duel.join("peer", 0x2B2B, tape=short)
        duel.start(asks)
        duel.talk(3)
    room.target(BOTH, tag=None, tape=tape).start()


@differential("SMP-MSG1-4", "SMP-SECRET-6", "SMP-SECRET-8", "SMPMATH-EXP-1", "SMPMATH-EXP-3")
def smp_honest(room: Room) -> None:
    """SMP in all its forms between honest parties."""
    duel = room.duel()
    duel.start()
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
            duel.run(asks, "smp_start", secret=secret, question=question)
            duel.run(answers, "smp_answer", secret=answer)


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
def smp_disturbed(room: Room) -> None:
    """SMP begun twice, by both, aborted, left, and with messages lost."""
    duel = room.duel()
    duel.start()
    for name, other in (("target", "peer"), ("peer", "target")):
        duel.act("target", "smp_start", secret=b"x")
        duel.act("peer", "smp_start", secret=b"x")
        duel.settle()
        duel.run(name, "smp_start", secret=b"x")
        duel.run(name, "smp_start", secret=b"y", question=b"?")
        duel.run(other, "smp_abort")
        duel.run(other, "smp_answer", secret=b"y")
        duel.run(name, "smp_start", secret=b"x")
        duel.act(other, "smp_answer", secret=b"x")
        duel.clear()
        duel.run(other, "smp_start", secret=b"z")
        duel.run(name, "smp_abort")
        duel.run(name, "smp_abort")
        duel.run(other, "smp_start", secret=b"z")
        duel.act(name, "smp_answer", secret=b"z")
        duel.run(other, "send", text=b"in between")
        duel.run(name, "smp_start", secret=b"x")
        duel.act(other, "smp_answer", secret=b"x")
        duel.pass_on(name)
        duel.clear()
        duel.run(other, "send", text=b"lost")
        duel.run(other, "smp_start", secret=b"q")
    for ender in ("target", "peer"):
        for asks in ("target", "peer"):
            duel.start()
            duel.run(asks, "smp_start", secret=b"x")
            duel.run(ender, "end")
            duel.run("target", "end")
            duel.run("peer", "end")


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
def extra_keys(room: Room) -> None:
    """The extra symmetric key asked for by both sides, at once and one after the other."""
    duel = room.duel()
    duel.start()
    duel.talk(1)
    duel.act("target", "extra_key", use=1, data=b"to the peer")
    duel.act("peer", "extra_key", use=0xFFFFFFFF, data=b"to the target")
    duel.settle()
    duel.run("target", "send", text=b"between")
    duel.run("peer", "extra_key", use=7)
    duel.run("target", "extra_key", use=0)
    duel.run("target", "send", text=b"padded", padding=40_000)
    duel.run("peer", "send", text=b"padded", padding=40_000)
    duel.run("peer", "send", text=b"padded", padding=0)
