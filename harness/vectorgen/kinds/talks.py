"""Whole conversations from each party's point of view, with all intermediate values; ratchets under loss, repetition
and reordering. [Overview, Key Management]
"""

from __future__ import annotations

from collections.abc import Mapping

from otterproof.harness.testkit.insider import SignatureOptions
from otterproof.harness.vectorgen.builder import FileBuilder
from otterproof.harness.vectorgen.client_session import ClientSession
from otterproof.harness.vectorgen.conversation import ALICE, BOB, Talk
from otterproof.harness.vectorgen.play_builder import Act, Plays, hears
from otterproof.implementations.contract import Policy
from otterproof.implementations.entropy import SeededEntropy

_HANDSHAKE = "AKE-OUTLINE-1 AKE-OUTLINE-2 AKE-BOTH-1 AKE-FRESH-1 KEYMGMT-START-1 KEYMGMT-AKE-1 STATE-ENCRYPTED-2"
_TALKING = (
    "KEYMGMT-KEEP-1 KEYMGMT-ROTATE-1 KEYMGMT-ROTATE-3 KEYMGMT-RECV-10 DATA-KEYID-2 DATA-NEXT-1 DATA-RECV-3 DATA-RECV-13"
)


def conversations(file: FileBuilder) -> None:
    """Handshakes from both sides, texts, SMP, the extra key, refreshes, ends."""
    for version in (2, 3):
        _handshakes(file, version)
        _smp(file, version)
        _ends(file, version)
    _others(file)


def _handshakes(file: FileBuilder, version: int) -> None:
    for asks in (ALICE, BOB):
        talk = Talk(file, f"v{version}-{asks}-asks", version, deep=True)
        talk.start(asks)
        talk.rounds(3)
        talk.write(
            f"{asks} asks for a private conversation, and six texts follow", f"{_HANDSHAKE} {_TALKING} STATE-NETWORK-1"
        )
    talk = Talk(file, f"v{version}-refresh", version, deep=True)
    talk.start()
    talk.rounds(1)
    talk.start(BOB)
    talk.rounds(1)
    talk.write(
        "a second handshake over the first session",
        f"{_HANDSHAKE} STATE-ENCRYPTED-4 KEYMGMT-AKE-3 MACREVEAL-END-1 KEYS-SIG-6",
    )
    talk = Talk(file, f"v{version}-both-ask", version, deep=True)
    talk.act(ALICE, "start")
    talk.act(BOB, "start")
    talk.settle()
    talk.rounds(1)
    talk.write("both ask at once, and both commit", f"{_HANDSHAKE} COMMIT-DHKEY-7 QUERY-ANSWER-8")
    if version == 3:
        talk = Talk(file, "v3-fragments", 3, deep=True, max_message_size=200)
        talk.start()
        talk.rounds(1)
        talk.write(
            "every message goes out in fragments",
            f"{_HANDSHAKE} FRAGMENT-SEND-9 FRAGMENT-RECV-1 FRAGMENT-RECV-13 INSTANCE-MULTI-3",
        )


def _smp(file: FileBuilder, version: int) -> None:
    for name, secret, answer in (("equal", b"secret", b"secret"), ("unequal", b"secret", b"Secret")):
        talk = Talk(file, f"v{version}-smp-{name}", version, deep=True)
        talk.start()
        talk.do(ALICE, "smp_start", secret=secret)
        talk.do(BOB, "smp_answer", secret=answer)
        talk.say(BOB, b"done")
        talk.write(
            f"SMP with {name} secrets", "SMP-RESULT-1 SMP-SECRET-7 SMP-USE-1 SMP-STATE-3 SMP-EXPECT-9 SMP-MSG3-2"
        )
    talk = Talk(file, f"v{version}-smp-question", version, deep=True)
    talk.start(BOB)
    talk.do(BOB, "smp_start", secret=b"Vienna", question=b"Where did we meet?")
    talk.say(ALICE, b"let me think")
    talk.do(ALICE, "smp_answer", secret=b"Vienna")
    talk.do(ALICE, "smp_start", secret=b"again")
    talk.do(BOB, "smp_abort")
    talk.write(
        "SMP with a question, texts in between, then a second run that is aborted",
        "SMP-STATE-3 SMP-EXPECT-9 SMP-ABORT-2 SMP-BEGIN-1",
    )


