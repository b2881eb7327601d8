"""The screen shows what a user has to know. For programs that report what they show."""

from __future__ import annotations

from otterproof.harness.targets.party import HasScreen
from otterproof.harness.targets.screen import simple_screen
from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import Unsupported
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire.layers import tlv

TEXT = b"The otter is in the river."


def _shown(target: TargetSession) -> list[str]:
    """The lines that the last step put on the screen; for an engine, those of a simple program around it."""
    step = target.log[-1]
    with_screen = isinstance(target.world.parties[target.name], HasScreen)
    return list(step.shown) if with_screen else simple_screen(step.events)


def _in_session(context: Context) -> tuple[TargetSession, Insider, list[str]]:
    """A target in a session, and what its user was shown of a text in it. Unsupported without a screen."""
    target, insider = context.encrypted()
    target.assert_receives_text(insider, TEXT)
    lines = _shown(target)
    if not lines:
        raise Unsupported("it does not tell what its user is shown")
    return target, insider, lines


@scenario(requirements=("STATE-CLEAR-5", "!STATE-CLEAR-5"))
def a_text_in_the_clear_looks_otherwise(context: Context) -> None:
    """In a session, a text received in the clear does not look like the same text received encrypted."""
    target, _, encrypted = _in_session(context)
    target.receive(TEXT)
    differs = _shown(target) != encrypted
    check("screen.clear-looks-secure", differs, expected="a warning", got="; ".join(_shown(target)))


@scenario(requirements=("TLV-END-3", "!TLV-END-3"))
def the_end_is_seen(context: Context) -> None:
    """When the correspondent ends the session, the screen says so before the user types."""
    target, insider, _ = _in_session(context)
    target.receive(insider.data(tlvs=[tlv(1)]))
    check("screen.end-not-shown", bool(_shown(target)), expected="a line on the screen", got="nothing")


@scenario(requirements=("DATA-RECV-6", "!DATA-RECV-6"))
def an_unreadable_message_is_seen(context: Context) -> None:
    """A message that can't be read leaves a line on the screen."""
    target, insider, _ = _in_session(context)
    message = insider.data(b"twice")
    target.receive(message)
    target.receive(message)
    check("screen.unreadable-not-shown", bool(_shown(target)), expected="a line on the screen", got="nothing")


@scenario(requirements=("USER-SEND-8", "!USER-SEND-8"))
def a_text_that_is_not_sent_looks_otherwise(context: Context) -> None:
    """A text typed after the correspondent has ended the session does not look like one that was sent."""
    target, insider, _ = _in_session(context)
    target.user("send", text=TEXT)
    sent = _shown(target)
    target.receive(insider.data(tlvs=[tlv(1)]))
    target.user("send", text=TEXT)
    differs = _shown(target) != sent
    check("screen.refusal-not-shown", differs, expected="a line that says so", got="; ".join(_shown(target)))
