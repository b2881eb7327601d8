"""The conversation through the proxy as lines, when there is no view: in a pipe, in a log, and with --plain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from otterproof.harness.runs.failure import Failure, explain_command, facts, headed
from otterproof.harness.runs.proxy.items import Happening, What
from otterproof.harness.spec.requirements import Level
from otterproof.harness.ui.proxy_words import in_words
from otterproof.harness.ui.screen import console, line, print_block

#: The style of a line, by what happened.
_STYLES = {
    What.SENT: "",
    What.CHANGED: "yellow",
    What.DROPPED: "yellow",
    What.HELD: "yellow",
    What.MADE: "yellow",
    What.JUDGED: "red",
}


class Lines:
    """Prints a line for each happening, but not for passing on a message whose sending was just printed."""

    def __init__(self) -> None:
        self._out = console()
        self._sent = 0

    def __call__(self, happening: Happening) -> None:
        item = happening.item
        if happening.what is What.SENT and item is not None:
            self._sent = item.number
        elif happening.what is What.PASSED and item is not None and item.number == self._sent:
            return
        style = _STYLES.get(happening.what, "dim")
        text = f"{happening.at:8.3f}  {in_words(happening)}"
        self._out.print(line((text, style)), soft_wrap=True)


def tell_totals(counts: Counter[str]) -> None:
    """Print one line about what was done to how many messages."""
    told = [
        f"{counts[what.value]} {words}"
        for what, words in (
            (What.SENT, "messages sent"),
            (What.CHANGED, "changed"),
            (What.DROPPED, "lost"),
            (What.HELD, "held back"),
            (What.MADE, "made by the proxy"),
        )
        if counts[what.value] or what is What.SENT
    ]
    console().print(line(", ".join(told)), soft_wrap=True)


def tell_failures(found: Sequence[tuple[str, Failure]], reasons: Mapping[tuple[str, str], str]) -> None:
    """Print everything that is wrong, and which of it is known."""
    out = console()
    for party, failure in found:
        reason = reasons.get((party, failure.check), "")
        if reason:
            out.print(line(("known", "yellow"), f": {party}: {failure.check}: {reason}"), soft_wrap=True)
            continue
        must = failure.level is Level.MUST
        word = ("FAIL", "red") if must else (failure.level.value.upper(), "yellow")
        out.print()
        out.print(line(word, "  ", (failure.check, "bold"), f"  {party}"), soft_wrap=True)
        if failure.requirements:
            out.print(line(f"  {failure.level.value}, {' or '.join(failure.requirements)}"), soft_wrap=True)
        print_block(out, failure.rule or failure.check)
        for part, fact in headed(facts(failure)):
            out.print(line(f"  {part:9} {fact.text}{fact.mark}"), soft_wrap=True)
        out.print(line(f"  explain   {explain_command(failure.check)}"), soft_wrap=True)