def _ends(file: FileBuilder, version: int) -> None:
    talk = Talk(file, f"v{version}-ends", version, deep=True)
    talk.start()
    talk.rounds(2)
    talk.do(ALICE, "end")
    talk.do(BOB, "send", text=b"are you there?")
    talk.do(BOB, "end")
    talk.start(BOB)
    talk.rounds(1)
    talk.write(
        "alice ends, bob ends, and a second session begins",
        "USER-END-2 USER-END-4 STATE-FINISHED-1 STATE-PLAINTEXT-3 MACREVEAL-END-1",
    )


def _others(file: FileBuilder) -> None:
    talk = Talk(file, "v3-extra-key", 3, deep=True)
    talk.start()
    talk.do(ALICE, "extra_key", use=1, data=b"file")
    talk.rounds(1)
    talk.do(BOB, "extra_key", use=2, data=b"")
    talk.write("the extra symmetric key, asked for by each side", "EXTRA-KEY-1 EXTRA-KEY-2 EXTRA-KEY-3 EXTRA-KEY-4")
    talk = Talk(file, "both-versions", None, deep=True)
    talk.start()
    talk.rounds(1)
    talk.write("both allow both versions: version 3 is chosen", f"{_HANDSHAKE} QUERY-ANSWER-2")
    policy = Policy.ALLOW_V3 | Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE
    talk = Talk(file, "v3-tag", 3, deep=True, policy=policy)
    talk.say(ALICE, b"hello")
    talk.rounds(1)
    talk.write("a whitespace tag leads to a handshake", f"{_HANDSHAKE} TAG-ANSWER-1 TAG-START-1 TAG-START-4")
    policy = Policy.ALLOW_V3 | Policy.REQUIRE_ENCRYPTION
    talk = Talk(file, "v3-required", 3, deep=True, policy=policy)
    talk.say(ALICE, b"for your eyes only")
    talk.rounds(1)
    talk.write(
        "a text that waits for encryption",
        f"{_HANDSHAKE} USER-SEND-1 USER-STORED-1 USER-STORED-2 POLICY-REQUIRE-1 SIG-ACCEPT-4 REVEAL-ACCEPT-5",
    )


# ---- ratchets --------------------------------------------------------------------------------------------------------


def ratchet(file: FileBuilder) -> None:
    """Two clients on a bad network, and one client facing an insider who uses arbitrary keys."""
    for version in (2, 3):
        for name, pattern in _PATTERNS.items():
            _bad_network(file, version, name, pattern)
        for seed in range(4):
            _random_network(file, version, seed)
        _insider(file, version)


#: The fate of the texts: name -> for each text, who sends it and whether it is lost, repeated, or held back.
_PATTERNS = {
    "first-lost": "a- a b a",
    "all-of-one-lost": "a b- b- b- a b a b",
    "every-second-lost": "a b- a- b a b- a- b",
    "crossing": "a> b> < < a b",
    "run-then-answer": "a a a a b a",
    "late-run": "a> a> a> b < < < b a",
    "repeated": "a b+ a+ b",
    "answer-lost": "a b- a b- a b",
    "one-sided": "a a a a a a a a",
    "long": "a b a b a b a b a b a b a b a b",
}


def _bad_network(file: FileBuilder, version: int, name: str, pattern: str) -> None:
    """Pattern: `a`: alice sends a text; `-`: it is lost; `+`: it arrives twice; `>`: it is held back; `<`: the oldest
    text held back arrives.
    """
    talk = Talk(file, f"v{version}-{name}", version)
    talk.start()
    held: list[str] = []
    repeated = 0
    for number, sign in enumerate(pattern.split()):
        if sign == "<":
            talk.deliver(held.pop(0))
            continue
        speaker = ALICE if sign[0] == "a" else BOB
        listener = talk.other(speaker)
        talk.act(speaker, "send", text=b"%s %d" % (speaker.encode(), number))
        if sign.endswith("-"):
            talk.lose(listener)
        elif sign.endswith("+"):
            talk.repeat(listener)
            repeated += 1
            talk.settle()
        elif sign.endswith(">"):
            held.append(listener)
        else:
            talk.deliver(listener, -1 if held else 0)
    talk.settle()
    talk.rounds(1)
    shows = f"{_TALKING} KEYMGMT-ROTATE-6 STATE-NETWORK-1 KEYMGMT-RECV-8 KEYMGMT-SEND-4 ROBUST-LOOP-2"
    talk.write(f"texts on a bad network: {pattern}", shows, flags="Ratchet", unreadable=talk.unreadable())


