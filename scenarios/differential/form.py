"""Form: messages in the clear, policies, malformed messages, fragments, instance tags, several clients."""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW
from otterproof.harness.wire.mutate import fragment
from otterproof.implementations.contract import Policy
from otterproof.scenarios.differential.comparison import BOTH, ComparedConversation, Comparison, differential

EVERYTHING = BOTH | Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE | Policy.ERROR_START_AKE

_BASE, _V1, _V2, _V3 = wire.TAG_BASE, *(wire.TAG_VERSIONS[version] for version in (1, 2, 3))

#: Messages in the clear: queries, tags and errors of all forms.
UNENCODED = (
    *(b"?OTRv3?", b"?OTRv2?", b"?OTRv23?", b"?OTRv32?", b"?OTR?", b"?OTR?v2?", b"?OTRv?", b"?OTR?v?", b"?OTRv4x3?"),
    *(b"?OTRv24x?", b"?OTRvx?", b"?OTR", b"?OTRv", b"?OTR?v", b"?OTRv2? at 3 ?", b"hello ?OTRv3? there"),
    *(b"?OTRv4? at 3", b"?OTRvery good 2 3?", b"?OTRword 2", b"see ?OTR 23", b"", b"text", b"a\0\0\1\0\0"),
    *(b"text" + _BASE + _V2 + b"more", _BASE + _V3, b"a" + _BASE + _V1 + _V2 + _V3 + b"b", _BASE + b"x" + _V3, _BASE),
    *(_BASE + b" \t" * 4 + _V3 + b"c", _BASE + _V1, b"\t \t  " + _BASE + _V2, _BASE + _V3 + _V2 + b"d", b"  \t\t  "),
    *(b"?OTR Error: no", b"well: ?OTR Error: %s%n%d", b"?OTR Error no", b"?OTR Error:", b"error ?OTRv3 Error:"),
    *(b"?OTR:.", b"?OTR:", b"?OTR:AAM.", b"?OTR:AAMD", b"?OTR:AAMD.", b"?OTR:A*==.", b"?OTR:AAMDA.", b"?OTR:AAQD."),
    *(
        b"?OTR:AAM=.",
        b"?OTR:AAI=.",
        b"?OTR:AAA=.",
        b"?OTR:AAMDAAA=.",
        b"?OTR:AAQDAAAAAAAAAAAA.",
        b"?OTR:AAID.AA.",
        b"?OTR:AAMZAAABAAAAGhoA.",
    ),
)


@differential(
    "!ARMOUR-PARSE-2",
    "!COMMIT-POLICY-2",
    "!ERROR-FORM-1",
    "!ERROR-FORM-3",
    "!ERROR-LOOP-1",
    "!ERROR-SHOW-1",
    "!ERROR-START-1",
    "!ERROR-START-2",
    "!ERROR-STATE-1",
    "!ERROR-TEXT-1",
    "!ERROR-TEXT-2",
    "!POLICY-OFF-1",
    "!QUERY-ANSWER-2",
    "!QUERY-ANSWER-5",
    "!QUERY-ANSWER-6",
    "!QUERY-ANSWER-7",
    "!QUERY-ANSWER-8",
    "!QUERY-FORM-3",
    "!QUERY-PARSE-1",
    "!QUERY-PARSE-10",
    "!QUERY-PARSE-11",
    "!QUERY-PARSE-13",
    "!QUERY-PARSE-2",
    "!QUERY-PARSE-3",
    "!QUERY-PARSE-6",
    "!QUERY-SHOW-1",
    "!STATE-CLEAR-2",
    "!STATE-CLEAR-4",
    "!STATE-CLEAR-5",
    "!STATE-CLEAR-6",
    "!TAG-ANSWER-1",
    "!TAG-FORM-7",
    "!TAG-PARSE-2",
    "!TAG-PARSE-3",
    "!TAG-SHOW-1",
    "!TAG-START-2",
    "!TAG-START-5",
    "!TLV-FORM-7",
)
def unencoded(comparison: Comparison) -> None:
    """The target agrees with the reference engine on every unencoded message, before, during and after a session."""
    for policy in (ALLOW[comparison.version], BOTH, EVERYTHING, Policy.NONE, BOTH | Policy.REQUIRE_ENCRYPTION):
        target = comparison.target(policy)
        for message in UNENCODED:
            target.receive(message)
    for after in ("session", "end"):
        conversation = comparison.conversation(EVERYTHING if after == "session" else None)
        conversation.start()
        if after == "end":
            conversation.act_and_settle("peer", "end")
        for message in UNENCODED:
            moment = conversation.target.snapshot()
            conversation.deliver("target", message)
            conversation.target.restore(moment)


