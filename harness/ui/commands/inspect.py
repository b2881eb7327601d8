"""`otterproof inspect`: OTR messages, a log or a transcript dissected, decrypted with secrets, or forged."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otterproof.harness.runs.inspector.forging import forged
from otterproof.harness.runs.inspector.inspected import Inspected, inspect_all
from otterproof.harness.runs.inspector.opening import Opener, Secrets
from otterproof.harness.runs.inspector.sources import Found, messages_in
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.support.inputs import LIMITS, InputError, read_input
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.progress import Tracker
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.screen import console, line
from otterproof.harness.wire import Message, build, parse

#: The meaning of a value stands behind it up to this many characters, and below it if it is longer.
_SHORT = 16


def run(options: argparse.Namespace) -> int:
    """Dissect messages, or forge one; return the exit code. Raises UsageError, InputError, TranscriptError."""
    check_json(options)
    found = messages_in(_data(options.input))
    secrets = Secrets(tuple(options.aes), tuple(options.mac), tuple(options.private), tuple(options.secret))
    for key, size in ((options.aes, 16), (options.mac, 20)):
        if any(len(one) != size for one in key):
            raise UsageError(f"a key has {size} bytes, which are {2 * size} hexadecimal digits")
    if options.forge is not None or options.set:
        made = build(_forged(found, secrets, options)).decode("latin-1")
        if shows_text(options):
            say(made)
        put_result(options, "inspect", {"forged": made})
        return CONFORMS
    told = []
    with Tracker("inspecting", len(found)) as shown:
        for one in inspect_all(found, secrets, whole=options.full or options.json is not None):
            told.append(one)
            shown.update(len(told))
    if shows_text(options):
        for number, one in enumerate(told):
            _print(one, first=number == 0)
    put_result(options, "inspect", {"messages": [_as_json(one) for one in told]})
    return CONFORMS


def _data(given: str) -> bytes:
    if given.startswith("?OTR"):
        return given.encode(errors="surrogateescape")
    if given != "-":
        return read_input(Path(given), limit=LIMITS["transcript"], what="a file with OTR messages")
    if sys.stdin is None:
        raise InputError("standard input is closed; name a file, or give a message")
    data = sys.stdin.buffer.read(LIMITS["transcript"] + 1)
    if len(data) > LIMITS["transcript"]:
        raise InputError(f"standard input has more than {LIMITS['transcript']} bytes; give a part of it")
    return data


def _forged(found: list[Found], secrets: Secrets, options: argparse.Namespace) -> Message:
    """The first Data Message whose key is known, rewritten."""
    messages = [parse(one.raw) for one in found]
    opener = Opener(messages, secrets)
    known = ((message, opener.key_of(message)) for message in messages)
    message, key = next(((message, key) for message, key in known if key is not None), (None, None))
    if message is None or key is None:
        raise UsageError("no Data Message verifies under a key that is known; give one with --mac, --aes or --private")
    changes = dict(_change(message, text) for text in options.set)
    return forged(message, key, _text(options.forge), _text(options.was), changes)


def _text(given: str | None) -> bytes | None:
    return None if given is None else given.encode(errors="surrogateescape")


def _change(message: Message, text: str) -> tuple[str, int | bytes]:
    name, equals, value = text.partition("=")
    if not equals or not message.has(name):
        names = ", ".join(field.name for field in message.fields)
        raise UsageError(f"--set {text[:60]}: write FIELD=VALUE, with one of {names}")
    try:
        return name, int(value, 0) if isinstance(message.value(name), int) else bytes.fromhex(value)
    except ValueError as error:
        raise UsageError(f"--set {text[:60]}: {error}; write a number, or bytes in hexadecimal") from error


def _as_json(one: Inspected) -> dict[str, Any]:
    return asdict(one) | {"problems": [{"text": text, "requirement": name} for text, name in one.problems]}


def _print(one: Inspected, *, first: bool) -> None:
    out = console()
    if not first:
        out.print()
    out.print(line((one.place, "bold")))
    for layer in one.layers:
        out.print(line("  ", layer.title))
        width = max((len(field.name) for field in layer.fields), default=0)
        for field in layer.fields:
            source = f"  {field.requirement}" if field.requirement else ""
            meaning = (f"  {field.meaning}{source}", "dim") if field.meaning else ""
            value = f"    {field.offset:5}  {field.name:{width}}  {field.value}"
            if len(field.value) <= _SHORT:
                out.print(line(f"{value:{width + 13 + _SHORT}}", meaning), soft_wrap=True)
                continue
            out.print(line(value), soft_wrap=True)
            if meaning:
                out.print(line(f"{'':{width + 11}}", meaning), soft_wrap=True)
    for note in one.notes:
        out.print(line("  ", note), soft_wrap=True)
    for text, name in one.problems:
        out.print(line("  ", ("problem", "red"), f": {text}", f"  {name}" if name else ""), soft_wrap=True)
