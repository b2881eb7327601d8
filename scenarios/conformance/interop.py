"""Conversations of honest users: the target and the reference engine interoperate in everything that OTR offers."""

from __future__ import annotations

from otterproof.harness.testkit.context import PEER, TARGET, Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.implementations.contract import OutgoingMessage


@scenario(requirements=("AKE-OUTLINE-1", "AKE-BOTH-1", "DERIVE-SSID-2"))
def handshake_asked_by_target(context: Context) -> None:
    """The target sends a query, the peer begins the handshake, and both end up in the same session."""
    context.pair().establish(TARGET)


@scenario(requirements=("AKE-OUTLINE-1", "AKE-BOTH-1", "QUERY-ANSWER-1"))
def handshake_asked_by_peer(context: Context) -> None:
    """The peer sends a query, the target begins the handshake, and both end up in the same session."""
    context.pair().establish(PEER)


@scenario(requirements=("KEYMGMT-ROTATE-1", "DATA-RECV-2", "DATA-RECV-3", "DERIVE-DATA-3"))
def alternating_data_messages(context: Context) -> None:
    """A hundred alternating Data Messages arrive, each of which changes keys."""
    pair = context.pair()
    pair.establish(TARGET)
    for number in range(50):
        pair.say(TARGET, b"message %d from the target" % number)
        pair.say(PEER, b"message %d from the peer" % number)


@scenario(requirements=("KEYMGMT-SEND-4", "DATA-CTR-1"))
def one_sided_data_messages(context: Context) -> None:
    """Many Data Messages in one direction arrive, all under one pair of keys."""
    pair = context.pair()
    pair.establish(PEER)
    for name in (TARGET, PEER):
        for number in range(20):
            pair.say(name, b"message %d from %s" % (number, name.encode()))


@scenario(requirements=("DATA-TEXT-1", "DATA-TEXT-2"))
def texts_of_all_sizes(context: Context) -> None:
    """A text of one byte, a non-ASCII text and a long text arrive unchanged."""
    pair = context.pair()
    pair.establish(TARGET)
    for text in (
        b"x",
        "Otter \u00fc\u4e2d \U0001f9a6".encode(),
        b"<b>bold</b> &amp;",
        b"?OTR is only text here",
        b"long " * 2000,
    ):
        pair.say(PEER, text)
        with context.where_possible():
            pair.say(TARGET, text)


@scenario(needs=("smp",), peer_needs=("smp",), requirements=("SMPMATH-TEST-1", "SMPMATH-TEST-2", "SMP-BEGIN-1"))
def smp_equal(context: Context) -> None:
    """SMP begun by either side with equal secrets succeeds on both sides."""
    pair = context.pair()
    pair.establish(TARGET)
    pair.smp(TARGET, b"the same secret", b"the same secret")
    pair.smp(PEER, "geheimnis \u00fc".encode(), "geheimnis \u00fc".encode())


@scenario(needs=("smp",), peer_needs=("smp",), requirements=("!SMPMATH-TEST-1", "!SMPMATH-TEST-2"))
def smp_unequal(context: Context) -> None:
    """SMP begun by either side with unequal secrets fails on both sides, and can be tried again."""
    pair = context.pair()
    pair.establish(PEER)
    pair.smp(TARGET, b"one secret", b"another")
    pair.smp(PEER, b"one secret", b"another")
    pair.smp(PEER, b"one secret", b"one secret")


@scenario(needs=("smp", "smp_question"), peer_needs=("smp", "smp_question"), requirements=("TLV-SMP-5", "SMP-BEGIN-1"))
def smp_with_question(context: Context) -> None:
    """SMP with a question: the question arrives as asked, and the outcome is the same on both sides."""
    pair = context.pair()
    pair.establish(TARGET)
    pair.smp(TARGET, b"blue", b"blue", "What colour is the sky \u2014 today?".encode())
    pair.smp(PEER, b"blue", b"grey", b"And now?")


@scenario(
    versions=(3,),
    needs=("extra_key",),
    peer_needs=("extra_key",),
    requirements=("EXTRA-KEY-1", "TLV-EXTRA-1", "TLV-EXTRA-2"),
)
def extra_symmetric_key(context: Context) -> None:
    """The extra symmetric key is the same on both sides, before and after a change of keys."""
    pair = context.pair()
    pair.establish(TARGET)
    pair.extra_key(TARGET, 1, b"a file")
    pair.say(PEER, b"in between")
    pair.extra_key(PEER, 0xFFFFFFFF, b"")


@scenario(needs=("fragmentation_out",), requirements=("FRAGMENT-SEND-8", "FRAGMENT-SEND-9", "FRAGMENT-SEND-5"))
def fragments_from_target(context: Context) -> None:
    """With small message sizes, the target's messages, including handshakes, arrive in fragments."""
    for size in (150, 600):
        with context.case(f"size {size}"):
            pair = context.pair(max_message_size=size)
            pair.establish(TARGET)
            pair.say(TARGET, b"from the target " * 20)
            pair.say(PEER, b"from the peer " * 20)
            encoded = [e.message for e in pair.events(0, TARGET, OutgoingMessage) if not e.message.startswith(b"?OTRv")]
            longest = max(map(len, encoded))
            check("fragment.too-long", longest <= size, expected=f"at most {size} bytes", got=longest)
            pieces = [message for message in encoded if message.startswith((b"?OTR|", b"?OTR,"))]
            check(
                "fragment.not-used",
                bool(pieces),
                got=f"{len(encoded)} messages, all of them whole",
                case=f"{size} bytes",
            )


@scenario(peer_needs=("fragmentation_out",), requirements=("FRAGMENT-RECV-1", "FRAGMENT-RECV-13"))
def fragments_to_target(context: Context) -> None:
    """The target reassembles fragments of several sizes."""
    for size in (64, 100, 333, 1000):
        with context.case(f"size {size}"):
            pair = context.pair(peer_max_message_size=size)
            pair.establish(PEER)
            pair.say(PEER, b"from the peer " * 20)
            pair.say(TARGET, b"from the target " * 20)


@scenario(requirements=("USER-END-3", "TLV-END-2", "AKE-FRESH-1"))
def reconnect_after_the_end(context: Context) -> None:
    """Each side in turn ends the conversation and the other is told; a new handshake makes a new session."""
    pair = context.pair()
    for ends in (TARGET, PEER):
        pair.establish(TARGET)
        pair.say(TARGET, b"before the end")
        pair.say(PEER, b"before the end, too")
        pair.end(ends)
        pair.act_and_settle(pair.other(ends), "end")
    pair.establish(PEER)
    pair.say(TARGET, b"and again")


@scenario(requirements=("QUERY-ANSWER-7", "STATE-ENCRYPTED-4"))
def handshake_while_encrypted(context: Context) -> None:
    """A query in an encrypted conversation leads to a new session; texts before and after arrive."""
    pair = context.pair()
    pair.establish(TARGET)
    pair.say(TARGET, b"before")
    pair.establish(PEER)
    pair.say(PEER, b"after")
    pair.say(TARGET, b"after, too")
