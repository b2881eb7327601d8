"""Policies, message states, and user actions. [Policies, The protocol state machine]"""

from __future__ import annotations

from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.builder import FileBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import ALLOW, ClientSession, ended
from otterproof.harness.vectorgen.play_builder import Act, does, gives, nothing
from otterproof.implementations.contract import RECENT, Policy


def policies(file: FileBuilder) -> None:
    """Each flag in each message state, stored texts, session ends."""
    for version in (2, 3):
        _states(file, version)
        _stored(file, version)
        _ends(file, version)
    _off(file)
    _combinations(file)


def _states(file: FileBuilder, version: int) -> None:
    """User actions and unencrypted messages in each message state."""
    group = file.plays(f"v{version}-plaintext", "PLAINTEXT.", version=version)
    group.play(
        "send",
        "a text goes out as it is",
        "STATE-PLAINTEXT-1 STATE-PLAINTEXT-2 USER-SEND-2",
        does("send", text=b"hello"),
    )
    group.play(
        "receive", "a text is shown without a warning", "STATE-CLEAR-1 STATE-CLEAR-3 STATE-CLEAR-6", gives(b"hello")
    )
    group.play("receive-nul", "whatever its bytes", "STATE-CLEAR-1", gives(b"a\0b\xff"))
    group.play("end", "ending does nothing", "USER-END-1", does("end"))
    group.play("start", "a query", "USER-START-1", does("start"))
    required = file.plays(
        f"v{version}-required",
        "PLAINTEXT under REQUIRE_ENCRYPTION.",
        version=version,
        policy=ALLOW[version] | Policy.REQUIRE_ENCRYPTION,
    )
    required.play(
        "send",
        "the text is stored, a query goes out",
        "USER-SEND-1 USER-STORED-2 POLICY-REQUIRE-1",
        does("send", text=b"secret"),
    )
    required.play(
        "send-two",
        "two texts are stored",
        "USER-SEND-1 POLICY-REQUIRE-1",
        lambda session: (session.do("send", text=b"one"), session.do("send", text=b"two")),
    )
    required.play("receive", "a text is shown with a warning", "STATE-CLEAR-2", gives(b"hello"))
    live = file.plays(f"v{version}-encrypted", "ENCRYPTED.", lambda session: session.begin(), version=version)
    live.play("send", "a Data Message", "STATE-ENCRYPTED-1 USER-SEND-6 STATE-SECRECY-1", does("send", text=b"hello"))
    live.play(
        "receive",
        "text in the clear is shown with a warning",
        "STATE-CLEAR-4 STATE-CLEAR-5 STATE-CLEAR-6",
        gives(b"hello"),
    )
    live.play("start", "a query, in the clear; the session stays", "USER-START-1 USER-START-2", does("start"))

    def meanwhile(session: ClientSession) -> None:
        session.commit()
        session.do("send", text=b"still secret")

    live.play(
        "handshake-send", "a text in the midst of a new handshake", "STATE-ENCRYPTED-3 STATE-SECRECY-1", meanwhile
    )
    forbid = lambda session: (session.do("set_policy", policy=Policy.NONE), session.do("send", text=b"still secret"))  # noqa: E731
    live.play(
        "forbidden-send",
        "the policy forbids everything now: the session goes on",
        "STATE-ENCRYPTED-1 STATE-SECRECY-1",
        forbid,
    )
    finished = file.plays(f"v{version}-finished", "FINISHED.", ended, version=version)
    finished.play(
        "send",
        "nothing is sent, the user is told, the text is stored",
        "STATE-FINISHED-1 USER-SEND-8 USER-SEND-9 USER-SEND-10",
        does("send", text=b"secret"),
        reaction="refused",
        flags="Unsent",
    )
    finished.play(
        "receive", "text in the clear is shown with a warning", "STATE-CLEAR-4 STATE-CLEAR-5", gives(b"hello")
    )
    finished.play("end", "PLAINTEXT, and nothing is sent", "USER-END-4 STATE-PLAINTEXT-3", does("end"))
    finished.play(
        "end-send",
        "and then texts go out in the clear",
        "USER-END-4 STATE-PLAINTEXT-2",
        lambda session: (session.do("end"), session.do("send", text=b"hello")),
    )
    finished.play("start", "a query", "USER-START-1", does("start"))


