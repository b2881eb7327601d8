"""The supervisor survives any driver: each misdeed gets the right error in time, and the next case can run."""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otterproof.harness.runs.judgement import judgement_of
from otterproof.harness.targets.driver import (
    DriverTarget,
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetFailed,
    TargetHang,
    TargetMissing,
    TargetStranded,
    TargetUnsupported,
)
from otterproof.harness.targets.driver import process as supervisor
from otterproof.harness.targets.driver.process import MEMORY_VARIABLE, STDERR_TAIL
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import MessageUnreadable, OutgoingMessage, PartyConfig
from tests.driver_clock import AFTER_THE_FIRST_WORDS, AT_ONCE, Clock, clock
from tests.raising import raises_check

ROGUE = Path(__file__).with_name("rogue_driver.py")

__all__ = ["clock"]

#: The time limit of a call in seconds; no driver here needs it, however busy the machine is. Tests of drivers that hang
#: need the clock.
LIMIT = 60.0

CONFIG = PartyConfig(published_key("alice"))


@contextmanager
def rogue(misdeed: str) -> Iterator[DriverTarget]:
    target = DriverTarget("rogue", [sys.executable, "-S", "-E", str(ROGUE), misdeed], LIMIT)
    try:
        yield target
    finally:
        target.close()


def is_running(pid: int) -> bool:
    """Whether a process runs; a zombie does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


DEADLY: list[tuple[str, type[TargetError], str]] = [
    ("exit", TargetCrash, "ended with exit code 3"),
    ("exit_0", TargetCrash, "ended with exit code 0"),
    ("segfault", TargetCrash, r"killed by SIGSEGV\nstandard error ends with:\n  last words$"),
    ("realtime_signal", TargetCrash, "killed by (signal 40|SIGRT)"),
    ("child", TargetCrash, "ended with exit code 4"),
    ("half_and_exit", TargetCrash, "ended with exit code 5, after an incomplete line: "),
    ("stall", TargetHang, "no answer within 60 s"),
    ("child_and_stall", TargetHang, "no answer within 60 s"),
    ("flood_of_errors", TargetHang, "no answer within 60 s"),
    ("half_and_stall", TargetDesync, "incomplete line; no more output within 60 s"),
    ("trickle", TargetDesync, "incomplete line; no more output within 60 s"),
    ("garbage", TargetDesync, "not JSON .*just joking"),
    ("not_utf8", TargetDesync, "not JSON"),
    ("utf16", TargetDesync, "output after the answer|not JSON"),
    ("nan", TargetDesync, "NaN is not JSON"),
    ("two_ids", TargetDesync, "twice"),
    ("nested", TargetDesync, "nested too deeply"),
    ("list", TargetDesync, "not an object"),
    ("empty_line", TargetDesync, "not JSON"),
    ("wrong_id", TargetDesync, "not an answer to request 3"),
    ("old_id", TargetDesync, "not an answer to request 3"),
    ("id_string", TargetDesync, "not an answer to request 3"),
    ("id_float", TargetDesync, "not an answer to request 3"),
    ("no_version", TargetDesync, "JSON-RPC 2.0"),
    ("extra_member", TargetDesync, "JSON-RPC 2.0"),
    ("neither", TargetDesync, "either result or error"),
    ("both", TargetDesync, "either result or error"),
    ("bare_error", TargetDesync, "a code and a message"),
    ("own_code", TargetDesync, "rejects the request with error 7: seven"),
    ("invalid_params", TargetDesync, "rejects the request with error -32602: no such party"),
    ("twice", TargetDesync, "output after the answer"),
    ("flood", TargetDesync, "more than 16777216 bytes"),
    ("flood_of_lines", TargetDesync, "output after the answer"),
    ("huge", TargetDesync, "more than 16777216 bytes"),
    ("close_stdout", TargetDesync, "closed its pipes, but is still running"),
    ("no_events", TargetDesync, "not an object with `events`"),
    ("events_object", TargetDesync, "not an object with `events`"),
    ("unknown_event", TargetDesync, r"start\.events\[0\].*unknown event 'levitated'"),
    ("missing_field", TargetDesync, "missing field 'instance'"),
    ("extra_field", TargetDesync, "unknown field 'mood'"),
    ("no_byte", TargetDesync, r"U\+0100"),
    ("null_message", TargetDesync, "malformed event"),
]


#: Drivers that do not answer, and when the clock jumps ahead.
SILENT = {
    "stall": AT_ONCE,
    "child_and_stall": AFTER_THE_FIRST_WORDS,
    "flood_of_errors": AFTER_THE_FIRST_WORDS,
    "half_and_stall": AFTER_THE_FIRST_WORDS,
    "trickle": AFTER_THE_FIRST_WORDS,
}


@pytest.mark.slow
@pytest.mark.parametrize(("misdeed", "kind", "words"), DEADLY, ids=[row[0] for row in DEADLY])
def test_a_misdeed_is_told_and_the_next_case_gets_a_new_process(
    misdeed: str, kind: type[TargetError], words: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A driver that is meant to die does so eventually, and the others never do: the waiting time does not matter.
    monkeypatch.setattr(supervisor, "_GRACE", 60.0 if kind is TargetCrash else 0.0)
    monkeypatch.setattr(supervisor, "_AGONY", 0.0)
    with rogue(misdeed) as target:
        party = target.party("alice", CONFIG, b"seed")
        pid = target.pid
        if misdeed in SILENT:
            clock.jump(SILENT[misdeed])
        with pytest.raises(TargetError) as caught:
            party.start()
        assert type(caught.value) is kind
        assert re.search(words, str(caught.value), re.DOTALL), str(caught.value)
        assert len(str(caught.value)) < STDERR_TAIL + 2000
        assert not is_running(pid)
        with pytest.raises(TargetCrash, match="has ended"):
            party.send(b"to the dead")
        target.reset()
        assert target.pid != pid
        assert target.party("alice", CONFIG, b"seed").send(b"hi") == []


def test_children_are_ended_with_the_driver(clock: Clock) -> None:
    with rogue("child_and_stall") as target:
        party = target.party("alice", CONFIG, b"seed")
        clock.jump(AFTER_THE_FIRST_WORDS)
        with pytest.raises(TargetHang) as caught:
            party.start()
    found = re.search(r"child (\d+)", str(caught.value))
    assert found
    assert not is_running(int(found[1]))


@pytest.mark.parametrize(
    ("misdeed", "check"),
    [
        ("segfault", "crash.start.sigsegv"),
        ("child", "crash.start.exit-4"),
        ("garbage", "desync.start"),
        ("missing_field", "desync.start"),
        ("failed", "exception.start.IndexError"),
        ("unsupported", "driver.claim-not-kept"),
    ],
)
def test_how_a_target_breaks_down_is_its_signature(misdeed: str, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_AGONY", 0.0)
    with rogue(misdeed) as target, raises_check(check):
        target.party("alice", CONFIG, b"seed").start()


def test_a_hang_is_known_by_what_was_asked(clock: Clock) -> None:
    with rogue("stall") as target:
        party = target.party("alice", CONFIG, b"seed")
        clock.jump(AT_ONCE)
        with raises_check("hang.start"):
            party.start()


def test_the_time_of_what_is_done_while_the_driver_works_does_not_count(clock: Clock) -> None:
    asked: list[str] = []

    def work() -> None:
        while not target.standard_error:  # it has read the request
            pass
        asked.append("work")
        clock.jump(0)

    with rogue("chatter") as target:
        party = target.party("alice", CONFIG, b"seed")
        target.meanwhile = work
        assert party.start() == []
        target.meanwhile = None
    assert asked == ["work"]


def test_the_code_of_a_crash_is_told() -> None:
    with rogue("segfault") as target, pytest.raises(TargetCrash) as caught:
        target.party("alice", CONFIG, b"seed").start()
    assert caught.value.code == -11


@pytest.mark.parametrize(
    ("misdeed", "kind"),
    [("unsupported", TargetUnsupported), ("no_method", TargetUnsupported), ("failed", TargetFailed)],
)
def test_an_error_of_the_target_leaves_the_process_alive(misdeed: str, kind: type[TargetError]) -> None:
    with rogue(misdeed) as target:
        party = target.party("alice", CONFIG, b"seed")
        pid = target.pid
        for _ in range(2):
            with pytest.raises(kind):
                party.start()
        assert party.send(b"hi") == []
        target.reset()
        assert target.pid == pid


def test_a_driver_that_lacks_something_is_replaced_and_that_is_no_crash() -> None:
    with rogue("stranded") as target:
        party = target.party("alice", CONFIG, b"seed")
        pid = target.pid
        with pytest.raises(TargetStranded, match="the screen has ended") as caught:
            party.start()
        assert caught.value.check == "crash.start.stranded"
        assert judgement_of(caught.value).stranded
        assert not is_running(pid)
        target.reset()
        assert target.pid != pid
        assert target.party("alice", CONFIG, b"seed").send(b"hi") == []


def test_what_comes_after_an_answer_is_found_at_the_next_call() -> None:
    with rogue("late") as target:
        party = target.party("alice", CONFIG, b"seed")
        assert party.start() == []
        select.select([target._process._out], [], [])
        with pytest.raises(TargetDesync, match="unexpected output after its answer to start"):
            party.send(b"hi")


def test_a_request_that_nobody_reads_is_a_hang(clock: Clock) -> None:
    with rogue("stall") as target:
        party = target.party("alice", CONFIG, b"seed")
        clock.jump(AT_ONCE)
        with pytest.raises(TargetHang):
            party.receive(b"x" * (1 << 20))


def test_large_messages_pass_both_ways() -> None:
    with rogue("large") as target:
        party = target.party("alice", CONFIG, b"seed")
        assert party.receive(b"\xff" * (2 << 20)) == []
        assert party.start() == [OutgoingMessage(b"\xff" * (1 << 20))] * 2


def test_a_driver_that_chatters_on_standard_error_is_no_trouble() -> None:
    with rogue("chatter") as target:
        assert target.party("alice", CONFIG, b"seed").start() == []


def test_what_is_not_told_is_empty_and_known_to_be_so() -> None:
    with rogue("nulls") as target:
        party = target.party("alice", CONFIG, b"seed")
        assert party.start() == [MessageUnreadable(None, None, None, None)]


def test_a_closed_input_is_found_at_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_GRACE", 0.0)
    with rogue("close_stdin") as target:
        party = target.party("alice", CONFIG, b"seed")
        assert party.start() == []
        with pytest.raises(TargetDesync, match="closed its pipes, but is still running"):
            party.send(b"hi")


def test_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "256")
    with rogue("eat") as target:
        party = target.party("alice", CONFIG, b"seed")
        with pytest.raises(TargetCrash, match=r"(?s)exit code 1\n.*MemoryError"):
            party.start()


@pytest.mark.slow
def test_the_memory_limit_can_be_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "0")
    with rogue("eat") as target:
        assert target.party("alice", CONFIG, b"seed").start() == []


def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "2G")
    with pytest.raises(TargetMissing, match="number of MiB"), rogue("none"):
        pass


def test_a_driver_that_is_not_there() -> None:
    with pytest.raises(TargetMissing, match="/no/such/driver can't be started: No such file"):
        DriverTarget("ghost", ["/no/such/driver"])


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ("[]", "names no protocol"),
        ('{"protocol": 1}', "driver protocol 1, and Otterproof 2; docs/reference/driver-protocol-changes.md says what"),
        ('{"protocol": 2, "name": "x"}', "no version"),
        ('{"protocol": 2, "name": "x", "version": "1", "otr_versions": [4]}', "otr_versions"),
        ('{"protocol": 2, "name": "x", "version": "1", "otr_versions": [3]}', "capabilities"),
        (
            '{"protocol": 2, "name": "x", "version": "1", "otr_versions": [3], "capabilities": ["telepathy"]}',
            "unknown capability 'telepathy'; there are dump, ",
        ),
        (
            '{"protocol": 2, "name": "x", "version": "1", "otr_versions": [3], "capabilities": []}',
            "randomness is None",
        ),
    ],
)
def test_a_driver_that_does_not_say_hello_properly(hello: str, words: str) -> None:
    program = f"""input(); print('{{"jsonrpc":"2.0","id":1,"result":{hello}}}', flush=True); input()"""
    with pytest.raises(TargetDesync, match=words):
        DriverTarget("rude", [sys.executable, "-S", "-E", "-c", program], LIMIT)


def test_the_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTTERPROOF_TEST_VARIABLE", "seen")
    program = "import os; os.write(2, os.environ['OTTERPROOF_TEST_VARIABLE'].encode()); os._exit(9)"
    with pytest.raises(TargetCrash, match=r"exit code 9\nstandard error ends with:\n  seen"):
        DriverTarget("env", [sys.executable, "-c", program], LIMIT)


def test_a_long_trace_is_told_from_both_ends() -> None:
    """The cause of a failure is at the beginning of the trace."""
    program = "import os; os.write(2, b'panic: it is gone\\n' + b'at a place\\n' * 2000 + b'the end'); os._exit(2)"
    told = r"begins with:\n  panic: it is gone\n(.|\n)*standard error ends with:\n(.|\n)*\n  the end$"
    with pytest.raises(TargetCrash, match=told):
        DriverTarget("long", [sys.executable, "-c", program], LIMIT)


def test_a_driver_that_is_asked_to_end_may_do_so_by_itself(tmp_path: Path) -> None:
    last = tmp_path / "last"
    program = f"import atexit, runpy, sys; atexit.register(open, {str(last)!r}, 'w'); sys.argv = ['', 'none']"
    program += f"; runpy.run_path({str(ROGUE)!r}, run_name='__main__')"
    DriverTarget("polite", [sys.executable, "-c", program]).close()
    assert last.exists()


def test_nothing_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for misdeed in ("none", "exit", "flood"):
        with rogue(misdeed) as target:
            try:
                target.party("alice", CONFIG, b"seed").start()
            except TargetError:
                target.reset()
    assert len(os.listdir("/proc/self/fd")) == before
