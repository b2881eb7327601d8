"""The code blocks on the pages, run by Sybil: commands, Python, TOML, JSON.

A block of commands (`console`) is run in a folder shared by all blocks of the page, in order. Lines after `$` are
commands; the lines below a command are its output, where `...` matches anything. A command must succeed unless the next
one is `echo $?`. A block of lines to paste (`sh`) has only commands. Blocks in other languages are run as a script, or
parsed and validated. A comment above a block says what is special about it:

    <!-- file: NAME -->          the block is a file, for the blocks that follow
    <!-- shortened: WORDS -->    these words are added to its commands, so that they take seconds
    <!-- not run: REASON -->     it can't be run in a test; how many such blocks there are is counted
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sybil import Document, Example, Region

from otterproof.harness.runs import deviations
from otterproof.harness.runs.proxy.rules import rules_of
from otterproof.harness.spec import requirements
from otterproof.harness.targets.driver import THIRD_PARTIES, TargetMissing
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui.settings import settings_of

ROOT = Path(__file__).parents[1]

#: The pages whose blocks are run.
PATTERNS = ("README.md", "docs/*.md", "docs/*/*.md")

#: The comments allowed above a block.
DIRECTIVES = ("file", "shortened", "not run")

_BLOCK = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<how>file|shortened|not run): (?P<what>.*?) -->\n(?P=indent))?"
    r"```(?P<language>[a-z]\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.M | re.S,
)

#: A driver that stands in for the reader's own; it wraps the reference engine.
_DRIVER = """\
import runpy, sys
sys.argv = ["my_driver.py", "reference"]
runpy.run_module("otterproof.implementations.drivers.engine.driver", run_name="__main__")
"""

#: Output that differs on every run, and its replacement.
_VARYING = {r"\b20\d\d-\d\d-\d\d-\d+": "DATE", r"\b\d+(?:\.\d+)? s\b": "N s"}

#: The time limit of a command, in seconds.
_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Snippet:
    """A block. how, what: the comment above it, or ""."""

    language: str
    text: str
    how: str = ""
    what: str = ""

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands, each with its expected output. A trailing backslash continues a line."""
        if self.language == "sh":
            return [(line, "") for line in self.text.splitlines()]
        found: list[tuple[str, str]] = []
        for line in self.text.splitlines(keepends=True):
            if found and not found[-1][1] and found[-1][0].endswith("\\"):
                found[-1] = (f"{found[-1][0][:-1]}{line.strip()}", "")
            elif line.startswith("$ "):
                found.append((line[2:].strip(), ""))
            elif found:
                found[-1] = (found[-1][0], found[-1][1] + line)
            else:
                raise AssertionError(f"a block of commands begins with $: {line!r}")
        return found


def snippets(text: str) -> Iterator[tuple[re.Match[str], Snippet]]:
    """The blocks of a page that name a language, with their positions."""
    for found in _BLOCK.finditer(text):
        body = textwrap.dedent(found["text"])
        yield found, Snippet(found["language"], body, found["how"] or "", found["what"] or "")


def parse(document: Document) -> Iterable[Region]:
    """The parts of a page that Sybil runs."""
    for found, snippet in snippets(document.text):
        if snippet.how != "not run" and (snippet.how == "file" or snippet.language in _EVALUATE):
            yield Region(found.start(), found.end(), snippet, evaluate)


def evaluate(example: Example) -> str | None:
    """Run one block; returns what is wrong, or None.

    pytest-xdist may spread the blocks of a page over its workers. If a block fails and the blocks above it have not run
    here, it is run again after them.
    """
    done: set[int] = example.namespace.setdefault("done", set())
    above = [one for one in example.document.examples() if one.start < example.start and one.start not in done]
    for earlier in above:
        if earlier.parsed.how == "file":
            done.add(earlier.start)
            _run(earlier)
    done.add(example.start)
    wrong = _run(example)
    commands = [one for one in above if one.parsed.language == "console"]
    if wrong and commands:
        done.update(one.start for one in commands)
        for earlier in commands:
            _run(earlier)
        wrong = _run(example)
    return wrong


def _run(example: Example) -> str | None:
    snippet: Snippet = example.parsed
    folder = _folder(example.namespace)
    if snippet.how == "file":
        path = folder / snippet.what
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(snippet.text, encoding="utf-8")
    evaluators = [_EVALUATE[snippet.language]] if snippet.language in _EVALUATE else []
    return next((wrong for evaluator in evaluators if (wrong := evaluator(snippet, folder))), None)


