"""Drivers that lie outside the scenarios: unexpected deaths, answers with extra content, wrong hellos, false claims.

Each case is a correct driver except for one statement, which is in the test.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.judgement import VERDICTS
from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.moves import Settle, User
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import DriverTarget, TargetDesync, TargetError
from otterproof.harness.targets.driver import process as supervisor
from otterproof.harness.testkit.driver_claims import probe
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.implementations.contract import PartyConfig
from tests.driver_clock import AFTER_THE_FIRST_WORDS, AT_ONCE, Clock, clock
from tests.raising import raises_check

__all__ = ["clock"]

load()
CONFIG = PartyConfig(published_key("alice"))

#: `number` counts the requests from 1; `good` gives the correct answer to one.
PROGRAM = """
import json, os, signal, sys, time
HELLO = {"protocol": 2, "name": "x", "version": "1", "otr_versions": [3], "capabilities": ["v3"], "randomness": "none"}
CREATED = {"instance_tag": 256, "fingerprint": "00" * 20}
ACTIONS = ("start", "send", "receive", "end", "set_policy")
def answer(result):
    os.write(1, json.dumps({"jsonrpc": "2.0", "id": id, "result": result}).encode() + b"\\n")
def strand():
    error = {"code": -32003, "message": "the screen has ended"}
    os.write(1, json.dumps({"jsonrpc": "2.0", "id": id, "error": error}).encode() + b"\\n")
def good():
    answer({"hello": HELLO, "create": CREATED}.get(method, {"events": []} if method in ACTIONS else {}))
for number, line in enumerate(sys.stdin.buffer, 1):
    id, method = (json.loads(line)[name] for name in ("id", "method"))
    if method == "METHOD":
        STATEMENT
    else:
        good()
    if method == "shutdown":
        break
"""

Make = Callable[..., DriverTarget]


@pytest.fixture
def liar() -> Iterator[Make]:
    """Makes a target whose driver runs a statement in place of the correct answer to a method."""
    made = []

    def make(method: str, statement: str, time_limit: float = 60.0) -> DriverTarget:
        program = PROGRAM.replace("METHOD", method).replace("STATEMENT", statement)
        target = DriverTarget("liar", [sys.executable, "-S", "-E", "-c", program], time_limit)
        made.append(target)
        return target

    yield make
    for target in made:
        target.close()


def wait_for_the_end_of(pid: int) -> None:
    """Wait until a process has ended; the guard of a driver may have reaped it already."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([process], [], [])
    finally:
        os.close(process)


def goes_on(target: DriverTarget) -> None:
    """The next case has a working process."""
    target.reset()
    assert target.party("bob", CONFIG, b"").send(b"hi") == []


# ---- deaths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "how"),
    [("good(); os._exit(6)", "exit-6"), ("good(); os.kill(os.getpid(), signal.SIGKILL)", "sigkill")],
)
def test_a_death_between_calls_is_a_crash(liar: Make, statement: str, how: str) -> None:
    target = liar("start", statement)
    party = target.party("alice", CONFIG, b"")
    assert party.start() == []
    wait_for_the_end_of(target.pid)
    with raises_check(f"crash.send.{how}"):
        party.send(b"hi")
    goes_on(target)


def test_a_death_is_not_made_up_for_by_the_next_party(liar: Make) -> None:
    target = liar("start", "good(); os._exit(6)")
    target.party("alice", CONFIG, b"").start()
    wait_for_the_end_of(target.pid)
    with raises_check("crash.create.exit-6"):
        target.party("bob", CONFIG, b"")
    goes_on(target)


def test_nothing_is_left_of_a_driver_that_died_between_calls(liar: Make) -> None:
    """No child, zombie or pipe is left."""
    target = liar("start", "child = os.fork() or time.sleep(300); os.write(2, b'%d' % child); good(); os._exit(6)")
    party = target.party("alice", CONFIG, b"")
    before = len(os.listdir("/proc/self/fd"))
    party.start()
    wait_for_the_end_of(target.pid)
    pid = target.pid
    (child,) = (int(one) for one in os.listdir("/proc") if one.isdigit() and _group(one) == pid and int(one) != pid)
    with raises_check("crash.reset.exit-6"):
        target.reset()
    target.reset()
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{child}").exists()
    assert len(os.listdir("/proc/self/fd")) == before


