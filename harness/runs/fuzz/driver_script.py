"""A failure as lines of the driver protocol, which a maintainer can replay without Otterproof.

The lines are the requests to the driver in a run of the small program, from `hello` on, in a process of its own. They
are given to a second process at once, to see whether it answers the same. If it does not, because the implementation
draws its own random numbers, the lines would show nothing, and no script is written.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from otterproof.harness.runs.failure import Failure, facts, headed
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.folder import ANSWERS_FILE, REQUESTS
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import DriverTarget, TargetError

#: The parts of a record that the script prints.
_TOLD = ("case", "expected", "got", "where")


@dataclass(frozen=True, slots=True)
class DriverRun:
    """A recorded run. requests, answers: the lines, without their ends. repeats: a second process answered the same.

    stderr: the end of what the driver wrote to standard error.
    """

    requests: tuple[str, ...]
    answers: tuple[str, ...]
    repeats: bool
    stderr: str


def driver_run(program: Program, target: DriverTarget) -> DriverRun | None:
    """Run a program in a new process of a driver, and record it. None when the process can't be started."""
    try:
        with target.recorded() as lines:
            attempt(program, fresh=True)
            stderr = target.standard_error
        said = list(lines)
        with target.recorded() as again:
            for request in _said(said, ">")[1:]:  # hello has been said
                asked = json.loads(request)
                with suppress(TargetError):
                    target.call(asked["method"], asked.get("params"))
    except TargetError:
        return None
    requests, answers = _said(said, ">"), _said(said, "<")
    repeats = (requests[1:], answers[1:]) == (_said(again, ">")[1:], _said(again, "<")[1:])
    return DriverRun(requests, answers, repeats, stderr)


def _said(lines: Sequence[tuple[str, bytes]], direction: str) -> tuple[str, ...]:
    whole = b"".join(line for way, line in lines if way == direction)
    return tuple(line.decode(errors="backslashreplace") for line in whole.split(b"\n") if line)


def script(record: Failure, target: str, command: Sequence[str]) -> str:
    """The shell script. command: the user's own command that runs the driver; () if the reader has to give one.

    Anything that a target or a file said is in single quotes. The script runs the command, and nothing from a file.
    """
    title = f"{target}: {record.check}"
    told = [
        title,
        record.rule,
        *(f"  {word:9} {fact.text}" for word, fact in headed(facts(record)) if fact.part in _TOLD),
    ]
    usage = "usage: sh repro.sh COMMAND [ARGUMENT ...], where COMMAND runs the driver"
    if command:
        default = f'[ "$#" -gt 0 ] || set -- {shlex.join(command)}'
    else:
        default = f'[ "$#" -gt 0 ] || {{ {_say(usage, to=">&2 ")}; exit 2; }}'
    return "\n".join(
        [
            "#!/bin/sh",
            f"# Gives the requests in {REQUESTS} to a driver, and compares its answers with {ANSWERS_FILE}, which has",
            "# those of the implementation that was found to fail. The answer to hello is not compared.",
            "# Exit code 1: it answers in the same way; 0: it answers otherwise; 2: it was not run.",
            "set -u",
            'here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 2',
            default,
            f'command -v -- "$1" >/dev/null || {{ {_say("the command is not there", to=">&2 ")}; exit 2; }}',
            *map(_say, told),
            f'answers=$("$@" <"$here/{REQUESTS}" | tail -n +2)',
            f'expected=$(tail -n +2 "$here/{ANSWERS_FILE}")',
            'if [ "$answers" = "$expected" ]; then',
            f"    {_say('The driver answers as it did when this was found.')}",
            "    exit 1",
            "fi",
            _say("The driver answers otherwise than when this was found. Its last answer:"),
            "printf '%s\\n' \"$answers\" | tail -n 1 | LC_ALL=C tr -d '\\000-\\010\\013-\\037\\177'",
            "",
        ]
    )


def _say(text: str, to: str = "") -> str:
    """A shell command that prints a line."""
    return f"printf {to}'%s\\n' {shlex.quote(printable(text))}"
