"""The result of a command as JSON, for programs: `--json [FILE]`, with one shape for each command.

Each is an object that begins with the name of the command and the version of Otterproof; the other members are in
docs/reference/results.md. With FILE the text is shown as usual, and without FILE nothing else is on standard output.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.support.version import tool_version
from otterproof.harness.ui.options import STDOUT, check_file

#: What a file of a result begins with. Any other file is not ours to replace.
_BEGINS = b'{\n "command": "'


def check_json(options: argparse.Namespace) -> None:
    """UsageError if the result can't be written. Nothing but an earlier result is replaced: `inspect --json chat.log`
    was meant to read the file.
    """
    file: Path | None = options.json
    if file is None or file == STDOUT:
        return
    check_file(file, "--json")
    if file.is_file():
        with file.open("rb") as there:
            begin = there.read(len(_BEGINS))
        if begin and begin != _BEGINS:
            raise UsageError(
                f"{file} is there and has no result of Otterproof in it, so --json does not replace it; name another "
                "file, or put --json last if it was meant to stand alone"
            )


def shows_text(options: argparse.Namespace) -> bool:
    """Whether the result is told to a person on standard output."""
    return bool(options.json != STDOUT)


def put_result(options: argparse.Namespace, command: str, content: Mapping[str, Any]) -> None:
    """Write the result where the options say; nowhere if they say nothing. OutputError."""
    if options.json is None:
        return
    whole = {"command": command, "tool": tool_version(), **content}
    if options.json == STDOUT:
        print(json.dumps(whole, indent=1))
    else:
        write_whole(options.json, json.dumps(whole, indent=1) + "\n")