def _stored(file: FileBuilder, version: int) -> None:
    """Texts stored until a handshake completes."""
    policy = ALLOW[version] | Policy.REQUIRE_ENCRYPTION

    def typed(*texts: bytes) -> Act:
        return lambda session: [session.do("send", text=text) for text in texts]

    shows = "USER-STORED-1 USER-STORED-2 POLICY-REQUIRE-1"
    one = file.plays(f"v{version}-stored", "A text waits.", typed(b"wait"), version=version, policy=policy)
    one.play(
        "begun",
        "it goes out after the Signature Message",
        f"{shows} REVEAL-ACCEPT-5",
        lambda session: session.begin(),
        flags="Unsent",
    )
    one.play(
        "answered",
        "it goes out when the Signature Message has come",
        f"{shows} SIG-ACCEPT-4",
        lambda session: session.answer(),
        flags="Unsent",
    )

    def at(now: int) -> Act:
        def act(session: ClientSession) -> None:
            session.commit()
            session.time(now)
            session.give(session.handshake.reveal_signature())

        return act

    late = {"USER-RECENT:any": valid(sends=("signature", "data"), shows=())}
    one.play(
        "recent", f"after {RECENT} seconds it is still recent", f"{shows} REVEAL-ACCEPT-5", at(RECENT), flags="Unsent"
    )
    one.play(
        "late",
        f"after {RECENT + 1} seconds it is not",
        "USER-STORED-3 USER-STORED-6",
        at(RECENT + 1),
        flags="Unsent",
        ours="USER-RECENT:window",
        others=late,
    )

    def twice(session: ClientSession) -> None:
        session.begin()
        session.begin()

    one.play(
        "once",
        "a second handshake does not send it again",
        "USER-STORED-5 USER-SEND-7 USER-STORED-1",
        twice,
        flags="Unsent",
        ours="USER-RESEND:drop",
        others={"USER-RESEND:resend": valid(sends=("signature", "data"), shows=())},
    )
    one.play(
        "error",
        "an Error Message sends nothing",
        "ERROR-RESEND-1 USER-STORED-2",
        gives(b"?OTR Error: no"),
        flags="Unsent",
    )
    several = file.plays(
        f"v{version}-stored-two", "Two texts wait.", typed(b"one", b"two"), version=version, policy=policy
    )
    several.play(
        "begun",
        "both go out, in order",
        shows,
        lambda session: session.begin(),
        flags="Unsent",
        ours="USER-STORED-COUNT:all",
        others={"USER-STORED-COUNT:last": valid(sends=("signature", "data"), shows=())},
    )

    def left(session: ClientSession) -> None:
        ended(session)
        session.do("send", text=b"wait")

    finished = file.plays(
        f"v{version}-stored-finished", "A text that was typed in FINISHED waits.", left, version=version
    )
    finished.play(
        "same",
        "a handshake with the same correspondent",
        "USER-STORED-1 USER-SEND-9 STATE-FINISHED-3",
        lambda session: session.begin(),
        flags="Unsent",
    )

    def stranger(session: ClientSession) -> None:
        session.insider.key = published_key("carol")
        session.begin()

    finished.play(
        "stranger",
        "a handshake with another key: it is not for that correspondent",
        "USER-STORED-4 ERROR-RESEND-1",
        stranger,
        flags="Unsent",
        ours="USER-STORED-KEY:same",
        others={"USER-STORED-KEY:any": valid(sends=("signature", "data"), shows=())},
    )

    def reflected(session: ClientSession) -> None:
        session.insider.key = published_key("alice")
        session.begin()

    own = file.plays(f"v{version}-own-key", "A correspondent with our own long-term key.", version=version)
    own.play(
        "begun",
        "the insider is accepted, and shown with that fingerprint",
        "AKE-REFLECT-2",
        reflected,
        ours="AKE-REFLECTION:accept",
        others={"AKE-REFLECTION:reject": invalid("ignored", sends=(), shows=())},
    )


