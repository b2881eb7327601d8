"""How OTR works, with Pidgin as Alice: what its user sees, and beside it the bytes and the values behind it.

The random numbers of Pidgin are its own, so no two conversations with it are alike. One was recorded, with pictures of
its screen; the page is made from the recording. All that is written down of a party there comes from the recording,
and everything that Bob sends and computes, and that is checked, is made again each time: it must fit. `otterproof docs
--pictures` holds the conversation with Pidgin again, and records it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from otterproof.harness import wire
from otterproof.harness.simulation.record import Record
from otterproof.harness.simulation.transcript import Header, PartyInfo, Step, Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.simulation.world import World
from otterproof.harness.spec import pages
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE
from otterproof.harness.support.outputs import make_folder, write_whole
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.party import ActionDispatcher
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.context import TARGET, Context, TargetSession, check, check_told
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.smp_peer import SmpPeer, secret_number, smp_value
from otterproof.harness.testkit.smp_session import MESSAGE_2, MESSAGE_3, QUESTION, SmpSession
from otterproof.harness.wire import Kind
from otterproof.harness.wire.mutate import flip_bit
from otterproof.harness.wire.numbers import fingerprint
from otterproof.implementations.contract import Event, SmpRequested
from otterproof.scenarios.walkthrough import (
    WalkthroughPage,
    acknowledgement,
    first_message,
    key_exchange,
    start,
)

#: The page, the folder with its recording and its pictures, and the most bytes of a picture.
PAGE, FOLDER, LARGEST = "explanation/pidgin.md", "explanation/pidgin", 60_000

#: The recording, in that folder.
RECORDING = "conversation.jsonl"

SECRET, ASKED = b"Lutra lutra", b"What is the otter's name in Latin?"

_OPENING = """# How OTR works, with Pidgin

The conversation of [the walkthrough](walkthrough.md) with a real program. Alice is Pidgin with its OTR plugin. Bob is
Otterproof, which holds valid keys and recomputes every value. Each step shows what Alice's user sees, what goes over
the network, and what follows from it. `otterproof docs` makes this page from a recording and checks every step again.
`otterproof docs --pictures` makes the recording and the pictures again with the installed Pidgin. On Pidgin's screen,
Alice is `target@loop` and Bob is `p1@loop`.
"""


class PictureMissing(CommandError, LookupError):
    """The page has no picture, or one that is too large."""

    exit_code = USAGE


class PidginPage(WalkthroughPage):
    """The page, with what Alice's user sees. pidgin: the target while the conversation is recorded, else None."""

    def __init__(self, alice: TargetSession, folder: Path, pidgin: DriverTarget | None = None) -> None:
        super().__init__()
        self._alice, self._folder, self._pidgin = alice, folder, pidgin

    def screen(self, name: str, description: str) -> None:
        """What Alice's user sees now: a picture, and the lines that came with the last step."""
        path = self._folder / f"{name}.png"
        if self._pidgin is not None:
            write_whole(path, self._pidgin.picture(TARGET))
        if not path.is_file() or not 0 < path.stat().st_size <= LARGEST:
            wrong = f"has more than {LARGEST} bytes" if path.is_file() else "is missing"
            raise PictureMissing(f"{path} {wrong}; run `otterproof docs --pictures`, which takes all of them again")
        self._lines += [f"![{description}](pidgin/{path.name})", ""]
        lines = [printable(line) for line in self._alice.log[-1].shown]
        if lines:
            self._lines += ["New on the screen:", "", "```text", *lines, "```", ""]


class RecordedParty(ActionDispatcher):
    """A party that does what one did in a recording, as long as it is given the same."""

    def __init__(self, info: PartyInfo, steps: Iterator[Step]) -> None:
        self._steps = steps
        self.instance_tag = info.config.instance_tag or 0
        self.fingerprint = fingerprint(info.config.key.public)
        self.shown: Sequence[str] = ()
        self.untold = {("session_established", "ssid")}

    def set_time(self, now: int) -> None:
        """Nothing depends on it."""

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        given = {name: value for name, value in args.items() if value is not None}
        step = next(self._steps, None)
        if step is None or (step.action, step.args) != (action, given):
            raise PictureMissing(
                f"the recording {FOLDER}/{RECORDING} is of another conversation; run `otterproof docs --pictures`"
            )
        self.shown = step.shown
        return step.events


def hold_conversation(alice: TargetSession, page: PidginPage) -> None:
    """The whole conversation."""
    bob = alice.insider("bob")
    start(alice, page)
    page.screen("start", "Pidgin says that it attempts to start a private conversation; its button says Not private")
    key_exchange(alice, bob, page)
    page.paragraph(
        """Pidgin tells its user. "Unverified" means that the conversation is private but that the other side's identity
        is uncertain, because the user has not compared fingerprints yet."""
    )
    page.screen("private", "Pidgin says that an unverified conversation has started; its button says Unverified")
    first = first_message(alice, bob, page)
    page.screen("text", "The text in Pidgin's window, as it was typed")
    acknowledgement(alice, bob, first, page)
    _flipped(alice, bob, page)
    _authentication(alice, bob, page)
    _end(alice, bob, page)


