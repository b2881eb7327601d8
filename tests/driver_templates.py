"""The driver templates: how a test builds and runs each, as it is or filled in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "implementations" / "drivers" / "template"


@dataclass(frozen=True, slots=True)
class Template:
    """A template. files: what a user copies, the one to fill in first. needs: a program, and how to install it.

    build, command: run in the folder with the files. echo: replacements in the file that make `receive` send back its
    input twice.
    """

    files: tuple[str, ...]
    build: tuple[str, ...]
    command: tuple[str, ...]
    echo: tuple[str, str]
    needs: tuple[str, str] | None = None


TEMPLATES = {
    "python": Template(
        files=("driver.py",),
        build=(),
        command=(sys.executable, "-S", "-E", "driver.py"),
        echo=(
            '        raise Unsupported("receive")\n',
            "        for _ in range(2):\n"
            "            back = to_latin1(from_latin1(message))\n"
            '            self.events.append({"event": "outgoing_message", "message": back})\n',
        ),
    ),
    "c": Template(
        files=("driver.c", "protocol.h", "json.h"),
        build=("cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", "driver", "driver.c"),
        command=("./driver",),
        echo=(
            '    return failure(UNSUPPORTED, "it can\'t receive");\n',
            '    const Json *message = json_member_string(params, "message");\n'
            "    for (int i = 0; i < 2; i++) outgoing(party, message->text, message->length);\n"
            "    return ok();\n",
        ),
        needs=("cc", "apt-get install gcc libc6-dev"),
    ),
    "java": Template(
        files=("Driver.java", "Json.java"),
        build=("javac", "-Xlint:all,-serial", "-Werror", "-d", "build", "Driver.java", "Json.java"),
        command=("java", "-cp", "build", "Driver"),
        echo=(
            '            throw new Unsupported("receive");\n',
            '            for (int i = 0; i < 2; i++) emit("outgoing_message", "message", text(bytes(message)));\n',
        ),
        needs=("javac", "apt-get install openjdk-17-jdk-headless"),
    ),
}


def built(language: str, folder: Path, *, echoes: bool = False) -> list[str]:
    """Build a template in a folder; returns the command that runs it from anywhere. Skips the test without a compiler.

    echoes: fill it in, see Template.echo.
    """
    template = TEMPLATES[language]
    if template.needs is not None and shutil.which(template.needs[0]) is None:
        pytest.skip(f"{template.needs[0]} is not here: {template.needs[1]}")
    for name in template.files:
        shutil.copy(FOLDER / name, folder)
    if echoes:
        main = folder / template.files[0]
        before = main.read_text(encoding="utf-8")
        assert before.count(template.echo[0]) == 1
        main.write_text(before.replace(*template.echo), encoding="utf-8")
    if template.build:
        done = subprocess.run(template.build, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    return [_here(word, folder) for word in template.command]


def _here(word: str, folder: Path) -> str:
    """A word of a command; if it names a file of the folder, its path."""
    return str(folder / word) if (folder / word).exists() else word
