"""The command line as a whole: fast and correct help, consistent options, lists, and several targets."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterproof.harness.runs.explore.alphabet import ALPHABETS, ROLES
from otterproof.harness.spec import pages
from otterproof.harness.support import suggestions
from otterproof.harness.support.version import tool_version
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import cli
from otterproof.harness.ui.arguments import driver as driver_arguments
from otterproof.harness.ui.arguments import explore as explore_arguments
from otterproof.harness.ui.arguments import vectors as vector_arguments
from otterproof.harness.ui.commands import completion
from otterproof.harness.ui.commands.driver import TEMPLATES
from otterproof.harness.ui.parser import Parser
from otterproof.harness.vectorgen.consumers import NAMES as CONSUMERS

load()

ONE = "conformance.data.key_id_0_is_refused"

#: Modules that are slow to import and not needed for help or the version.
HEAVY = (
    "cryptography",
    "hypothesis",
    "jinja2",
    "jsonschema",
    "junitparser",
    "pytest",
    "otterproof.harness.judges",
    "otterproof.harness.targets",
    "otterproof.harness.testkit",
    "otterproof.harness.ui.commands.check",
    "otterproof.implementations.independent",
    "otterproof.implementations.reference",
    "otterproof.scenarios",
)


def parsers(parser: argparse.ArgumentParser, name: str = "otterproof") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """All commands and subcommands, by the words that call them."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield from parsers(below, f"{name} {word}")


PARSERS = dict(parsers(cli.parser()))
#: Commands that do something, rather than having subcommands.
LEAVES = {name: one for name, one in PARSERS.items() if one.get_default("otterproof_complete")}


# ---- help


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in cli.COMMANDS)], ids=str)
def test_help_imports_nothing_that_judges(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from otterproof.harness.ui import entry\n"
        f"sys.argv[1:] = {words!r}\n"
        "code = entry.main()\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert (code, heavy) == (0, []), (code, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", PARSERS)
def test_every_help_has_a_purpose_and_examples(name: str) -> None:
    parser = PARSERS[name]
    assert parser.description
    assert parser.description.endswith((".", "?"))
    assert parser.epilog is not None
    assert parser.epilog.startswith("Examples:\n")
    assert name in parser.format_help()


@pytest.mark.parametrize(
    "example",
    [
        line.strip()
        for parser in PARSERS.values()
        for line in (parser.epilog or "").splitlines()
        if line.startswith("  otterproof ")
    ],
)
def test_examples_can_be_typed(example: str) -> None:
    """The parser accepts them, apart from what the shell does, and what they refer to exists."""
    words = shlex.split(example.partition(" > ")[0])[1:]
    if words[-1] == "--help":
        assert words[0] in cli.COMMANDS
        return
    parser = cli.parser()
    options = cli.parsed(parser, words)
    assert options is not None
    assert options.otterproof_complete
    for text in getattr(options, "only", None) or []:
        named = text in vector_arguments.CONSUMERS or words[0] == "faults" or any(text in one.id for one in scenarios())
        assert named, f"--only {text} chooses nothing"


def test_names_that_are_written_down_twice_are_the_same() -> None:
    """Importing the module that defines these names takes a second."""
    assert tuple(sorted(ENGINES)) == vector_arguments.ENGINES
    assert vector_arguments.CONSUMERS == CONSUMERS
    assert tuple(ALPHABETS) == explore_arguments.ALPHABETS
    assert ROLES == explore_arguments.ROLES
    assert tuple(TEMPLATES) == driver_arguments.LANGUAGES


@pytest.mark.parametrize("name", [name for name in LEAVES if name not in ("otterproof completion",)])
def test_every_command_with_a_result_has_json(name: str) -> None:
    (action,) = [one for one in LEAVES[name]._actions if "--json" in one.option_strings]
    assert (action.nargs, action.metavar) == ("?", "FILE")


# ---- suggestions


def test_only_names_that_are_about_as_like_are_suggested() -> None:
    assert suggestions.nearest("libotter", ["libotr", "potr", "otr3"]) == ["libotr"]
    assert suggestions.nearest("LIBOTR4", ["libotr"]) == ["libotr"]
    assert suggestions.nearest("x" * 100_000, ["x" * 99_999]) == [], "it would take long"
    assert suggestions.did_you_mean("smp1", ["smp2", "smp3"]) == "; did you mean smp3 or smp2?"
    assert suggestions.did_you_mean("zzz", ["smp2"], "leave it out") == "; leave it out"