def _flipped(alice: TargetSession, bob: Insider, page: PidginPage) -> None:
    page.chapter("A message that was changed on the way")
    page.paragraph(
        """Somebody inverts one bit of Bob's next message. The MAC no longer matches, so Pidgin decrypts nothing and
        reports an unreadable message to its user. It also tells Bob's client, in the clear."""
    )
    changed = flip_bit(bob.data(b"Fine"), 2400)
    page.message("Bob", changed)
    reply = alice.receive(changed)
    reply.assert_rejected("data.mac-not-verified", "a message with an inverted bit")
    page.message("Alice", reply.raw[0])
    page.screen("changed", "Pidgin says that it received an unreadable encrypted message")


def _authentication(alice: TargetSession, bob: Insider, page: PidginPage) -> None:
    page.chapter("Who is it?")
    page.paragraph(
        """Bob's user wants to know whether this is really Alice, and asks a question that only she can answer. SMP, the
        socialist millionaires' protocol, compares the two answers and reveals nothing else: neither an eavesdropper nor
        the other side learns a wrong answer."""
    )
    smp = SmpSession(alice, bob)
    bobs, alices = fingerprint(bob.key.public), alice.world.parties[TARGET].fingerprint
    run = SmpPeer(secret_number(bobs, alices, bob.ssid, SECRET))
    request = smp.give(QUESTION, ASKED + b"\0" + smp_value(2, run.message_1()))
    check_told("smp.question-changed", request.reply.one(SmpRequested).question, ASKED)
    page.screen("question", "A dialog of Pidgin's with the question, and a field for the answer")
    page.paragraph(
        """Alice's user answers. SMP compares a number that is computed from both fingerprints, the session id and the
        answer."""
    )
    page.values(bob=bobs, alice=alices, ssid=bob.ssid, answer=SECRET, x=run.secret)
    answer = smp.user("smp_answer", secret=SECRET)
    page.message("Alice", wire.build(answer.reply.message(Kind.DATA)))
    second = answer.numbers(MESSAGE_2)
    page.paragraph("Inside this Data Message are Alice's numbers, among them these two, in which her secret is hidden:")
    page.values(Pb=second["Pb"], Qb=second["Qb"])
    result = smp.tell(MESSAGE_3, run.message_3(second))
    result.tells(True)
    page.paragraph(
        "Bob sends the numbers for his side. Now each can tell whether the two secrets are equal, and they are."
    )
    page.screen("authenticated", "Pidgin says that Bob has authenticated Alice")


def _end(alice: TargetSession, bob: Insider, page: PidginPage) -> None:
    page.chapter("The end")
    page.paragraph(
        """Bob ends the conversation with a TLV of type 1 in a last message. Pidgin is now in the state FINISHED: it
        does not send what its user types, neither encrypted nor in the clear, until the user has acknowledged the
        end."""
    )
    alice.end_by_peer(bob)
    refused = alice.user("send", text=b"And another thing")
    check("text.sent-after-end", not refused.raw, expected="nothing on the network", got=refused)
    page.screen("finished", "Pidgin says that Bob has ended the conversation, and that the text was not sent")
    page.paragraph("Nothing went over the network when the text was typed.")


def pidgin_page(folder: Path = pages.DOCS / FOLDER) -> str:
    """The page, from the recording and the pictures in a folder. PictureMissing, TranscriptError, InputError."""
    recording = read_transcript(folder / RECORDING)
    info = recording.header.parties[TARGET]
    party = RecordedParty(info, (step for step in recording.steps() if step.party == TARGET))
    record = Record(Header(recording.header.seed, {TARGET: info}))
    alice = TargetSession(World({TARGET: party}, {TARGET: []}), 3, record)
    page = PidginPage(alice, folder)
    hold_conversation(alice, page)
    return f"{_OPENING}\n{page.markdown()}"


def record_pidgin(folder: Path = pages.DOCS / FOLDER) -> None:
    """Hold the conversation with Pidgin, and keep the recording and the pictures in a folder. TargetError."""
    make_folder(folder)
    pidgin = open_target("pidgin")
    try:
        context = Context(pidgin, 3, b"walkthrough")
        alice = context.target_session()
        hold_conversation(alice, PidginPage(alice, folder, pidgin if isinstance(pidgin, DriverTarget) else None))
        alice.record.write(folder / RECORDING, "walkthrough", Verdict.PASS, "")
    finally:
        pidgin.close()


pages.register(PAGE, pidgin_page)
pages.register_recorder(PAGE, record_pidgin)
