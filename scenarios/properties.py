"""Everything the oracles say, under everything that users and the adversary can do: Hypothesis looks for a run in which
it does not hold.

Two machines, one with a client on each side, one with two clients of one account against one. A run that fails prints
the moves it was made of, shortened, as a program that can be pasted and run (see machines.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from harness import wire
from harness.lockstep import EngineFactory
from harness.network import (
    ChangeField,
    Delay,
    Deliver,
    Drop,
    Duplicate,
    FlipBit,
    Fragment,
    Inject,
    Move,
    Replay,
    Shuffle,
    Tick,
    Truncate,
    User,
)
from harness.scenario import scenario
from harness.stage import Stage
from harness.targets import LockstepTarget
from harness.wire import Kind
from implementations.contract import MAX_PADDING, MIN_MESSAGE_SIZE, Policy
from scenarios.machines import CLIENTS, POLICIES, Case, both_engines

_POSITIONS = st.integers(0, 5) | st.just(0)

_SECRETS = st.sampled_from([b"open sesame", b"open sesame", b"Open Sesame"])

#: Values for single fields: the borders of their types and of what the protocol text allows.
_FIELDS = st.one_of(
    st.tuples(st.sampled_from(["sender_tag", "receiver_tag"]), st.sampled_from([0, 1, 0xFF, 0x1A1A, 0x2B2B, 1 << 31])),
    st.tuples(st.sampled_from(["sender_keyid", "recipient_keyid"]), st.sampled_from([0, 1, 2, 3, 0xFFFFFFFF])),
    st.tuples(st.sampled_from(["gy", "next_dh"]), st.sampled_from([0, 1, 2, wire.DH_PRIME - 1, wire.DH_PRIME])),
    st.tuples(st.just("flags"), st.sampled_from([0, 1, 0xFF])),
    st.tuples(st.just("version"), st.sampled_from([0, 1, 2, 3, 4])),
    st.tuples(st.just("type"), st.sampled_from([0x02, 0x03, 0x0A, 0x11, 0x12, 0x13])),
    st.tuples(
        st.sampled_from(["hashed_gx", "encrypted_gx", "encrypted_message", "old_mac_keys"]), st.binary(max_size=40)
    ),
    st.tuples(st.just("ctr"), st.sampled_from([bytes(8), b"\xff" * 8])),
)

#: Messages of the adversary's own making.
_INJECTED = st.sampled_from(
    [
        b"?OTRv2?",
        b"?OTRv23?",
        b"?OTR?v?",
        b"?OTR Error: no such thing",
        b"?OTR:.",
        b"?OTR:AAMD.",
        b"?OTR:AAQD.",
        b"?OTR|00002b2b|00001a1a,00001,00002,?OTR:AAMD,",
        b"?OTR|2b2b|1a1a,3,2,x,",
        b"?OTR,1,2,?OTR:AAID,",
        b"?OTR,2,2,=,",
        b"plain words",
        b"words with a tag" + wire.TAG_BASE + wire.TAG_VERSIONS[2] + wire.TAG_VERSIONS[3] + b" in between",
        b"",
    ]
)

_FLAGS = st.sampled_from([*POLICIES.values(), Policy.NONE, Policy.ALLOW_V2 | Policy.ALLOW_V3 | Policy.ERROR_START_AKE])


class Conversation(RuleBasedStateMachine):
    """What users do, and what the adversary does, drawn at random and judged step by step."""

    network: ClassVar[str] = "pair"
    starts: ClassVar[tuple[str, ...]] = ("3", "3", "2", "scratch")
    engine: ClassVar[EngineFactory] = staticmethod(both_engines)

    def __init__(self) -> None:
        super().__init__()
        self.case: Case | None = None
        self.texts = 0

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        start = data.draw(st.sampled_from(self.starts), label="start")
        policy = data.draw(st.sampled_from(["both", *sorted(POLICIES)]), label="policy")
        size = data.draw(st.sampled_from([None, None, MIN_MESSAGE_SIZE, 300]), label="size")
        self.case = Case(self.network, start, policy, size, type(self).engine)

    def make(self, *moves: Move) -> None:
        self._do(lambda case: case.run(moves))

    def _do(self, act: Callable[[Case], object]) -> None:
        if self.case is None:
            raise RuntimeError("a rule ran before the case began")
        try:
            act(self.case)
        except Exception as error:
            error.add_note(f"the run as a program:\n\n{self.case}")
            self.case = None  # nothing is left to be judged at the end
            raise

    def teardown(self) -> None:
        if self.case is not None:
            self._do(Case.finish)

    def who(self, number: int) -> str:
        """A party by number; numbers shrink to the first."""
        names = sorted(CLIENTS[self.network])
        return names[number % len(names)]

    # What users do

    @rule(who=st.integers(0, 2), padding=st.sampled_from([None, None, 0, 1, 300, MAX_PADDING + 1]), long=st.booleans())
    def send(self, who: int, padding: int | None, long: bool) -> None:
        self.texts += 1
        text = b"text number %d" % self.texts + (b", a long one" * 30 if long else b"")
        self.make(User(self.who(who), "send", {"text": text, "padding": padding}))

    @rule(who=st.integers(0, 2), there=st.booleans())
    def talk(self, who: int, there: bool) -> None:
        """A text that arrives, and perhaps an answer: what makes keys change."""
        self.send(who, None, False)
        self.deliver_all()
        if there:
            self.send(who + 1, None, False)
            self.deliver_all()

    @rule(who=st.integers(0, 2), text=st.sampled_from([b"", b"a\0b", b"?OTR:AAMD.", b"?OTRv23?"]))
    def send_odd_text(self, who: int, text: bytes) -> None:
        self.make(User(self.who(who), "send", {"text": text}))

    @rule(who=st.integers(0, 2))
    def start(self, who: int) -> None:
        self.make(User(self.who(who), "start", {}))

    @rule(who=st.integers(0, 2))
    def end(self, who: int) -> None:
        self.make(User(self.who(who), "end", {}))

    @rule(who=st.integers(0, 2), secret=_SECRETS, question=st.sampled_from([None, b"", b"who goes there?"]))
    def smp_start(self, who: int, secret: bytes, question: bytes | None) -> None:
        self.make(User(self.who(who), "smp_start", {"secret": secret, "question": question}))

    @rule(who=st.integers(0, 2), secret=_SECRETS)
    def smp_answer(self, who: int, secret: bytes) -> None:
        self.make(User(self.who(who), "smp_answer", {"secret": secret}))

    @rule(who=st.integers(0, 2), secret=_SECRETS, answer=_SECRETS, deliveries=st.integers(0, 4))
    def smp_run(self, who: int, secret: bytes, answer: bytes, deliveries: int) -> None:
        """A run in which everybody does as asked, up to some message."""
        self.smp_start(who, secret, None)
        self.deliver_all()
        self.smp_answer(who + 1, answer)
        for _ in range(deliveries):
            self.deliver(who, 0)
            self.deliver(who + 1, 0)

    @rule(who=st.integers(0, 2))
    def smp_abort(self, who: int) -> None:
        self.make(User(self.who(who), "smp_abort", {}))

    @rule(who=st.integers(0, 2), use=st.sampled_from([0, 1, 1 << 32]), data=st.sampled_from([b"", b"a file's name"]))
    def extra_key(self, who: int, use: int, data: bytes) -> None:
        self.make(User(self.who(who), "extra_key", {"use": use, "data": data}))

    @rule(who=st.integers(0, 2), policy=_FLAGS)
    def set_policy(self, who: int, policy: Policy) -> None:
        self.make(User(self.who(who), "set_policy", {"policy": policy}))

    @rule(seconds=st.sampled_from([1, 59, 60, 61]))
    def tick(self, seconds: int) -> None:
        self.make(Tick(seconds))

    # What the network does

    @rule(to=st.integers(0, 2), position=_POSITIONS)
    def deliver(self, to: int, position: int) -> None:
        self.make(Deliver(self.who(to), position))

    @rule()
    def deliver_all(self) -> None:
        self._do(Case.settle)

    @rule(to=st.integers(0, 2), position=_POSITIONS)
    def drop(self, to: int, position: int) -> None:
        self.make(Drop(self.who(to), position))

    @rule(to=st.integers(0, 2), position=_POSITIONS)
    def duplicate(self, to: int, position: int) -> None:
        self.make(Duplicate(self.who(to), position))

    @rule(to=st.integers(0, 2), position=_POSITIONS)
    def delay(self, to: int, position: int) -> None:
        self.make(Delay(self.who(to), position))

    @rule(to=st.integers(0, 2), index=st.integers(0, 60))
    def replay(self, to: int, index: int) -> None:
        self.make(Replay(self.who(to), -1 - index))

    @rule(to=st.integers(0, 2), position=_POSITIONS, bit=st.integers(0, 3000))
    def flip_bit(self, to: int, position: int, bit: int) -> None:
        self.make(FlipBit(self.who(to), position, bit))

    @rule(to=st.integers(0, 2), position=_POSITIONS, change=_FIELDS)
    def change_field(self, to: int, position: int, change: tuple[str, int | bytes]) -> None:
        self.make(ChangeField(self.who(to), position, *change))

    @rule(to=st.integers(0, 2), position=_POSITIONS, length=st.integers(0, 400))
    def truncate(self, to: int, position: int, length: int) -> None:
        self.make(Truncate(self.who(to), position, length))

    @rule(to=st.integers(0, 2), message=_INJECTED)
    def inject(self, to: int, message: bytes) -> None:
        self.make(Inject(self.who(to), message))

    @rule(to=st.integers(0, 2), position=_POSITIONS, size=st.sampled_from([60, 200]))
    def fragment(self, to: int, position: int, size: int) -> None:
        self.make(Fragment(self.who(to), position, size))

    @rule(to=st.integers(0, 2), seed=st.integers(0, 3))
    def shuffle(self, to: int, seed: int) -> None:
        self.make(Shuffle(self.who(to), seed))

    @rule(to=st.integers(0, 2))
    def forge(self, to: int) -> None:
        """The forger: a message changed and given the right MAC with a key that was revealed."""
        if self.case is not None and (forged := _forgery(self.case)) is not None:
            self.make(Inject(self.who(to), forged))


def _forgery(case: Case) -> bytes | None:
    """The latest message on the wire for which a MAC key has been revealed, changed and authenticated anew."""
    messages = [wire.parse(sent.message) for sent in case.world.network.history]
    whole = [message for message in messages if message.kind is Kind.DATA and not message.problems]
    blocks = [message.data("old_mac_keys") for message in whole]
    keys = [block[at : at + 20] for block in blocks for at in range(0, len(block), 20)]
    for message in reversed(whole):
        for key in reversed(keys):
            if wire.crypto.verifies(message, key):
                changed = bytes(one ^ 1 for one in message.data("encrypted_message"))
                return wire.build(wire.crypto.mac_data(message.with_value("encrypted_message", changed), key))
    return None


class Clients(Conversation):
    """Two clients of one account, who both get what is sent to it, against one client. Version 3 keeps them apart."""

    network = "three"
    starts = ("3", "3", "scratch")


@scenario(versions=(3,), needs=("lockstep",))
def two_clients(stage: Stage) -> None:
    """Random runs of two parties, their users and the adversary, in both versions, judged by all oracles and the model.

    Most begin in an encrypted session, the others from scratch.
    """
    _judge(stage, Conversation, examples=60, steps=40)


@scenario(versions=(3,), needs=("lockstep",))
def three_clients(stage: Stage) -> None:
    """Random runs in which two clients of one account talk to one, with the adversary between them."""
    _judge(stage, Clients, examples=40, steps=30)


def _judge(stage: Stage, machine: type[Conversation], examples: int, steps: int) -> None:
    """Run a machine with the stage's target as its engines; the same runs each time.

    A failing run is reported as it was found, so that a verdict comes soon; pytest on test_properties.py shortens it.
    """
    target = stage.target
    if not isinstance(target, LockstepTarget):
        raise TypeError(f"{target.name} claims lockstep and is no engine")

    engines = target.engine

    class Judged(machine):  # type: ignore[valid-type, misc]
        engine = staticmethod(engines)

        def teardown(self) -> None:
            if self.case is not None:
                stage.count(len(self.case.program))
            super().teardown()

    bounded = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Judged, settings=bounded)