def _ends(file: FileBuilder, version: int) -> None:
    live = file.plays(
        f"v{version}-end",
        "The user ends the session.",
        lambda session: (session.begin(), session.hear(b"hi"), session.say()),
        version=version,
    )
    live.play(
        "end",
        "a Data Message with a type 1 TLV, then PLAINTEXT",
        "USER-END-2 USER-END-3 STATE-PLAINTEXT-3",
        does("end"),
        ours="USER-END-FLAG:set",
        others={"USER-END-FLAG:clear": valid(sends=("data",), shows=())},
    )
    live.play(
        "end-hear",
        "messages under the old keys are not read any more",
        "USER-END-5 DATA-RECV-8",
        lambda session: (session.do("end"), session.hear(b"hello")),
        reaction="error_message",
        flags="State",
        ours="DATA-UNREADABLE-REPLY:reply",
        others={"DATA-UNREADABLE-REPLY:notice": invalid("reported", sends=(), shows=())},
    )
    live.play(
        "end-send",
        "texts go out in the clear",
        "STATE-PLAINTEXT-2 STATE-PLAINTEXT-3",
        lambda session: (session.do("end"), session.do("send", text=b"hello")),
    )
    live.play(
        "end-end", "a second end does nothing", "USER-END-1", lambda session: (session.do("end"), session.do("end"))
    )


def _off(file: FileBuilder) -> None:
    """No version is allowed."""
    group = file.plays("off", "No version is allowed: nothing is special.", policy=Policy.NONE)
    for name, message in {
        "text": b"hello",
        "query": b"?OTRv23?",
        "error": b"?OTR Error: x",
        "encoded": b"?OTR:AAMD.",
        "fragment": b"?OTR,1,1,x,",
        "tag": b"a \t  \t\t\t\t \t \t \t    \t\t  \t ",
    }.items():
        group.play(f"receive-{name}", "it is shown as it came", "POLICY-OFF-1", gives(message))
        group.play(f"send-{name}", "it goes out as it is", "POLICY-OFF-1", does("send", text=message))
    for name, more in {"required": Policy.REQUIRE_ENCRYPTION, "tag": Policy.SEND_WHITESPACE_TAG}.items():
        other = file.plays(f"off-{name}", "No version is allowed; another flag is set.", policy=more)
        other.play("send", "the flag has no effect", "POLICY-OFF-1 POLICY-SET-1", does("send", text=b"hello"))


def _combinations(file: FileBuilder) -> None:
    """Every combination of the allowed versions and of the three flags that start something."""
    for versions in ((2,), (3,), (2, 3)):
        for number in range(8):
            flags = [Policy.WHITESPACE_START_AKE, Policy.ERROR_START_AKE, Policy.SEND_WHITESPACE_TAG]
            policy = Policy.NONE
            for version in versions:
                policy |= ALLOW[version]
            for place, flag in enumerate(flags):
                if number >> place & 1:
                    policy |= flag
            name = "".join(map(str, versions)) + f"-{number:03b}"
            group = file.plays(f"set-{name}", f"A policy: {policy!r}.", nothing, policy=policy)
            group.play("send", "a text", "POLICY-SET-1 POLICY-TAG-1", does("send", text=b"hello"))
            group.play("error", "an Error Message", "POLICY-SET-1 POLICY-ERROR-1", gives(b"?OTR Error: x"))
            group.play("query", "a query for both versions", "POLICY-SET-1 POLICY-V2-1 POLICY-V3-1", gives(b"?OTRv23?"))
            for version in (2, 3):
                allowed = version in versions
                group.play(
                    f"commit-{version}",
                    f"a version {version} D-H Commit",
                    f"POLICY-V{version}-1 {'COMMIT-NONE-1' if allowed else f'COMMIT-POLICY-{version - 1}'}",
                    gives(_commit(version)),
                    reaction="" if allowed else "ignored",
                    flags="" if allowed else "Policy",
                )


def _commit(version: int) -> bytes:
    return Insider(published_key("mallory"), 0x1A1A, version=version, seed=b"policies").commit()
