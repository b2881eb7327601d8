"""The result of a command as JSON, for programs: `--json [FILE]`, with one shape for each command.

Each is an object that begins with the name of the command and the version of Otterproof; docs/reference/results.md has
the other members. With FILE, text output is shown as usual; without FILE, standard output has only the JSON.
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

#: How a result file begins. Any other file is not ours to replace.
_BEGINS = b'{\n "command": "'


def check_json(options: argparse.Namespace) -> None:
    """Raise UsageError if the result can't be written.

    Only an earlier result may be replaced: `inspect --json chat.log` was meant to read the file.
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
                f"{file} exists and is not an Otterproof result, so --json does not replace it; name another file, or "
                "put --json last to write to standard output"
            )


def shows_text(options: argparse.Namespace) -> bool:
    """Whether to show the result as text on standard output."""
    return bool(options.json != STDOUT)


def put_result(options: argparse.Namespace, command: str, content: Mapping[str, Any]) -> None:
    """Write the result where the options say, if anywhere. Raises OutputError."""
    if options.json is None:
        return
    whole = {"command": command, "tool": tool_version(), **content}
    if options.json == STDOUT:
        print(json.dumps(whole, indent=1))
    else:
        write_whole(options.json, json.dumps(whole, indent=1) + "\n")
