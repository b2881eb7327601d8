"""A failure as lines of the driver protocol, which a maintainer can replay without Otterproof.

The lines are the requests to the driver in a run of the small program, from `hello` on, in a process of its own. They
are given to a second process at once, to see whether it answers the same. If it does not, because the implementation
draws its own random numbers, the lines would show nothing, and no script is written. Nor is one if that run does not
fail, or if an answer is not text.

The script needs a POSIX shell and what every Linux and macOS has: no `timeout`, no Python.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from otterproof.harness.runs.failure import Failure as Record
from otterproof.harness.runs.failure import facts, headed
from otterproof.harness.runs.fuzz.execute import Failure, attempt
from otterproof.harness.runs.fuzz.folder import ANSWERS_FILE, REQUESTS
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import DriverTarget, TargetError

#: The parts of a record that the script prints.
_TOLD = ("case", "expected", "got", "where")

#: Overrides the script's time limit for an answer, in seconds.
LIMIT_VARIABLE = "OTTERPROOF_REPRO_TIMEOUT"


@dataclass(frozen=True, slots=True)
class DriverRun:
    """A recorded run. requests, answers: the lines, without their ends. repeats: a second process answered the same.

    stderr: the end of what the driver wrote to standard error. failure: what failed. question: the number of the
    request whose answer that is about, 0 if unknown; `hello` is number 1. limit: the seconds given to each answer.
    """

    requests: tuple[str, ...]
    answers: tuple[str, ...]
    repeats: bool
    stderr: str
    failure: Failure | None
    question: int
    limit: float

    @property
    def is_text(self) -> bool:
        """Whether the answers are recorded as they came: a byte that is not UTF-8 is recorded as an escape."""
        return not any("\udc80" <= one <= "\udcff" for line in self.answers for one in line)


def driver_run(program: Program, target: DriverTarget) -> DriverRun | None:
    """Run a program in a new process of a driver, and record it. None when the process can't be started."""
    asked: dict[int, int] = {}  # the number of the last request in each step of the target's party
    try:
        with target.recorded() as lines:

            def note(step: Step) -> None:
                if step.party == program.setup.role:
                    asked[step.number] = sum(direction == ">" for direction, _ in lines)

            failure = attempt(program, fresh=True, watch=note)
            stderr = target.standard_error
        said = list(lines)
        with target.recorded() as again:
            for request in _said(said, ">")[1:]:  # hello has been said
                one = json.loads(request)
                with suppress(TargetError):
                    target.call(one["method"], one.get("params"))
    except TargetError:
        return None
    requests, answers = _said(said, ">"), _said(said, "<")
    repeats = (requests[1:], answers[1:]) == (_said(again, ">")[1:], _said(again, "<")[1:])
    place = failure.record.place if failure is not None and failure.record is not None else None
    question = asked.get(place.step, 0) if place is not None else 0
    return DriverRun(requests, answers, repeats, stderr, failure, question, target.time_limit)


def _said(lines: Sequence[tuple[str, bytes]], direction: str) -> tuple[str, ...]:
    whole = b"".join(line for way, line in lines if way == direction)
    said = whole.removesuffix(b"\n").split(b"\n") if whole else []
    return tuple(line.decode(errors="surrogateescape") for line in said)


def script(record: Record, target: str, command: Sequence[str], run: DriverRun) -> str:
    """The shell script. command: the user's own command that runs the driver; () if the reader has to give one.

    Anything that a target or a file said is in single quotes. The script runs the command, and nothing from a file.
    """
    told = [
        f"{target}: {record.check}",
        record.rule,
        *(f"  {word:9} {fact.text}" for word, fact in headed(facts(record)) if fact.part in _TOLD),
    ]
    usage = "usage: sh repro.sh COMMAND [ARGUMENT ...], where COMMAND runs the driver"
    default = f"set -- {shlex.join(command)}" if command else f"not_run {shlex.quote(usage)}"
    hung = run.failure is not None and run.failure.verdict is Verdict.HANG
    return _SCRIPT.format(
        requests=REQUESTS,
        answers=ANSWERS_FILE,
        variable=LIMIT_VARIABLE,
        limit=max(1, math.ceil(run.limit)),
        question=run.question,
        hung="yes" if hung else "no",
        default=default,
        told="\n".join(f"say {shlex.quote(printable(line))}" for line in told),
    )


