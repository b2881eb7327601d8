"""User actions in SMP: answers, whole runs, questions, restarts; and SMP outside an encrypted session.
[The SMP state machine]
"""

from __future__ import annotations

from otterproof.harness.vectorgen.builder import FileBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import ClientSession
from otterproof.harness.vectorgen.kinds.smp_functions import MADE
from otterproof.harness.vectorgen.kinds.smp_parts import SECRET, asked, begun, liar_of, ready, value_of
from otterproof.harness.vectorgen.play_builder import Act, bound, does, hears
from otterproof.harness.wire.layers import tlv


def waiting(file: FileBuilder, version: int) -> None:
    """The user has a question to answer."""
    group = file.plays(f"v{version}-asked", "The user is being asked for the secret.", asked, version=version)
    group.play("answer", "message 2 goes out", f"SMP-MSG1-2 SMP-MSG1-3 {MADE[2]}", does("smp_answer", secret=SECRET))
    group.play("answer-empty", "an empty secret", "SMP-SECRET-8 SMP-MSG1-2", does("smp_answer", secret=b""))
    group.play("abort", "the other side gives up", "TLV-SMP-4 SMP-ACTION-2", hears(b"", tlvs=[tlv(6)]))
    group.play("user-aborts", "the user gives up", "SMP-ABORT-2 SMP-ABORT-3", does("smp_abort"))
    group.play(
        "again",
        "a second message 1 takes the place of the first",
        "SMP-MSG1-1 SMP-MSG1-2",
        lambda session: session.hear(b"", tlvs=[tlv(2, value_of(2, session.memory["first"]))]),
        ours="SMP-PENDING:replace",
        others={"SMP-PENDING:abort": invalid("smp_abort", sends=("data",), shows=())},
    )

    def late(session: ClientSession) -> None:
        session.hear(b"", tlvs=[tlv(6)])
        session.do("smp_answer", secret=SECRET)

    group.play(
        "answer-late", "the question does not wait any more", "SMP-TRUST-2", late, reaction="refused", flags="SmpState"
    )
    group.play(
        "user-begins",
        "the user begins: the question is dropped",
        "SMP-BEGIN-1 SMP-BEGIN-5",
        does("smp_start", secret=b"mine"),
    )
    _finishes(file, version)
    _questions(file, version)


def _finishes(file: FileBuilder, version: int) -> None:
    """Whole runs with an insider, for different typed secrets."""
    secrets = {"equal": b"secret", "unequal": b"Secret", "empty": b"", "longer": b"secret "}
    responder = file.plays(f"v{version}-responder", "The client is the responder of a run.", asked, version=version)
    shows = "SMP-RESULT-1 SMP-SECRET-7 SMP-SECRET-8 SMP-MSG3-2 SMP-MSG3-3 SMPMATH-TEST-1 SMP-EXPECT-9"

    def responds(typed: bytes) -> Act:
        def act(session: ClientSession) -> None:
            session.do("smp_answer", secret=typed)
            numbers = session.memory["liar"].message_3(session.insider.smp_numbers(session.sent(), 3))
            session.hear(b"", tlvs=[tlv(4, value_of(4, numbers))])

        return act

    for name, typed in secrets.items():
        unequal = {"SMP-UNEQUAL:abort": valid(sends=("data",), shows=())} if typed != SECRET else {}
        responder.play(
            name,
            f"the user types {typed!r}",
            shows,
            responds(typed),
            ours="SMP-UNEQUAL:message" if unequal else "",
            others=unequal,
        )
    initiator = file.plays(
        f"v{version}-initiator",
        "The client is the initiator of a run.",
        lambda session: session.begin(),
        version=version,
    )
    shows = "SMP-RESULT-1 SMP-SECRET-7 SMP-MSG4-2 SMPMATH-TEST-2 SMP-EXPECT-9"

    def initiates(typed: bytes) -> Act:
        def act(session: ClientSession) -> None:
            session.do("smp_start", secret=typed)
            smp_peer = liar_of(session, False)
            second = smp_peer.message_2(session.insider.smp_numbers(session.sent(), 2))
            session.hear(b"", tlvs=[tlv(3, value_of(3, second))])
            fourth = smp_peer.message_4(session.insider.smp_numbers(session.sent(), 4))
            session.hear(b"", tlvs=[tlv(5, value_of(5, fourth))])

        return act

    for name, typed in secrets.items():
        initiator.play(name, f"the user types {typed!r}", shows, initiates(typed))