def _folder(namespace: dict[str, Any]) -> Path:
    """The folder of a page, with everything that pages take for granted: a driver, a library, parts of a checkout."""
    if "folder" not in namespace:
        kept = namespace["folder"] = tempfile.TemporaryDirectory()
        folder = Path(kept.name)
        (folder / "my_driver.py").write_text(_DRIVER, encoding="utf-8")
        (folder / "mylib.py").write_text("class Refused(Exception): ...\n", encoding="utf-8")
        (folder / "implementations").symlink_to(ROOT / "implementations")
        (folder / "run").write_text(f'#!/bin/sh\nexec {shlex.quote(str(ROOT / "run"))} "$@"\n', encoding="utf-8")
        (folder / "run").chmod(0o755)
    return Path(namespace["folder"].name)


def clean_up(namespace: dict[str, Any]) -> None:
    """Remove the folder of a page and its state: a worker of pytest-xdist may come back to the page."""
    if "folder" in namespace:
        namespace.pop("folder").cleanup()
    namespace.pop("done", None)


def _console(snippet: Snippet, folder: Path) -> str | None:
    """Run commands one after the other."""
    code = 0
    commands = snippet.commands
    for number, (command, expected) in enumerate(commands):
        _skip_without_target(command)
        added = f" {snippet.what}" if snippet.how == "shortened" and command.split()[0] != "echo" else ""
        done = subprocess.run(
            ["bash", "-c", f"(exit {code})\n{command}{added}"],
            cwd=folder,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        code = done.returncode
        asked_for = number + 1 < len(commands) and commands[number + 1][0] == "echo $?"
        if code and not asked_for:
            return f"{command}{added}\nended with exit code {code}\n{done.stdout}{done.stderr}"
        if expected and not same(expected, done.stdout):
            return f"{command}{added}\nprints\n{done.stdout}\nand not\n{expected}\n{done.stderr}"
    return None


def _environment() -> dict[str, str]:
    """The environment of the tests, with this interpreter and its programs first on the path, without a terminal."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "COLUMNS": "80", "NO_COLOR": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider"}


def _skip_without_target(command: str) -> None:
    """Skip a command that names an implementation that is not installed."""
    for name in set(re.findall(r"[\w-]+", command)) & set(THIRD_PARTIES):
        try:
            THIRD_PARTIES[name].ready()
        except TargetMissing as missing:
            pytest.skip(str(missing))


def same(expected: str, got: str) -> bool:
    """Whether the output is as on the page. Times and dates do not count, and `...` matches anything."""
    for pattern, word in _VARYING.items():
        expected, got = re.sub(pattern, word, expected), re.sub(pattern, word, got)
    wanted = "\n".join(line.rstrip() for line in expected.strip().splitlines())
    printed = "\n".join(line.rstrip() for line in got.strip().splitlines())
    return bool(re.fullmatch(".*".join(map(re.escape, wanted.split("..."))), printed, re.S))


def _python(snippet: Snippet, folder: Path) -> str | None:
    """Run a script, or only compile one that is a file for the blocks that follow."""
    if snippet.how == "file":
        compile(snippet.text, snippet.what, "exec")
        return None
    _skip_without_target(snippet.text)
    command = [sys.executable, "-c", snippet.text]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), input="", capture_output=True, text=True, timeout=_LIMIT, check=False
    )
    return f"ended with exit code {done.returncode}\n{done.stdout}{done.stderr}" if done.returncode else None


def _toml(snippet: Snippet, folder: Path) -> str | None:
    """Parse TOML as what it is: deviations, rules of the proxy, settings, or a part of pyproject.toml."""
    content = tomllib.loads(snippet.text)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "otterproof.toml"
        path.write_text(snippet.text, encoding="utf-8")
        if "deviation" in content:
            load()
            deviations.load(path, [one.id for one in scenarios()], list(requirements.load().requirements))
        elif "rule" in content:
            rules_of(path)
        elif not content.keys() & {"fault", "project", "tool"}:
            settings_of(path.parent)
    return None


def _json(snippet: Snippet, _: Path) -> str | None:
    json.loads(snippet.text)
    return None


def _yaml(snippet: Snippet, _: Path) -> str | None:
    yaml.safe_load(snippet.text)
    return None


_EVALUATE: dict[str, Callable[[Snippet, Path], str | None]] = {
    "console": _console,
    "sh": _console,
    "python": _python,
    "toml": _toml,
    "json": _json,
    "yaml": _yaml,
}

#: Languages whose blocks are run or parsed.
LANGUAGES = frozenset(_EVALUATE)