_SCRIPT = r"""#!/bin/sh
# Gives the requests in {requests} to a driver, and compares its answers with {answers}, which has those of
# the implementation that was found to fail. The answer to hello is not compared. Exit codes:
# 0: it answers every request, and differently
# 1: it answers in the same way, or breaks down at the same request as before
# 2: it was not run, or breaks down elsewhere
set -u
limit=${{{variable}:-{limit}}}  # in seconds, for each answer
question={question}  # the number of the request whose answer is wrong, 0 if there is no single one
hung={hung}  # whether the implementation did not answer in time

say() {{ printf '%s\n' "$1"; }}
not_run() {{ say "$1" >&2; exit 2; }}
count() {{ LC_ALL=C grep -c '' "$1"; }}
line() {{ LC_ALL=C sed -n "$1{{p;q;}}" "$2"; }}
show() {{  # a line of a file, cut, without anything that a terminal obeys
    shown=$(line "$1" "$2" | LC_ALL=C tr -c '\012\040-\176' '?' | cut -c 1-600)
    say "  ${{shown:-(nothing)}}"
}}

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 2
requests=$here/{requests}
recorded=$here/{answers}
case $limit in
'' | *[!0-9]*) not_run '{variable}: set it to a number of seconds, or unset it' ;;
esac
[ "$#" -gt 0 ] || {default}
command -v -- "$1" >/dev/null || not_run 'not run: the command is not there'
work=$(mktemp -d) || exit 2
answers=$work/answers
driver='' watch=''
trap 'kill -9 $driver $watch 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

{told}
say "Waiting up to $limit s for each answer ({variable} sets another limit) ..."
: >"$answers"  # for the count below, which may come before the driver
(
    ulimit -f 131072  # a driver that does not stop writing must not fill the disk
    exec "$@"
) <"$requests" >"$answers" &
driver=$!
(
    before=0 idle=0
    while [ "$idle" -lt "$limit" ]; do
        sleep 1
        now=$(wc -l <"$answers")
        if [ "$now" -gt "$before" ]; then before=$now idle=0; else idle=$((idle + 1)); fi
    done
    : >"$work/late"
    kill -9 "$driver"
) </dev/null >/dev/null 2>&1 &
watch=$!
wait "$driver" 2>/dev/null
status=$?
how="ended with exit status $status"
kill "$watch" 2>/dev/null
driver='' watch='' late=no
if [ -e "$work/late" ]; then late=yes how="gave no answer within $limit s"; fi

case $(line 1 "$answers") in
*'"result"'*) ;;
*)
    say "not run: the driver did not answer hello, and $how; its first line:" >&2
    show 1 "$answers" >&2
    exit 2
    ;;
esac

given=$(count "$answers")
known=$(count "$recorded")
if [ "$given" -lt "$(count "$requests")" ]; then
    # A driver that passes over a request makes a client wait, but ends here, because its input ends.
    if [ "$given" -eq "$known" ] && {{ [ "$late" = "$hung" ] || [ "$hung $status" = "yes 0" ]; }}; then
        say "The driver breaks down as it did when this was found: it $how at request $((given + 1)):"
        show "$((given + 1))" "$requests"
        exit 1
    fi
    say "The driver breaks down differently than when this was found: it $how at request $((given + 1)):" >&2
    show "$((given + 1))" "$requests" >&2
    exit 2
fi

same() {{ [ "$(line "$1" "$answers")" = "$(line "$1" "$recorded")" ]; }}
last=$given
[ "$known" -le "$last" ] || last=$known
at=2
while [ "$at" -le "$last" ] && same "$at"; do at=$((at + 1)); done
if [ "$at" -gt "$last" ]; then
    say 'The driver answers as it did when this was found.'
    [ "$question" -gt 0 ] || exit 1
    say "Request $question, to which the answer is wrong:"
    show "$question" "$requests"
    say 'Its answer:'
    show "$question" "$answers"
    exit 1
fi
if [ "$question" -gt 0 ] && ! same "$question"; then at=$question; fi
say "The driver answers differently than when this was found. Request $at:"
show "$at" "$requests"
say 'Its answer:'
show "$at" "$answers"
say 'The answer when this was found:'
show "$at" "$recorded"
"""