@differential(
    "!POLICY-OFF-1",
    "!POLICY-REQUIRE-1",
    "!POLICY-TAG-1",
    "!QUERY-FORM-7",
    "!TAG-FORM-8",
    "!TAG-PARSE-1",
    "!TAG-STOP-1",
    "!TLV-FORM-1",
    "!USER-END-3",
    "!USER-SEND-1",
    "!USER-SEND-4",
    "!USER-START-2",
    "!USER-STORED-1",
    "!USER-STORED-2",
)
def texts_and_queries_in_the_clear(comparison: Comparison) -> None:
    """The target agrees with the reference engine on texts and queries in the clear, under several policies."""
    allowed = ALLOW[comparison.version]
    for policy in (Policy.NONE, allowed, BOTH, EVERYTHING, allowed | EVERYTHING ^ BOTH):
        target = comparison.target(policy)
        target.start()
        target.send(text=b"first")
        target.receive(b"plain")
        target.send(text=b"second")
        target.set_policy(ALLOW[comparison.version] | Policy.REQUIRE_ENCRYPTION)
        target.send(text=b"third")
        target.send(text=b"a\0b")
        target.send(text=b"")
    conversation = comparison.conversation(EVERYTHING)
    conversation.deliver("target", b"plain")
    conversation.start()
    conversation.act("target", "start")
    conversation.drop_all()
    conversation.act_and_settle("target", "end")
    conversation.act_and_settle("target", "send", text=b"tagged again")


@differential("!COMMIT-POLICY-1", "!POLICY-V2-1", "!SIG-POLICY-1")
def policies(comparison: Comparison) -> None:
    """The target agrees with the reference engine on every message whose version the policy allows or forbids."""
    for allowed in (Policy.NONE, ALLOW[5 - comparison.version], ALLOW[comparison.version]):
        for asks in ("target", "peer"):
            conversation = comparison.conversation(BOTH)
            conversation.deliver("peer" if asks == "target" else "target", b"?OTRv%d?" % comparison.version)
            for number in range(8):
                if conversation.queues["target"]:
                    message = conversation.queues["target"][0]
                    moment = conversation.target.snapshot()
                    conversation.target.set_policy(allowed)
                    conversation.target.receive(message)
                    conversation.target.restore(moment)
                    conversation.deliver_next("target")
                elif conversation.queues["peer"]:
                    conversation.deliver_next("peer")
                elif number < 6:
                    conversation.act("peer", "send", text=b"encrypted")


@differential(
    "!ARMOUR-FORM-1",
    "!ARMOUR-FORM-2",
    "!ARMOUR-PARSE-1",
    "!ARMOUR-PARSE-3",
    "!ARMOUR-PARSE-4",
    "!ARMOUR-PARSE-5",
    "!ARMOUR-PARSE-6",
    "!ARMOUR-PARSE-7",
    "!COMMIT-HASH-2",
    "!DATA-OLDMACS-1",
    "!INSTANCE-HEADER-1",
    "!INSTANCE-HEADER-3",
    "!KEYS-FPR-2",
    "!KEYS-FPR-5",
    "!KEYS-SIG-4",
    "!KEYS-SIG-6",
    "!REVEAL-FORM-7",
    "!TYPES-BYTE-1",
    "!TYPES-DATA-1",
    "!TYPES-DATA-3",
    "!TYPES-GROUP-2",
    "!TYPES-MPI-4",
    "!TYPES-MPI-5",
    "!TYPES-SHORT-1",
)
def malformed(comparison: Comparison) -> None:
    """The target agrees with the reference engine on messages with wrong lengths, types, trailing bytes or armour."""
    conversation = comparison.conversation()
    conversation.start()
    for asks in ("peer", "target"):
        conversation.deliver("peer" if asks == "target" else "target", b"?OTRv%d?" % comparison.version)
        for party, message in conversation.network.deliveries():
            if party == "target":
                moment = conversation.target.snapshot()
                for other in _malformed(message):
                    conversation.target.receive(other)
                    conversation.target.receive(message)
                    conversation.target.restore(moment)
            conversation.deliver(party, message)
    message = conversation.act("peer", "send", text=b"text")[0]
    for other in (*_malformed(message), b"before " + message, message + b" after. it"):
        moment = conversation.target.snapshot()
        conversation.target.receive(other)
        conversation.target.restore(moment)