def _random_network(file: FileBuilder, version: int, seed: int) -> None:
    """Forty random moves: texts, arrivals, losses."""
    talk = Talk(file, f"v{version}-random-{seed}", version)
    talk.start()
    drawn = SeededEntropy(b"network %d" % seed).draw("moves", version, 40)
    for number, move in enumerate(drawn):
        name = (ALICE, BOB)[move & 1]
        waiting = talk.waiting(name)
        if move & 6 == 0 and waiting:
            talk.lose(name)
        elif move & 4 and waiting:
            talk.deliver(name)
        else:
            talk.act(name, "send", text=b"%d" % number)
    talk.settle()
    talk.rounds(1)
    talk.write(
        "forty moves drawn at random",
        f"{_TALKING} KEYMGMT-ROTATE-6 STATE-NETWORK-1 ROBUST-LOOP-2",
        flags="Ratchet",
        unreadable=talk.unreadable(),
    )


def _grown(session: ClientSession) -> None:
    """Each side has used three keys."""
    session.begin()
    for number in range(3):
        session.hear(b"hear %d" % number)
        session.say(b"say %d" % number)


def _insider(file: FileBuilder, version: int) -> None:
    reaches: Mapping[str, Act] = {"grown": _grown, "fresh": lambda session: session.begin()}
    for name, reach in reaches.items():
        group = file.plays(
            f"v{version}-{name}",
            "Data Messages under live, old and coming keys.",
            reach,
            version=version,
            sequel=hears(b"still here"),
        )
        _pairs(group, name == "fresh")
    first = file.plays(
        f"v{version}-no-previous",
        "The handshake's key has id 5.",
        lambda session: session.begin(SignatureOptions(keyid=5)),
        version=version,
        sequel=hears(b"still here"),
    )
    first.play(
        "previous",
        "the id before it, which no key has had",
        "KEYMGMT-RECV-4",
        hears(b"hello", sender_keyid=4),
        reaction="error_message",
        flags="KeyId",
    )
    first.play("own", "its own id", "KEYMGMT-RECV-1 REVEAL-SIG-4", hears(b"hello"), flags="KeyId")


def _pairs(group: Plays, fresh: bool) -> None:
    """A message under every pair of keys around the current ones."""
    read = "KEYMGMT-RECV-1 KEYMGMT-RECV-8 KEYMGMT-ROTATE-4 KEYMGMT-KEEP-1"
    gone = "KEYMGMT-ROTATE-7 KEYMGMT-RECV-2 KEYMGMT-RECV-3 KEYMGMT-ROTATE-2 DATA-RECV-10"
    for sender in (-2, -1, 0):
        for recipient in (-2, -1, 0):
            # Ids as the insider counts: 0 is its newest key in use, and the newest client key it knows.
            alive = _alive(fresh, sender, recipient)
            if alive is None:
                continue
            group.play(
                f"pair{sender}{recipient}" if sender or recipient else "pair-current",
                f"sender key {sender}, recipient key {recipient} from the newest",
                read if alive else gone + (" KEYMGMT-RECV-4" if fresh else ""),
                _under(sender, recipient),
                reaction="" if alive else "error_message",
                flags="Ratchet",
            )
    # The insider's next key, announced but not yet used by the client, with the newest client key it knows.
    group.play(
        "ahead",
        "a key that was announced in a message that was lost",
        "KEYMGMT-RECV-3 KEYMGMT-ROTATE-5",
        _ahead,
        reaction="error_message",
        flags="Ratchet",
    )
    group.play(
        "twice",
        "a second message of a run, under keys that are the previous ones by then",
        "KEYMGMT-RECV-8 KEYMGMT-ROTATE-4 KEYMGMT-SEND-4",
        lambda session: (session.hear(b"one"), session.hear(b"two")),
        flags="Ratchet",
    )
    if not fresh:
        group.play(
            "old-replay",
            "the second message of the conversation comes again",
            gone,
            _old,
            reaction="error_message",
            flags="Ratchet",
        )


def _alive(fresh: bool, sender: int, recipient: int) -> bool | None:
    """Whether the client can read a message under this pair of keys; None if no such key exists."""
    if fresh:
        if sender < 0 or recipient < 0:
            return None
        return True
    return sender > -2 and recipient > -2


def _under(sender: int, recipient: int) -> Act:
    def act(session: ClientSession) -> None:
        insider = session.insider
        ours, theirs = insider.our_keyid - 1 + sender, insider.their_keyid + recipient
        session.hear(b"hello", under=(ours, theirs), ctr=1000)

    return act


def _ahead(session: ClientSession) -> None:
    insider = session.insider
    insider.exponents[insider.our_keyid + 1] = insider.draw(40)
    session.hear(b"hello", under=(insider.our_keyid, insider.their_keyid))


def _old(session: ClientSession) -> None:
    session.hear(b"hear 1", under=(1, 2), ctr=1)
