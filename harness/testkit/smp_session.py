"""SMP between a target and an insider in a session: the moves that scenarios about SMP are made of.

The insider sends one TLV in each data message and reads the answers without rotating keys, so that a step costs no more
than SMP itself. Each move that brings the target into a state also checks what must hold there: the user is asked; the
due message is sent, alone and with the required count of numbers. [The SMP state machine]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from otterproof.harness import wire
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import Reply, check
from otterproof.harness.testkit.smp_peer import SMP_MESSAGE_CHECKS, Numbers, SmpPeer, secret_number, smp_value
from otterproof.harness.testkit.target_session import TargetSession
from otterproof.harness.wire import SMP_NUMBERS, Kind
from otterproof.harness.wire.layers import Tlv, parse_plaintext, parse_smp, tlv
from otterproof.harness.wire.numbers import fingerprint
from otterproof.implementations.contract import SmpFinished, SmpRequested

#: Makes a message from a run and the numbers of the target's last message (none before message 1).
Making = Callable[[SmpPeer, Numbers], Numbers]

#: TLV types. Message 1 with a question is 7.
MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, ABORT, QUESTION = 2, 3, 4, 5, 6, 7
SMP_TYPES = (MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, ABORT, QUESTION)

#: The contents of the TLVs, by type, for people.
NAMES = {
    MESSAGE_1: "SMP message 1",
    MESSAGE_2: "SMP message 2",
    MESSAGE_3: "SMP message 3",
    MESSAGE_4: "SMP message 4",
    ABORT: "an SMP abort",
    QUESTION: "SMP message 1 with a question",
}

#: Which SMP message answers which.
FOLLOWS = {MESSAGE_1: MESSAGE_2, MESSAGE_2: MESSAGE_3, MESSAGE_3: MESSAGE_4}

SECRET = b"the otter swims"


def made(kind: int, run: SmpPeer, heard: Numbers) -> dict[str, int]:
    """The correct message of that type."""
    if kind == MESSAGE_1:
        return run.message_1()
    return {MESSAGE_2: run.message_2, MESSAGE_3: run.message_3, MESSAGE_4: run.message_4}[kind](heard)


@dataclass(frozen=True)
class SmpReply:
    """The answer to a step: all of it, and its SMP TLVs, decrypted, in order."""

    reply: Reply
    tlvs: tuple[Tlv, ...]

    @property
    def types(self) -> list[int]:
        return [one.type for one in self.tlvs]

    @property
    def requests(self) -> list[SmpRequested]:
        return self.reply.of(SmpRequested)

    @property
    def goes_on(self) -> bool:
        """Whether the message was accepted: the user is asked, the next message comes, or the secrets are equal."""
        return bool(self.requests) or True in self.outcomes or any(kind in FOLLOWS.values() for kind in self.types)

    @property
    def outcomes(self) -> list[bool]:
        """The reported outcomes: True for equal secrets."""
        return [event.equal for event in self.reply.of(SmpFinished)]

    def __str__(self) -> str:
        return f"{_tlvs(self.types)}; {self.reply}" if self.types else str(self.reply)

    def sends(self, check_id: str, *types: int, case: object = "") -> None:
        """Demand that exactly SMP TLVs of these types were sent, in this order."""
        check(check_id, self.types == list(types), expected=_tlvs(types), got=self, case=case)

    def numbers(self, kind: int, check_id: str = "", *, case: object = "") -> dict[str, int]:
        """Demand that exactly one SMP TLV was sent, of this type; return its numbers by name."""
        self.sends(check_id or SMP_MESSAGE_CHECKS[kind], kind, case=case)
        layer = parse_smp(kind, self.tlvs[0].value).layer
        return {name: int(layer.value(name)) for name in _names(kind)}

    def tells(self, *outcomes: bool, check_id: str = "", case: object = "") -> None:
        """Demand that the user is told of these outcomes: True for equal."""
        if not check_id:
            result = "smp.wrong-result" if all(outcomes) else "smp.unequal-secrets-match"
            check_id = result if self.outcomes and outcomes else "smp.not-finished"
            if not outcomes:
                check_id = "smp.outcome-too-early"
        wanted = [_outcome(equal) for equal in outcomes] or "no outcome yet"
        check(check_id, self.outcomes == list(outcomes), expected=wanted, got=self, case=case)

    def refuses(self, check_id: str, case: object = "") -> None:
        """Demand that the answer is at most an abort or a failure. case: the input, and what is wrong with it."""
        answers = [kind for kind in self.types if kind != ABORT]
        refused = True not in self.outcomes and not self.requests and not answers
        check(check_id, refused, expected="an abort, a failure, or no answer", got=self, case=case)

    def aborts(self, check_id: str, case: object = "") -> None:
        """Demand that the input was refused with one type 6 TLV."""
        self.refuses(check_id, case)
        self.sends(check_id, ABORT, case=case)


def _names(kind: int) -> tuple[str, ...]:
    """The numbers of the SMP message that a TLV carries."""
    return SMP_NUMBERS[MESSAGE_1 if kind == QUESTION else kind]


def _assert_well_formed(one: Tlv) -> None:
    """Demand that the target's TLV with an SMP message has the count of its numbers, the numbers, and no more."""
    layer, names = parse_smp(one.type, one.value).layer, _names(one.type)
    check(
        "smp.message-malformed",
        not layer.problems and layer.value("count") == len(names),
        expected=f"a count of {len(names)} and so many MPIs",
        got=[str(problem) for problem in layer.problems] or layer.value("count"),
        case=f"the TLV of type {one.type}",
    )


def _tlvs(types: Iterable[int]) -> str:
    """SMP TLVs in words."""
    return ", ".join(NAMES[kind] for kind in types) or "no SMP message"


