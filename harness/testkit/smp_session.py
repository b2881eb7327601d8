"""SMP between a target and an insider in a session of theirs: the moves that scenarios on SMP are made of.

The insider sends one TLV in each data message and reads what comes back without changing keys, so that a step costs no
more than SMP itself. Each move that brings the target into a state checks on the way what must hold there: the
user is asked, the message that is due comes, alone, with as many numbers as it has. [The SMP state machine]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otterproof.harness import wire
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import Reply, check
from otterproof.harness.testkit.smp_peer import Numbers, SmpPeer, secret_number, smp_value
from otterproof.harness.testkit.target_session import TargetSession
from otterproof.harness.wire import SMP_NUMBERS, Kind
from otterproof.harness.wire.layers import Tlv, parse_plaintext, parse_smp, tlv
from otterproof.harness.wire.numbers import fingerprint
from otterproof.implementations.contract import SmpFinished, SmpRequested

#: How a message is made, from a run and the numbers of the target's last message (none before message 1).
Making = Callable[[SmpPeer, Numbers], Numbers]

#: TLV types. Message 1 with a question is 7.
MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, ABORT, QUESTION = 2, 3, 4, 5, 6, 7
SMP_TYPES = (MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, ABORT, QUESTION)

#: What message of SMP answers which.
FOLLOWS = {MESSAGE_1: MESSAGE_2, MESSAGE_2: MESSAGE_3, MESSAGE_3: MESSAGE_4}

SECRET = b"the otter swims"


def made(kind: int, run: SmpPeer, heard: Numbers) -> dict[str, int]:
    """The message of that type as it must be."""
    if kind == MESSAGE_1:
        return run.message_1()
    return {MESSAGE_2: run.message_2, MESSAGE_3: run.message_3, MESSAGE_4: run.message_4}[kind](heard)


@dataclass(frozen=True)
class SmpReply:
    """What came of a step: all of it, and the SMP TLVs among it, decrypted, in their order."""

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
        """Whether the message was taken: the user is asked, the next message comes, or the secrets are equal."""
        return bool(self.requests) or True in self.outcomes or any(kind in FOLLOWS.values() for kind in self.types)

    @property
    def outcomes(self) -> list[bool]:
        """What the user was told: that the secrets are equal, or that they are not."""
        return [event.equal for event in self.reply.of(SmpFinished)]

    def sends(self, *types: int) -> None:
        """Demand that SMP TLVs of these types came, in this order, and no others."""
        wanted, found = (", ".join(map(str, some)) or "none" for some in (types, self.types))
        check(self.types == list(types), f"the SMP TLVs that go out are {wanted}, and there was {found}: {self.reply}")

    def numbers(self, kind: int) -> dict[str, int]:
        """Demand that the one SMP TLV is of this type and of the form; its numbers by name."""
        self.sends(kind)
        layer = parse_smp(kind, self.tlvs[0].value).layer
        names = SMP_NUMBERS[MESSAGE_1 if kind == QUESTION else kind]
        right = not layer.problems and layer.value("count") == len(names)
        check(right, f"SMP TLV {kind} has a count of {len(names)} and so many MPIs: {layer.problems}")
        return {name: int(layer.value(name)) for name in names}

    def tells(self, *outcomes: bool) -> None:
        """Demand that the user is told of these outcomes: True for equal."""
        check(self.outcomes == list(outcomes), f"the outcomes told are {list(outcomes)}: {self.reply}")

    def refuses(self, why: str) -> None:
        """Demand that nothing came of it but an abort or a failure. why: what was wrong, as part of a sentence."""
        check(True not in self.outcomes, f"{why} is no success: {self.reply}")
        check(not self.requests, f"{why} asks the user for nothing: {self.reply}")
        answers = [kind for kind in self.types if kind != ABORT]
        check(not answers, f"{why} is not answered with SMP messages, and was, with TLV {answers}")

    def aborts(self, why: str) -> None:
        """Demand that it was refused with one type 6 TLV."""
        self.refuses(why)
        check(self.types == [ABORT], f"{why} is answered with a type 6 TLV, and the SMP TLVs were {self.types}")


class SmpSession:
    """SMP in a session that is there."""

    def __init__(self, target: TargetSession, insider: Insider) -> None:
        self.subject = target
        self.insider = insider

    # ---- steps ----------------------------------------------------------------------------------------------------

    def heard(self, reply: Reply, *, change_keys: bool = False) -> SmpReply:
        """A reply with its data messages read."""
        found: list[Tlv] = []
        for message in reply.messages(Kind.DATA):
            raw = wire.build(message)
            plaintext = self.insider.read(raw) if change_keys else self.insider.peek(raw)
            found += [one for one in parse_plaintext(plaintext).tlvs if one.type in SMP_TYPES]
        return SmpReply(reply, tuple(found))

    def give(self, kind: int, value: bytes = b"") -> SmpReply:
        """The target receives a TLV with any value."""
        return self.heard(self.subject.receive(self.insider.data(tlvs=[tlv(kind, value)])))

    def tell(self, kind: int, numbers: Numbers) -> SmpReply:
        """The target receives an SMP message with these numbers."""
        return self.give(kind, smp_value(kind, numbers))

    def user(self, action: str, **args: object) -> SmpReply:
        """The target's user acts."""
        return self.heard(self.subject.user(action, **args))

    # ---- runs -----------------------------------------------------------------------------------------------------

    def liar(self, text: bytes = SECRET, *, target_asks: bool = False) -> SmpPeer:
        """A run with the secret that the text makes in this session."""
        pair = (fingerprint(self.insider.key.public), fingerprint(published_key("alice").public))
        return SmpPeer(secret_number(*(pair[::-1] if target_asks else pair), self.insider.ssid, text))

    def request(self, run: SmpPeer) -> SmpReply:
        """SMP message 1, which must make the target ask its user."""
        reply = self.tell(MESSAGE_1, run.message_1())
        check(len(reply.requests) == 1, f"SMP message 1 in EXPECT1 makes the user be asked: {reply.reply}")
        reply.sends()
        return reply

    def expect2(self, text: bytes = SECRET) -> dict[str, int]:
        """The target's user begins; the numbers of its message 1."""
        return self.user("smp_start", secret=text).numbers(MESSAGE_1)

    def expect3(self, run: SmpPeer, text: bytes = SECRET) -> dict[str, int]:
        """The insider begins and the target's user answers; the numbers of its message 2."""
        self.request(run)
        return self.user("smp_answer", secret=text).numbers(MESSAGE_2)

    def expect4(self, run: SmpPeer, text: bytes = SECRET) -> dict[str, int]:
        """The target's user begins and the insider answers; the numbers of its message 3."""
        return self.tell(MESSAGE_2, run.message_2(self.expect2(text))).numbers(MESSAGE_3)

    def asked(self, run: SmpPeer, text: bytes = SECRET) -> SmpReply:
        """A whole run that the insider begins; what comes of his message 3."""
        return self.tell(MESSAGE_3, run.message_3(self.expect3(run, text)))

    def asks(self, run: SmpPeer, text: bytes = SECRET) -> SmpReply:
        """A whole run that the target's user begins; what comes of the insider's message 4."""
        return self.tell(MESSAGE_4, run.message_4(self.expect4(run, text)))

    def offer(self, kind: int, making: Making) -> SmpReply:
        """Bring the target from EXPECT1 to where it waits for a message of that type; it receives the one made."""
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
        """Bring the target from EXPECT1 to EXPECT1, 2, 3 or 4; the message that fits there, by TLV type and numbers."""
        run = self.liar(target_asks=state in (2, 4))
        if state == 1:
            return MESSAGE_1, run.message_1()
        if state == 2:
            return MESSAGE_2, run.message_2(self.expect2())
        if state == 3:
            return MESSAGE_3, run.message_3(self.expect3(run))
        return MESSAGE_4, run.message_4(self.expect4(run))

    # ---- checks ---------------------------------------------------------------------------------------------------

    def is_in_expect1(self) -> None:
        """The target is where SMP begins: a message 1 makes it ask its user. The insider then takes it back."""
        self.request(self.liar())
        self.give(ABORT)

    def has_dropped(self, fitting: tuple[int, Numbers], why: str) -> None:
        """The run under way was dropped: the message that would have fitted is refused, as in EXPECT1."""
        if fitting[0] != MESSAGE_1:
            self.tell(*fitting).aborts(f"the next message of a run that was dropped for {why}")

    def refuses(self, kind: int, making: Making, why: str) -> None:
        """Demand that a wrong message comes to nothing. An abort from the insider then makes sure that the run is over.

        A target may ask its user first and look at message 1 when he has answered.
        """
        reply = self.offer(kind, making)
        if reply.requests and kind == MESSAGE_1:
            reply = self.user("smp_answer", secret=SECRET)
        reply.refuses(why)
        self.give(ABORT)