def _questions(file: FileBuilder, version: int) -> None:
    """Type 7 TLVs."""
    group = file.plays(f"v{version}-question", "SMP message 1 with a question.", ready, version=version)
    shows = "TLV-SMP-5 SMP-MSG1-4 SMP-EXPECT-3 SMP-TRUST-1" if version == 3 else "SMP-EXPECT-2"
    ignored = {"SMP-V2-QUESTION:ignore": valid(sends=(), shows=())} if version == 2 else {}
    ours = "SMP-V2-QUESTION:use" if version == 2 else ""
    for name, question in {
        "word": b"Where did we meet?",
        "empty": b"",
        "utf-8": "Wo wären wir?".encode(),
        "long": b"q" * 1000,
        "high": b"\xff\xfe",
    }.items():
        group.play(
            name,
            f"the question {question[:20]!r}",
            shows,
            bound(
                question,
                lambda session, question: session.hear(
                    b"", tlvs=[tlv(7, question + b"\0" + value_of(2, session.memory["next"]))]
                ),
            ),
            ours=ours,
            others=ignored,
        )
        group.play(
            f"sent-{name}",
            f"the client asks {question[:20]!r}",
            shows,
            does("smp_start", secret=SECRET, question=question),
        )
    shows = "TLV-SMP-6 SMP-ABORT-1" if version == 3 else "SMP-ABORT-1"
    for name, value in {"no-nul": b"Where?", "nothing-after": b"Where?\0", "empty": b"", "nul": b"\0"}.items():
        group.play(
            f"broken-{name}",
            "there is no message 1 after the question",
            shows,
            hears(b"", tlvs=[tlv(7, value)]),
            reaction="smp_abort",
            flags="SmpForm",
            ours=ours,
            others=ignored,
        )
    group.play(
        "sent-nul",
        "a question with a NUL is refused",
        "SMP-MSG1-4" if version == 3 else "SMP-BEGIN-1",
        does("smp_start", secret=SECRET, question=b"a\0b"),
        reaction="refused",
        flags="SmpForm",
    )


def elsewhere(file: FileBuilder, version: int) -> None:
    """SMP outside an encrypted session."""
    group = file.plays(f"v{version}-plaintext", "SMP in PLAINTEXT.", version=version)
    for name, act in {
        "start": does("smp_start", secret=SECRET),
        "answer": does("smp_answer", secret=SECRET),
        "abort": does("smp_abort"),
    }.items():
        group.play(name, "there is no session", "SMP-STATE-1", act, reaction="refused", flags="State")

    def again(session: ClientSession) -> None:
        """A new handshake in the middle of a run, followed by the message that was expected."""
        session.commit()
        session.give(session.handshake.reveal_signature())
        session.hear(b"", tlvs=[tlv(3, value_of(3, session.memory["next"]))])

    rehandshake = file.plays(
        f"v{version}-rehandshake", "A new handshake completes while a run is under way.", begun, version=version
    )
    rehandshake.play(
        "message-2",
        "the run does not go on",
        "SMP-STATE-4 SMP-STATE-3",
        again,
        reaction="smp_abort",
        flags="SmpState",
        ours="SMP-REHANDSHAKE:drop",
        others={"SMP-REHANDSHAKE:keep": valid(sends=("data",), shows=())},
    )


def users(file: FileBuilder, version: int) -> None:
    """Runs that the user starts."""
    group = file.plays(f"v{version}-begin", "The user begins.", lambda session: session.begin(), version=version)
    for name, secret in {
        "word": b"secret",
        "empty": b"",
        "nul": b"a\0b",
        "long": b"s" * 1000,
        "high": b"\xff\xfe",
    }.items():
        group.play(
            f"secret-{name}",
            f"the secret {secret[:10]!r}",
            f"SMP-BEGIN-1 SMP-BEGIN-2 SMP-SECRET-8 TLV-SMP-1 TLV-SMP-7 TLV-SMP-9 {MADE[1]}",
            does("smp_start", secret=secret),
        )
    both = file.plays(f"v{version}-both", "Both begin at once.", begun, version=version)

    def crossed(session: ClientSession) -> None:
        numbers = liar_of(session, True).message_1()
        session.hear(b"", tlvs=[tlv(2, value_of(2, numbers))])

    both.play(
        "crossed",
        "their message 1 comes in EXPECT2",
        "SMP-BEGIN-5 SMP-MSG1-1",
        crossed,
        reaction="smp_abort",
        flags="SmpState",
    )