# ---- JSON


def test_json_alone_is_all_that_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "reference", "--only", ONE, "--jobs", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["command"], [one["target"] for one in told["runs"]]) == ("check", ["reference"])
    assert cli.main(["explain", "data.counter-not-higher", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "check"
    assert cli.main(["faults", "--only", "counter-constant", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["faults"]] == ["counter-constant"]


def test_json_replaces_an_earlier_result_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    log = Path("chat.log")
    log.write_text("?OTRv2?\n")
    assert cli.main(["inspect", "--json", "chat.log"]) == 2
    assert "does not replace it" in capsys.readouterr().err
    assert log.read_text() == "?OTRv2?\n"
    for _ in range(2):
        assert cli.main(["inspect", "chat.log", "--json", "told.json"]) == 0
        assert "query" in capsys.readouterr().out, "with FILE the text is shown as well"
    assert json.loads(Path("told.json").read_text())["messages"][0]["kind"] == "query"


@pytest.mark.parametrize("command", ["check", "explore", "matrix"])
def test_a_target_is_not_taken_for_the_file_of_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--json", "libotr"]) == 2
    assert f"write otterproof {command} libotr --json" in capsys.readouterr().err


# ---- lists, ids, several targets


def test_a_list_has_what_would_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "reference", "--only", ONE, "--without", "[v2]", "--list"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split()[0] == "scenario"
    assert row.split()[0] == f"{ONE}[v3]"
    assert cli.main(["vectors", "verify", "--kind", "queries", "--list", "--json"]) == 0
    assert all(one["id"].startswith("queries.") for one in json.loads(capsys.readouterr().out)["cases"])
    assert cli.main(["explore", "--list", "--alphabet", "smp", "--json"]) == 0
    assert [one["alphabet"] for one in json.loads(capsys.readouterr().out)["alphabets"]] == ["smp"]
    assert cli.main(["matrix", "reference", "independent", "--list"]) == 0
    assert "conformance.interop.smp_equal[v3]" in capsys.readouterr().out
    assert cli.main(["explain", "--list", "data.counter-not"]) == 0
    assert "data.counter-not-higher" in capsys.readouterr().out


def test_a_whole_id_chooses_that_scenario_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Other scenarios have ids that begin with the same words."""
    ids = {one.id.partition("[")[0] for one in scenarios()}
    short = min(one for one in ids if any(other != one and other.startswith(one) for other in ids))
    assert cli.main(["check", "reference", "--only", short, "--only", f"{ONE}[v2]", "--list", "--json"]) == 0
    (chosen,) = json.loads(capsys.readouterr().out)["chosen"]
    assert {one["id"].partition("[")[0] for one in chosen["scenarios"]} == {short, ONE}
    assert f"{ONE}[v3]" not in {one["id"] for one in chosen["scenarios"]}


def test_several_targets_are_judged_one_after_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, told = tmp_path / "report", tmp_path / "told.json"
    words = ["check", "reference", "--only", "conformance.choices.counter_0_is_refused[v3]", "--jobs", "1"]
    assert cli.main([*words, "fault:counter-0-accepted", "--report", str(report), "--json", str(told)]) == 1
    out = capsys.readouterr().out
    assert out.index("reference: conforms") < out.index("fault:counter-0-accepted: does not conform")
    assert [one["target"] for one in json.loads(told.read_text())["runs"]] == ["reference", "fault:counter-0-accepted"]
    assert sorted(path.name for path in report.iterdir()) == ["fault-counter-0-accepted", "reference"]
    assert (report / "fault-counter-0-accepted" / "otr-card.json").is_file()
    assert cli.main([*words, "independent"]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["reference", "reference"], "named twice"),
        (["reference", "independent", "--name", "x"], "write NAME=exec:COMMAND"),
        (["reference", "independent", "--trace", "trace.jsonl"], "judge this target alone"),
        (["reference", "independent", "--known", "else.toml"], "call the file TARGET.toml"),
        (["reference", "--known", "a.toml", "--known", "b.toml"], "give --known once"),
        (["reference", "libotter"], "did you mean libotr?"),
    ],
)
def test_what_several_targets_cant_have(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", *words, "--only", ONE, "--jobs", "1"]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.out == "", "nothing is begun"


# ---- completion


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["completion", shell]) == 0
    return capsys.readouterr().out


def bash(words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The completions that bash offers for a line. Like readline, it ends a word at a colon."""
    path = folder / "otterproof.bash"
    path.write_text(script("bash", capsys))
    parts = shlex.split(words) + ([""] if words.endswith(" ") else [])
    parts = [piece for part in parts for piece in (part.replace(":", "\0:\0").split("\0") if ":" in part else [part])]
    line = f"COMP_WORDS=({shlex.join(parts)}); COMP_CWORD={len(parts) - 1}; COMP_LINE={shlex.quote(words)}"
    program = (
        f"source {path}; {line}; COMP_POINT=${{#COMP_LINE}}; _shtab_otterproof; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("otterproof che", {"check"}),
        ("otterproof check --prof", {"--profile"}),
        ("otterproof check --profile n", {"nightly"}),
        ("otterproof check libo", {"libotr"}),
        ("otterproof check reference libo", {"libotr"}),
        ("otterproof check fault:counter-const", {"counter-constant"}),
        (f"otterproof check --only {ONE[:-5]}", {ONE}),
        ("otterproof explain data.counter-not-h", {"data.counter-not-higher"}),
        ("otterproof vectors ver", {"verify"}),
        ("otterproof vectors verify --kind quer", {"queries"}),
    ],
)
def test_bash_completes(words: str, offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(bash(words, tmp_path, capsys)) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_can_be_read(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    assert all(words[-1] in text for words in completion.words_of().values())
    if shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(text)
        subprocess.run([shell, "-n", str(path)], check=True)


def test_the_parser_of_one_command_is_that_of_all() -> None:
    """Only the options of the requested command are created; they are the same."""
    for name in cli.COMMANDS:
        one = dict(parsers(cli.parser((name,))))[f"otterproof {name}"]
        assert isinstance(one, Parser)
        assert one.format_help() == PARSERS[f"otterproof {name}"].format_help()


# ---- the page on it


def documented(command: str) -> set[str]:
    """The members of a result that the page names, including those inside lists."""
    text = (pages.DOCS / "reference" / "results.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{command}` +\|(.*)\|$", text, re.M)
    return set(re.findall(r"`([a-z_]+)`", row))


def test_the_page_tells_every_command_with_a_result() -> None:
    names = {name.removeprefix("otterproof ") for name in LEAVES} - {"completion", "targets install"}
    assert all(documented(name) for name in names)


@pytest.mark.slow
def test_results_have_the_members_that_the_page_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, runs = str(tmp_path / "report"), tmp_path / "runs"
    one = ["--only", f"{ONE}[v3]", "--jobs", "1"]
    assert cli.main(["check", "reference", *one, "--report", report]) == 0
    assert cli.main(["check", "reference", *one, "--transcripts", str(runs)]) == 0
    transcript = str(next(runs.glob("*.jsonl")))
    capsys.readouterr()
    for words in (
        ["driver template", "c", str(tmp_path / "driver")],
        ["check", "reference", *one],
        ["check", "reference", *one, "--list"],
        ["explain", "crash"],
        ["explain", "--list", "smp"],
        ["explore", "--list"],
        ["report", report, "--out", str(tmp_path / "site")],
        ["diff", report, report],
        ["show", transcript],
        ["corpus", transcript, "--out", str(tmp_path / "corpus")],
        ["inspect", "?OTRv2?"],
        ["replay", transcript],
        ["vectors verify", "--kind", "tlvs", "--list"],
        ["vectors lint"],
        ["matrix", "reference", "--list"],
        ["faults", "--only", "counter-constant"],
    ):
        assert cli.main([*words[0].split(), *words[1:], "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told.pop("command"), told.pop("tool")) == (words[0], tool_version())
        assert set(told) <= documented(words[0]), words
        for run in told.get("runs", []):
            assert isinstance(run, str) or set(run) <= documented(words[0])