def _group(pid: str) -> int:
    try:
        return os.getpgid(int(pid))
    except ProcessLookupError:
        return 0


@pytest.mark.parametrize(
    "statement",
    [
        "os.write(1, b'Assertion failed' + bytes([10])); os.abort()",
        "os.write(1, b'Assertion failed' + bytes([10])); time.sleep(0.02); os.abort()",
        "os.write(1, b'{'); os.abort()",
        "os.write(1, b'one' + bytes([10]) + b'two' + bytes([10])); os.abort()",
        "os.write(1, b'no' + bytes([10])); os.write(2, b'x' * 1000000); os.abort()",
        "os.close(1); os.write(2, b'x' * 1000000); os.abort()",
    ],
)
def test_who_dies_has_crashed_whatever_it_wrote_before(
    liar: Make, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_AGONY", "_GRACE"):
        monkeypatch.setattr(supervisor, name, 60.0)  # it dies, even if late
    target = liar("start", statement)
    with raises_check("crash.start.sigabrt"):
        target.party("alice", CONFIG, b"").start()
    goes_on(target)


def test_a_crash_at_any_call(liar: Make) -> None:
    target = liar("send", "os._exit(9) if number > 5 else good()")
    party = target.party("alice", CONFIG, b"")
    for _ in range(3):
        assert party.send(b"hi") == []
    with raises_check("crash.send.exit-9"):
        party.send(b"hi")
    goes_on(target)


# ---- frames ----------------------------------------------------------------------------------------------------------


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(liar: Make, clock: Clock) -> None:
    target = liar("start", "os.write(2, b'soon'); time.sleep(0.01); good()")
    party = target.party("alice", CONFIG, b"")
    clock.jump(AFTER_THE_FIRST_WORDS)
    with raises_check("hang.start"):
        party.start()
    goes_on(target)


def test_a_flood_ends_at_the_longest_answer(liar: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_ANSWER", 1 << 18)
    target = liar("start", "while True: os.write(1, b'x' * 65536)")
    with pytest.raises(TargetDesync, match="an answer of more than 262144 bytes"):
        target.party("alice", CONFIG, b"").start()
    goes_on(target)


@pytest.mark.parametrize("depth", [900, 980, 1100, 200_000])
def test_nesting_exhausts_nobody(liar: Make, depth: int) -> None:
    before = '{"jsonrpc":"2.0","id":%d,"result":{"events":[{"event":'
    target = liar("start", f"os.write(1, {before!r}.encode() % id + b'[' * {depth} + b']' * {depth} + b'}}]}}}}\\n')")
    with pytest.raises(TargetDesync, match=r"nested too deeply|expected a string, got a list"):
        target.party("alice", CONFIG, b"").start()
    goes_on(target)


# ---- what is in them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "result", "words"),
    [
        ("start", '{"events": [], "mood": 1}', "not an object with `events` and, at most, `shown`"),
        ("start", '{"events": [{"event": []}]}', "expected a string, got a list"),
        (
            "start",
            '{"events": [{"event": "peer_ended_session", "instance": True}]}',
            "expected an integer, got a boolean",
        ),
        (
            "start",
            '{"events": [{"event": "peer_ended_session", "instance": -1}]}',
            "peer_ended_session, whose instance can't be -1",
        ),
        (
            "start",
            '{"events": [{"event": "user_ended_session", "instance": 2**32}]}',
            "user_ended_session, whose instance can't be 4294967296",
        ),
        (
            "start",
            '{"events": [{"event": "action_refused", "action": "rest", "reason": None}]}',
            "action can't be 'rest'",
        ),
        (
            "start",
            '{"events": [{"event": "message_rejected", "reason": None, "field": None, "offset": -1}]}',
            "offset can't be -1",
        ),
        ("create", "[]", "without an instance_tag"),
        ("create", '{"fingerprint": "00" * 20}', "without an instance_tag"),
        ("create", 'CREATED | {"instance_tag": 1.0}', "without an instance_tag"),
        ("create", 'CREATED | {"fingerprint": "00" * 19}', "without the 40 hexadecimal digits"),
        ("create", 'CREATED | {"mood": 1}', "create answers with unknown 'mood'"),
    ],
)
def test_wrong_answers(liar: Make, method: str, result: str, words: str) -> None:
    target = liar(method, f"answer({result})")
    with pytest.raises(TargetDesync, match=words):
        target.party("alice", CONFIG, b"").start()
    target.reset()  # also after a party that was never made


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ('HELLO | {"mood": 1}', "unknown member 'mood'"),
        ('HELLO | {"protocol": True}', "names no protocol"),
        ('HELLO | {"otr_versions": [3.0]}', "otr_versions is .3.0."),
        ('HELLO | {"otr_versions": [3, 3]}', "otr_versions is .3, 3."),
        ('HELLO | {"capabilities": ["v2"]}', "claims v2, but its otr_versions are .3."),
        ('HELLO | {"capabilities": ["v3", "v3"]}', "a duplicate capability"),
        ('HELLO | {"capabilities": {"v3": 1}}', "must be a list of names"),
        ('HELLO | {"randomness": []}', "randomness is"),
    ],
)
def test_wrong_hellos(liar: Make, result: str, words: str) -> None:
    with pytest.raises(TargetDesync, match=words):
        liar("hello", f"answer({result})")


