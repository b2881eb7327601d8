"""Instance tags: which messages are for us, and sessions with several clients of one peer. [Instance Tags]"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from otterproof.harness import wire
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.builder import FileBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import BOTH, TAG, ClientSession
from otterproof.harness.vectorgen.kinds.mutations import changed
from otterproof.harness.vectorgen.play_builder import Act, Plays, bound, does, gives, hears, nothing
from otterproof.implementations.contract import MAX_INSTANCES

#: Tags that no client may own, and 0 where it is not allowed.
_SMALL = (1, 0x7F, 0xFF)

#: Tags of clients other than ours.
_FOREIGN = (0x100, TAG - 1, TAG + 1, TAG << 8, TAG | 0x80000000, 0xFFFFFFFF)

#: Message -> how to reach the state that expects it, how it is made, what it sends, what it shows.
_MESSAGES: Mapping[str, tuple[Act, Callable[[ClientSession], bytes], tuple[str, ...], tuple[bytes, ...]]] = {
    "dh-commit": (nothing, lambda session: session.insider.commit(), ("dh_key",), ()),
    "dh-key": (ClientSession.query, lambda session: session.insider.dh_key(), ("reveal_signature",), ()),
    "reveal-signature": (
        ClientSession.commit,
        lambda session: session.handshake.reveal_signature(),
        ("signature",),
        (),
    ),
    "signature": (ClientSession.reveal, lambda session: session.signature(), (), ()),
    "data": (ClientSession.begin, lambda session: session.insider.data(b"hello"), (), (b"hello",)),
}


def instance_tags(file: FileBuilder) -> None:
    """Every kind of message with every kind of tag; several sessions at once."""
    for name, (reach, make, sends, shows) in _MESSAGES.items():
        group = file.plays(
            f"v3-{name}",
            f"Tags of a {name} message that is waited for.",
            reach,
            sequel=lambda session, make=make: session.give(make(session)),  # type: ignore[misc]
        )
        _tags(group, name, make, sends, shows)
    for tag in (0x100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        own = file.plays(f"v3-own-{tag:x}", f"Our own tag is {tag:#x}.", instance_tag=tag)
        words = "INSTANCE-OWN-1 INSTANCE-OWN-2 INSTANCE-OWN-5 INSTANCE-RANGE-1 INSTANCE-HEADER-1"
        own.play(
            "commit",
            "our D-H Commit has it, and receiver tag 0",
            f"{words} INSTANCE-ZERO-1",
            gives(b"?OTRv3?"),
            flags="Tags",
        )
        own.play(
            "answer",
            "our D-H Key has both tags",
            f"{words} INSTANCE-REPLY-1",
            lambda session: session.give(session.insider.commit()),
            flags="Tags",
        )
        own.play(
            "handshake", "a whole handshake", f"{words} INSTANCE-REPLY-2", lambda session: session.begin(), flags="Tags"
        )
        own.play(
            "bound",
            "a commit that names us",
            words,
            lambda session: session.give(session.insider.commit(receiver=session.insider.target_tag)),
            flags="Tags",
        )
    _drawn(file)
    _several(file)
    _version_1(file)


def _tags(
    group: Plays, name: str, make: Callable[[ClientSession], bytes], sends: tuple[str, ...], shows: tuple[bytes, ...]
) -> None:
    def with_tag(field: str, tag: int) -> Act:
        if name == "data" and field == "receiver_tag":
            return lambda session: session.give(_authenticated(session, receiver=tag))
        return lambda session: session.give(changed(make(session), lambda one: one.with_value(field, tag)))

    always = "INSTANCE-DISCARD-4 INSTANCE-DISCARD-5"
    for tag in (0, *_SMALL):
        group.play(
            f"sender-{tag:x}",
            f"sender tag {tag:#x} is too small",
            f"INSTANCE-DISCARD-2 {always}",
            with_tag("sender_tag", tag),
            reaction="ignored",
            flags="Tags",
        )
    for tag in _SMALL:
        group.play(
            f"receiver-{tag:x}",
            f"receiver tag {tag:#x} is too small",
            f"INSTANCE-DISCARD-3 {always}",
            with_tag("receiver_tag", tag),
            reaction="ignored",
            flags="Tags",
        )
    for tag in _FOREIGN:
        group.play(
            f"other-{tag:x}",
            f"receiver tag {tag:#x} is another client's",
            f"INSTANCE-DISCARD-1 {always}",
            with_tag("receiver_tag", tag),
            reaction="ignored",
            flags="Tags",
        )
    if name == "dh-commit":
        group.play(
            "receiver-0",
            "receiver tag 0 is for everybody",
            "INSTANCE-ZERO-2",
            with_tag("receiver_tag", 0),
            flags="Tags",
        )
        for tag in (0x100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
            group.play(
                f"sender-{tag:x}",
                f"sender tag {tag:#x}",
                "INSTANCE-RANGE-1 INSTANCE-OWN-1 INSTANCE-REPLY-1",
                with_tag("sender_tag", tag),
                flags="Tags",
            )
        return
    group.play(
        "receiver-0",
        "receiver tag 0 is for the D-H Commit alone",
        f"INSTANCE-ZERO-3 {always}",
        with_tag("receiver_tag", 0),
        reaction="ignored",
        flags="Tags",
        ours="INSTANCE-RECEIVER-ZERO:discard",
        others={"INSTANCE-RECEIVER-ZERO:accept": valid(sends=sends, shows=shows)},
    )
    if name != "data":
        return
    for tag in (0x3C3C, 0xFFFFFFFF):
        group.play(
            f"stranger-{tag:x}",
            "a sender that we have no session with",
            "INSTANCE-MULTI-1 DATA-RECV-9 DATA-RECV-8",
            with_tag("sender_tag", tag),
            reaction="error_message",
            flags="Tags",
        )


def _authenticated(session: ClientSession, receiver: int) -> bytes:
    """A data message with a different receiver tag and a correct MAC."""
    genuine = session.insider.target_tag
    session.insider.target_tag = receiver
    made = session.insider.data(b"hello")
    session.insider.target_tag = genuine
    return made


def _drawn(file: FileBuilder) -> None:
    """Our own tag is drawn, and redrawn while it is too small."""
    group = file.plays("v3-drawn", "Our own tag is drawn.", instance_tag=None)
    group.play("commit", "it is at least 0x100", "INSTANCE-OWN-2 INSTANCE-OWN-4", gives(b"?OTRv3?"), flags="Tags")


def _client(session: ClientSession, tag: int, seed: bytes) -> Insider:
    """Another client of the peer, with the same key."""
    return Insider(published_key("mallory"), session.insider.target_tag, version=3, tag=tag, seed=seed)


def _several(file: FileBuilder) -> None:
    """Several clients of one peer."""

    def two(session: ClientSession) -> None:
        """Sessions with two clients."""
        session.begin()
        other = session.memory["other"] = _client(session, 0x3C3C, b"other")
        session.give(other.commit())
        session.give(other.reveal_signature(session.sent()))

    group = file.plays(
        "v3-two", "Two clients of the correspondent, each with a session.", two, sequel=hears(b"still here")
    )
    multi = "INSTANCE-MULTI-1"
    group.play("hear-first", "a text from the first", multi, hears(b"hello"))
    group.play(
        "hear-second",
        "a text from the second",
        multi,
        lambda session: session.give(session.memory["other"].data(b"hello")),
    )
    group.play("say-first", "a text to the first", multi, does("send", text=b"hi", instance=0x2B2B))
    group.play("say-second", "a text to the second", multi, does("send", text=b"hi", instance=0x3C3C))
    group.play("say-focus", "a text to the client heard last", multi, does("send", text=b"hi"))
    group.play("end-first", "the session with the first ends, the other stays", multi, does("end", instance=0x2B2B))
    group.play(
        "end-strange",
        "a session that does not exist",
        multi,
        does("smp_start", secret=b"x", instance=0x4D4D),
        reaction="refused",
        flags="State",
    )

    def mixed(session: ClientSession) -> None:
        """The first client's message with the second client's tag."""
        session.give(changed(session.insider.data(b"hello"), lambda one: one.with_value("sender_tag", 0x3C3C)))

    group.play(
        "mixed",
        "a message of one under the tag of the other",
        f"{multi} DATA-MAC-2 INSTANCE-LEARN-1",
        mixed,
        reaction="error_message",
        flags="Tags",
    )

    def asked(session: ClientSession) -> None:
        session.query()
        session.memory["other"] = _client(session, 0x3C3C, b"other")

    answers = file.plays("v3-two-answer", "Two clients answer one D-H Commit.", asked)
    first = {"COMMIT-SHARED:first": invalid("ignored", sends=(), shows=())}

    def both(session: ClientSession) -> None:
        session.give(session.insider.dh_key())
        session.give(session.memory["other"].dh_key())

    answers.play(
        "both",
        "each gets a Reveal Signature of its own",
        "INSTANCE-MULTI-1 INSTANCE-MULTI-2",
        both,
        ours="COMMIT-SHARED:each",
        others=first,
    )

    def copied(session: ClientSession) -> None:
        session.give(session.insider.dh_key())
        session.give(changed(session.insider.dh_key(), lambda one: one.with_value("sender_tag", 0x3C3C)))

    answers.play(
        "copied",
        "the same D-H Key under another tag",
        "INSTANCE-LEARN-1 INSTANCE-MULTI-2",
        copied,
        reaction="ignored",
        flags="Tags",
    )

    def crowd(session: ClientSession) -> None:
        for number in range(MAX_INSTANCES):
            session.give(_client(session, 0x1000 + number, b"crowd %d" % number).commit())

    many = file.plays("v3-crowd", "As many clients have committed as are kept.", crowd)
    many.play(
        "one-more",
        "one more: the oldest is forgotten",
        "INSTANCE-LEARN-2",
        lambda session: session.give(session.insider.commit()),
        flags="Tags",
    )
    many.play(
        "again",
        "one of them once more",
        "INSTANCE-LEARN-2",
        bound(0x1003, lambda session, tag: session.give(_client(session, tag, b"crowd 3").commit())),
        flags="Tags",
    )


def _version_1(file: FileBuilder) -> None:
    """Messages of version 1, which is obsolete."""
    group = file.plays("v1", "Messages of version 1.", policy=BOTH)
    for kind, words in ((0x0A, "Key Exchange"), (0x03, "Data")):
        body = (1).to_bytes(2) + bytes([kind]) + bytes(60)
        group.play(
            f"type-{kind:02x}",
            f"a {words} Message of version 1",
            "AKE-V1-1 ARMOUR-PARSE-4",
            gives(wire.armour(body)),
            reaction="ignored",
            flags="Header",
        )