def _outcome(equal: bool) -> str:
    return "the secrets are equal" if equal else "the secrets differ"


class SmpSession:
    """SMP in an established session."""

    def __init__(self, target: TargetSession, insider: Insider) -> None:
        self.subject = target
        self.insider = insider

    # ---- steps ----------------------------------------------------------------------------------------------------

    def heard(self, reply: Reply, *, change_keys: bool = False) -> SmpReply:
        """A reply with its data messages read; its SMP messages must be well-formed."""
        found: list[Tlv] = []
        for message in reply.messages(Kind.DATA):
            raw = wire.build(message)
            plaintext = self.insider.read(raw) if change_keys else self.insider.peek(raw)
            found += [one for one in parse_plaintext(plaintext).tlvs if one.type in SMP_TYPES]
        for one in found:
            if one.type != ABORT:
                _assert_well_formed(one)
        return SmpReply(reply, tuple(found))

    def give(self, kind: int, value: bytes = b"") -> SmpReply:
        """Give the target a TLV with any value."""
        return self.heard(self.subject.receive(self.insider.data(tlvs=[tlv(kind, value)])))

    def tell(self, kind: int, numbers: Numbers) -> SmpReply:
        """Give the target an SMP message with these numbers."""
        return self.give(kind, smp_value(kind, numbers))

    def user(self, action: str, **args: object) -> SmpReply:
        """The target's user acts."""
        return self.heard(self.subject.user(action, **args))

    # ---- runs -----------------------------------------------------------------------------------------------------

    def liar(self, text: bytes = SECRET, *, target_asks: bool = False) -> SmpPeer:
        """A run with the secret that the text yields in this session."""
        pair = (fingerprint(self.insider.key.public), fingerprint(published_key("alice").public))
        return SmpPeer(secret_number(*(pair[::-1] if target_asks else pair), self.insider.ssid, text))

    def request(self, run: SmpPeer, check_id: str = "") -> SmpReply:
        """Send SMP message 1, which must make the target ask its user."""
        reply = self.tell(MESSAGE_1, run.message_1())
        reply.reply.one(SmpRequested, check_id, case="SMP message 1 in EXPECT1")
        reply.sends("smp.answered-before-user")
        return reply

    def expect2(self, text: bytes = SECRET) -> dict[str, int]:
        """The target's user begins; returns the numbers of its message 1."""
        return self.user("smp_start", secret=text).numbers(MESSAGE_1)

    def expect3(self, run: SmpPeer, text: bytes = SECRET, check_id: str = "") -> dict[str, int]:
        """The insider begins and the target's user answers; returns the numbers of its message 2."""
        self.request(run, check_id)
        return self.user("smp_answer", secret=text).numbers(MESSAGE_2)

    def expect4(self, run: SmpPeer, text: bytes = SECRET) -> dict[str, int]:
        """The target's user begins and the insider answers; returns the numbers of its message 3."""
        return self.tell(MESSAGE_2, run.message_2(self.expect2(text))).numbers(MESSAGE_3)

    def asked(self, run: SmpPeer, text: bytes = SECRET, check_id: str = "") -> SmpReply:
        """A whole run begun by the insider; returns the answer to message 3. check_id: for the user being asked."""
        return self.tell(MESSAGE_3, run.message_3(self.expect3(run, text, check_id)))

    def asks(self, run: SmpPeer, text: bytes = SECRET) -> SmpReply:
        """A whole run begun by the target's user; returns the target's answer to message 4."""
        return self.tell(MESSAGE_4, run.message_4(self.expect4(run, text)))

    def offer(self, kind: int, making: Making) -> SmpReply:
        """Bring the target from EXPECT1 to the state that expects a message of that type, and give it the one made."""
        run = self.liar(target_asks=kind in (MESSAGE_2, MESSAGE_4))
        heard: Numbers = {}
        if kind == MESSAGE_2:
            heard = self.expect2()
        elif kind == MESSAGE_3:
            heard = self.expect3(run)
        elif kind == MESSAGE_4:
            heard = self.expect4(run)
        return self.tell(kind, making(run, heard))

    def bring(self, state: int) -> tuple[int, Numbers]:
        """Bring the target from EXPECT1 to EXPECT1, 2, 3 or 4; return the TLV type and numbers of the fitting message.

        In EXPECT1, no run is then under way. `request` brings it to where its user is asked, which is also EXPECT1.
        """
        run = self.liar(target_asks=state in (2, 4))
        if state == 1:
            return MESSAGE_1, run.message_1()
        if state == 2:
            return MESSAGE_2, run.message_2(self.expect2())
        if state == 3:
            return MESSAGE_3, run.message_3(self.expect3(run))
        return MESSAGE_4, run.message_4(self.expect4(run))

    # ---- checks ---------------------------------------------------------------------------------------------------

    def is_in_expect1(self, check_id: str = "smp.not-back-in-expect1") -> None:
        """Demand that SMP can begin: a message 1 makes the target ask its user. The insider then aborts."""
        self.request(self.liar(), check_id)
        self.give(ABORT)

    def has_dropped(self, check_id: str, fitting: tuple[int, Numbers], case: object) -> None:
        """Demand that the run was dropped: the message that would have fitted is refused, as in EXPECT1."""
        if fitting[0] != MESSAGE_1:
            self.tell(*fitting).aborts(check_id, f"the next message of the run, after {case}")

    def refuses(self, check_id: str, kind: int, making: Making, case: object) -> None:
        """Demand that a wrong message is refused. The insider then aborts, so that the run is over in any case.

        A target may ask its user first, and check message 1 when the user has answered.
        """
        reply = self.offer(kind, making)
        if reply.requests and kind == MESSAGE_1:
            reply = self.user("smp_answer", secret=SECRET)
        reply.refuses(check_id, case)
        self.give(ABORT)