def test_hello_is_a_must_and_nothing_is_left_of_who_refuses_it(liar: Make) -> None:
    before = len(os.listdir("/proc/self/fd"))
    refusal = '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"what?"}}\n'
    with pytest.raises(TargetDesync, match="it answered hello with an error"):
        liar("hello", f"os.write(1, {refusal.encode()!r})")
    assert len(os.listdir("/proc/self/fd")) == before


# ---- claims ----------------------------------------------------------------------------------------------------------

#: The reference engine's driver, where a statement changes `methods`.
ENGINE = """
import os
from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import Unsupported, serve
methods = Driver("reference").methods()
hello, create = methods["hello"], methods["create"]
def unsupported(params):
    raise Unsupported("it was only talk")
STATEMENT
serve(methods)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("pass", []),
        ("methods['dump'] = unsupported", ["driver.claim-not-kept: dump: .*only talk"]),
        ("methods['set_time'] = unsupported", ["driver.claim-not-kept: time:"]),
        ("methods['set_policy'] = unsupported", ["driver.claim-not-kept: policy:"]),
        ("methods['extra_key'] = unsupported", ["driver.claim-not-kept: extra_key:"]),
        ("del methods['smp_answer']", ["driver.claim-not-kept: smp: .*no method smp_answer"]),
        (
            "methods['smp_start'] = unsupported",
            ["driver.claim-not-kept: smp:", "driver.claim-not-kept: smp_question:"],
        ),
        ("methods['smp_abort'] = unsupported", ["driver.claim-not-kept: smp_abort:"]),
        ("methods['create'] = unsupported", ["driver.claim-not-kept: v2:", "driver.claim-not-kept: v3:"]),
        (
            "methods['create'] = lambda params: create({**params, 'instance_tag': 777})",
            ["driver.instance-tag-not-used: instance_tags: 777"] * 2,
        ),
        (
            "methods['create'] = lambda params: create({**params, 'seed': os.urandom(32).hex()})",
            ['driver.not-repeatable: randomness "tape"'],
        ),
        (
            "methods['hello'] = lambda params: {**hello(params), 'capabilities': ['v3'], 'randomness': 'none'}; "
            "methods['create'] = lambda params: create({**params, 'seed': os.urandom(32).hex()}); "
            "methods['dump'] = methods['smp_start'] = unsupported",
            [],
        ),
    ],
)
def test_claims_are_tried(statement: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    target = DriverTarget("claims", [sys.executable, "-c", ENGINE.replace("STATEMENT", statement)])
    try:
        complaints = [f"{found.check}: {found.claim}: {found.got}" for found in probe(target)]
        assert len(complaints) == len(expected), complaints
        for complaint, words in zip(sorted(complaints), expected, strict=True):
            assert re.search(words, complaint), complaint
    finally:
        target.close()


# ---- as verdicts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "statement", "verdict", "looks"),
    [
        ("start", "good()", Verdict.FAIL, None),
        ("start", "os.abort()", Verdict.CRASH, None),
        ("create", "good(); os._exit(6)", Verdict.CRASH, None),
        ("start", "time.sleep(300)", Verdict.HANG, AT_ONCE),
        ("start", "os.write(1, b'{'); time.sleep(300)", Verdict.DESYNC, AFTER_THE_FIRST_WORDS),
        ("create", "answer([])", Verdict.DESYNC, None),
        ("start", "strand()", Verdict.CRASH, None),
    ],
)
def test_verdicts_and_the_next_case(
    liar: Make,
    method: str,
    statement: str,
    verdict: Verdict,
    looks: int | None,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (scenario,) = scenarios("conformance.interop.handshake_asked_by_target[v3]")
    target = liar(method, statement)
    call = target.call

    def watched(asked: str, params: Mapping[str, Any] | None = None) -> Any:
        if asked == method and looks is not None:
            clock.jump(looks)
        return call(asked, params)

    monkeypatch.setattr(target, "call", watched)
    for _ in range(2):
        result = run(scenario, target, b"seed")
        assert result.verdict is verdict, result.detail


INTEROP = "conformance.interop.handshake_asked_by_target[v3]"


def strands_once(marker: Path) -> str:
    """A statement with which the driver loses something the first time it runs."""
    return f"first = not os.path.exists({str(marker)!r}); open({str(marker)!r}, 'w'); strand() if first else good()"


def test_a_scenario_is_run_again_after_the_end_of_a_screen(liar: Make, tmp_path: Path) -> None:
    """The result of the second run counts."""
    (scenario,) = scenarios(INTEROP)
    result = run(scenario, liar("start", strands_once(tmp_path / "once")), b"seed", tmp_path / "transcripts")
    assert (result.verdict, result.check) == (Verdict.FAIL, "session.not-established")
    assert len(result.transcripts) == 1


def test_the_end_of_a_screen_in_two_runs_is_a_crash(liar: Make) -> None:
    (scenario,) = scenarios(INTEROP)
    result = run(scenario, liar("start", "strand()"), b"seed")
    assert result.check == "crash.start.stranded"


def test_a_program_is_run_again_after_the_end_of_a_screen(liar: Make, tmp_path: Path) -> None:
    programs = [
        Program(Setup(start="scratch", target=target, oracles=("bounds",)), (User("alice", "start", {}), Settle()))
        for target in (liar("start", strands_once(tmp_path / "once")), liar("start", "strand()"))
    ]
    assert attempt(programs[0]) is None
    failure = attempt(programs[1])
    assert failure is not None
    assert (failure.verdict, failure.check) == (Verdict.CRASH, "crash.start.stranded")


def test_a_driver_that_can_not_be_started_again_has_crashed(liar: Make, tmp_path: Path) -> None:
    """It could be started before, so it is not reported as missing."""
    gone = str(tmp_path / "gone")
    target = liar("hello", f"os._exit(127) if os.path.exists({gone!r}) else good(); open({gone!r}, 'w')")
    target.party("alice", CONFIG, b"")
    os.kill(target.pid, signal.SIGKILL)
    wait_for_the_end_of(target.pid)
    with raises_check("crash.reset.sigkill"):
        target.reset()
    with raises_check("crash.hello.gone"):
        target.reset()


def test_every_error_of_a_target_has_a_verdict() -> None:
    kinds = {kind for kind, _ in VERDICTS}
    assert {one.__name__ for one in TargetError.__subclasses__() if one not in kinds} == {"TargetMissing"}