def _malformed(message: bytes) -> list[bytes]:
    parsed = wire.parse(message)
    found = [wire.armour(parsed.body + b"\0"), message[:-1], message.replace(b"?OTR:", b"?OTR:\n")]
    for field in parsed.fields:
        if field.type in (wire.Type.DATA, wire.Type.MPI):
            raw, content = field.raw, field.raw[4:]
            lengths = (0, 1, len(content) + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, len(content) + 0x10000)
            found += [wire.build(parsed.with_raw(field.name, size.to_bytes(4) + raw[4:])) for size in lengths]
            found.append(wire.build(parsed.with_raw(field.name, (len(content) + 1).to_bytes(4) + b"\0" + content)))
            found.append(wire.build(parsed.with_raw(field.name, bytes(4))))
            short = content[:7] + b"x" * (len(content) > 7)
            found.append(wire.build(parsed.with_raw(field.name, len(short).to_bytes(4) + short)))
            found.append(wire.build(parsed.with_raw(field.name, b"\0\0\0\1\0")))
    body = parsed.body
    found += [wire.armour(body[:2] + bytes([kind]) + body[3:]) for kind in (0, 4, 0xFF)]
    return [*found, *(wire.armour(version.to_bytes(2) + body[2:]) for version in (0, 1, 4, 0x0300, 0x0102, 0x0103))]


