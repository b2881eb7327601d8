"""The model of one party: it predicts the effect of each input on an engine, and compares that with what happened.

    book = NameTable()
    model = PartyModel("alice", config, book)
    events = engine.receive(message)
    model.follow("receive", {"message": message}, events, engine.inspect())

All parties of a world share one book. Inputs must be followed in the order in which the engines received them, so that
a message is known before it is received.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from otterproof.harness.judges.model.actions import ACTIONS
from otterproof.harness.judges.model.book import BookConflict, NameTable
from otterproof.harness.judges.model.expect import Expected, Mismatch, judged_by, match_events
from otterproof.harness.judges.model.snapshots import match_snapshot
from otterproof.harness.judges.model.state import State
from otterproof.harness.judges.model.step import Step
from otterproof.harness.spec import checks
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.wire.shown import call, shown
from otterproof.implementations.contract import Event, PartyConfig, PartySnapshot


class ModelDivergence(DemandFailed):
    """An engine did not do what the model predicted.

    place: the event and field, or the path in the snapshot. predicted, observed: what should have been there, and what
    was.
    """

    def __init__(self, party: str, action: str, args: Mapping[str, object], mismatch: Mismatch) -> None:
        super().__init__(
            mismatch.check,
            checks.rule(mismatch.check),
            where=call(party, action, args),
            differences=(f"  place     {mismatch.place}",),
            expected=shown(mismatch.predicted),
            got=shown(mismatch.observed),
        )
        self.party = party
        self.action = action
        self.place = mismatch.place
        self.predicted = mismatch.predicted
        self.observed = mismatch.observed


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an input should give: the events, with names for values, and the state afterwards."""

    expected: tuple[Expected, ...]
    state: State


class PartyModel:
    """Follows one engine. `state` is the state that the model believes it to be in."""

    def __init__(self, name: str, config: PartyConfig, names: NameTable) -> None:
        self.name = name
        self.config = config
        self.book = names
        self.state = State(config.policy, config.instance_tag)

    def predict(self, action: str, args: Mapping[str, object]) -> Prediction:
        """What this input should give now; changes nothing. ValueError for an unknown action."""
        if action not in ACTIONS:
            raise ValueError(f"unknown action {action!r}; the model knows {', '.join(ACTIONS)}")
        step = Step(self.name, self.config, self.book, self.state)
        ACTIONS[action](step, **args)
        return Prediction(tuple(step.expected), step.state)

    def follow(self, action: str, args: Mapping[str, object], events: Sequence[Event], after: PartySnapshot) -> None:
        """Compare an input's events and the snapshot `after` it with the prediction, and go on from there.

        action: the name of the method of contract.Engine. args: its arguments by name. Raises ModelDivergence.
        """
        if self.state.instance_tag is None:
            # The engine drew it before the first input, so it can't be predicted.
            self.state = replace(self.state, instance_tag=after.instance_tag)
        try:
            prediction = self.predict(action, args)
            with judged_by("model.wrong-events"):
                match_events(prediction.expected, events, self.config.max_message_size, self.book)
            with judged_by("model.wrong-state"):
                match_snapshot(prediction.state, after, self.book)
        except Mismatch as mismatch:
            raise ModelDivergence(self.name, action, args, mismatch) from mismatch
        except BookConflict as conflict:
            found = Mismatch("the names of values", conflict, events, "model.values-conflict")
            raise ModelDivergence(self.name, action, args, found) from conflict
        self.state = prediction.state

    def snapshot(self) -> object:
        """State and book. Take and restore it for all parties of a world together."""
        return self.state, self.book.snapshot()

    def restore(self, state: object) -> None:
        """Go back to a snapshot."""
        match state:
            case (State() as own, book):
                self.state = own
                self.book.restore(book)
            case _:
                raise TypeError("not a snapshot of a model; pass what snapshot() returned")