@differential(
    "!FRAGMENT-BOUND-2",
    "!FRAGMENT-BOUND-3",
    "!FRAGMENT-RECV-10",
    "!FRAGMENT-RECV-12",
    "!FRAGMENT-RECV-14",
    "!FRAGMENT-RECV-15",
    "!FRAGMENT-RECV-16",
    "!FRAGMENT-RECV-18",
    "!FRAGMENT-RECV-19",
    "!FRAGMENT-RECV-2",
    "!FRAGMENT-RECV-20",
    "!FRAGMENT-RECV-21",
    "!FRAGMENT-RECV-22",
    "!FRAGMENT-RECV-4",
    "!FRAGMENT-RECV-5",
    "!FRAGMENT-RECV-6",
    "!FRAGMENT-RECV-7",
    "!FRAGMENT-RECV-9",
    "!FRAGMENT-SEND-7",
)
def fragments_received(comparison: Comparison) -> None:
    """The target agrees with the reference engine on fragments in all orders and forms, of one or several senders."""
    conversation = comparison.conversation(ALLOW[comparison.version] | Policy.ERROR_START_AKE)
    conversation.start()
    message = conversation.act("peer", "send", text=b"in pieces")[0]
    pieces = fragment(message, len(message) // 4 + 1)
    front = b"?OTR|%08x|%08x," % (0x2B2B, 0x1A1A) if comparison.version == 3 else b"?OTR,"
    plain = [front + b"%d,3,%s," % (k, piece) for k, piece in enumerate((b"he", b"ll", b"o!"), start=1)]
    one, two, three = plain
    odd = [front + text for text in (b"0,3,x,", b"1,0,x,", b"4,3,x,", b"0,0,x,", b"65537,65539,he,", b"2,4,x,")]
    odd += [front + text for text in (b"2,3,,", b"-1,3,x,", b"2,3,x", b"2,3,4,x,", b"65536,65536,x,", b"2,65539,ll,")]
    odd += [b"hello", b"?OTRv?", b"?OTR Error: no", message, b"?OTR:AAMD.", b"?OTR:!.", front + b"1,1,?OTRv4?,"]
    odd += [b"?OTR,2,3,ll,", b"?OTR|2b2b|1a1a,2,3,ll,", b"?OTR|2B2B|1A1A,00002,00003,ll,", b"?OTR|2b2b|0,2,3,ll,"]
    odd += [b"?OTR|2b2b|3c3c,2,3,ll,", b"?OTR|5|1a1a,2,3,ll,", b"?OTR|3c3c|1a1a,1,3,xx,", b"?OTR|2b2b|5,1,1,xx,"]
    odd += [b"?OTR|2b2b|0,1,1,xx,", b"?OTR,1,1,xx,", b"?OTR,1,2,xx,", b"?OTR|3c3c|0,2,3,zz,"]
    for order in (
        (one, two, three),
        (one, three, two),
        (two, three),
        (three,),
        (one, two, two),
        (one, one, two, three),
    ):
        for item in (*order, three):
            conversation.target.receive(item)
    for item in odd:
        for before in ((one,), (one, two), ()):
            for part in (*before, item, two, three, three):
                moment = conversation.target.snapshot() if part == message else None
                conversation.target.receive(part)
                if moment is not None:
                    conversation.target.restore(moment)
    nested = front + b"1,1,%s" % front + b"1,1"
    for part in (nested + b",", front + b"1,1,?OTR|x,", front + b"1,1,?OTR?v2?,"):
        conversation.target.receive(part)
    for piece in (*pieces[:2], *pieces[1:], *pieces, pieces[-1]):
        conversation.target.receive(piece)


@differential("!FRAGMENT-BOUND-1", "!FRAGMENT-SEND-6")
def fragment_limits(comparison: Comparison) -> None:
    """The target agrees with the reference engine on fragments that are too many, too long or of too many senders."""
    target = comparison.target(BOTH)
    front = b"?OTR|2b2b|0," if comparison.version == 3 else b"?OTR,"
    for k in range(1, 5):
        target.receive(front + b"%d,4,%s," % (k, b"x" * 700_000))
    for sender in range(0x100, 0x114):
        target.receive(b"?OTR|%x|0,1,2,x," % sender)
    for sender in range(0x113, 0xFF, -1):
        target.receive(b"?OTR|%x|0,2,2,y," % sender)
    for k in range(1, 301):
        target.receive(front + b"%d,300,x," % k)


@differential(
    "!FRAGMENT-SEND-1",
    "!FRAGMENT-SEND-10",
    "!FRAGMENT-SEND-11",
    "!FRAGMENT-SEND-2",
    "!FRAGMENT-SEND-4",
    "!FRAGMENT-SEND-5",
    "!FRAGMENT-SEND-7",
    "!FRAGMENT-SEND-8",
    "!FRAGMENT-SEND-9",
)
def fragments_sent(comparison: Comparison) -> None:
    """The target agrees with the reference engine on fragmenting its messages and reassembling those of a peer."""
    for size in (64, 200, 500):
        conversation = ComparedConversation(comparison, comparison.target(size=size))
        conversation.join("peer", 0x2B2B, size=size)
        conversation.start("target")
        conversation.exchange_texts(1)
        conversation.start("peer")
    conversation = comparison.conversation()
    conversation.start()
    texts = range(1, 70)
    sizes = {len(conversation.act("target", "send", text=b"x" * size)[0]) for size in texts}
    header = len(b"?OTR|00000000|00000000,00001,00001,,") if comparison.version == 3 else len(b"?OTR,00001,00001,,")
    for size in (*sorted(sizes)[::7], min(sizes) // 2 + header):
        target = comparison.target(size=size)
        other = ComparedConversation(comparison, target)
        other.start()
        for length in texts[::3]:
            other.act("target", "send", text=b"x" * length)


@differential("!COMMIT-FORM-5", "!INSTANCE-MULTI-1", "!INSTANCE-MULTI-2", "!KEYMGMT-ROTATE-2")
def clients(comparison: Comparison) -> None:
    """The target agrees with the reference engine when several clients of one account each have a session."""
    conversation = comparison.conversation(BOTH)
    conversation.join("other", 0xFEED2B02)
    conversation.start("peer")
    conversation.exchange_texts(1)
    conversation.act_and_settle("other", "send", text=b"from the other")
    conversation.act_and_settle("peer", "send", text=b"from the first")
    conversation.act_and_settle("target", "send", text=b"to whom?")
    for name in ("peer", "other"):
        conversation.deliver("target", b"?OTRv%d?" % comparison.version)
        conversation.settle("peer")
        conversation.settle()
        conversation.act_and_settle(name, "send", text=b"once more")
        conversation.act_and_settle("target", "send", text=b"and back")
    for asks in ("other", "peer"):
        conversation.act(asks, "start")
        conversation.settle()
        conversation.act_and_settle(asks, "send", text=b"again")
    for instance in (0x2B2B, 0xFEED2B02, 0x999, 0):
        conversation.act_and_settle("target", "send", text=b"by name", instance=instance)
        conversation.act_and_settle("target", "end", instance=instance)
    conversation.act_and_settle("peer", "send", text=b"from the peer")
    # Both await an answer to the same commit; one answers, and goes on to other keys.
    conversation.start("peer")
    conversation.deliver("target", b"?OTRv%d?" % comparison.version)
    conversation.queues["other"].clear()
    conversation.settle("peer", "target")
    conversation.queues["other"].clear()
    for _ in range(3):
        for party in ("peer", "target"):
            conversation.act(party, "send", text=b"on and on")
            conversation.queues["other"].clear()
            conversation.deliver_next("target" if party == "peer" else "peer")


@differential(
    "!INSTANCE-DISCARD-1",
    "!INSTANCE-DISCARD-2",
    "!INSTANCE-DISCARD-3",
    "!INSTANCE-DISCARD-4",
    "!INSTANCE-LEARN-1",
    "!INSTANCE-MULTI-1",
    "!INSTANCE-RANGE-1",
    "!INSTANCE-REPLY-1",
    "!INSTANCE-ZERO-2",
    "!INSTANCE-ZERO-3",
    "!STATE-ENCRYPTED-1",
    versions=(3,),
)
def tags(comparison: Comparison) -> None:
    """The target agrees with the reference engine on all kinds of messages under all kinds of instance tags."""
    conversation = comparison.conversation()
    query = b"?OTRv3?"
    conversation.deliver("peer", query)
    fragments = (b"?OTR|2b2b|1a1a,1,2,he,", b"?OTR|2b2b|1a1a,2,2,llo,")
    for party, message in conversation.network.deliveries(to=("peer", "target")):
        if party == "target":
            _with_tags(conversation, message, fragments)
        conversation.deliver(party, message)
    _with_tags(conversation, conversation.act("peer", "send", text=b"text")[0], fragments)


def _with_tags(conversation: ComparedConversation, message: bytes, fragments: tuple[bytes, bytes]) -> None:
    parsed = wire.parse(message)
    for sender in (0, 1, 0xFF, 0x100, 0x2B2B, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x1A1A):
        for receiver in (0, 1, 0xFF, 0x100, 0x1A1A, 0xFFFFFFFF):
            moment = conversation.target.snapshot()
            conversation.target.receive(fragments[0])
            changed = parsed.with_value("sender_tag", sender).with_value("receiver_tag", receiver)
            conversation.target.receive(wire.build(changed))
            conversation.target.receive(fragments[1])
            conversation.target.restore(moment)


@differential("!INSTANCE-LEARN-2", versions=(3,))
def many_tags(comparison: Comparison) -> None:
    """The target agrees with the reference engine when there are more sender tags than it keeps sessions for."""
    for established in (False, True):
        conversation = comparison.conversation()
        commit = conversation.deliver("peer", b"?OTRv3?")[0]
        conversation.drop_all()
        if established:
            conversation.start()
            conversation.exchange_texts(1)
        parsed = wire.parse(commit)
        for sender in range(0x200, 0x216):
            conversation.target.receive(wire.build(parsed.with_value("sender_tag", sender)))
        conversation.act("peer", "send", text=b"still there?")
        conversation.settle()
        conversation.deliver("target", b"?OTRv3?")
