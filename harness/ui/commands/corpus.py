"""`otterproof corpus`: programs, messages and a dictionary for fuzzers, from transcripts."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from otterproof.harness.runs.fuzz.corpus import digest_of, messages_of, read
from otterproof.harness.runs.fuzz.reproduce import header_of
from otterproof.harness.simulation.transcript import TranscriptWriter
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.support.outputs import make_folder, write_whole
from otterproof.harness.ui.messages import complain, say
from otterproof.harness.ui.options import check_file
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.wire.dictionary import WORDS, as_file


def run(options: argparse.Namespace) -> int:
    """Write the requested files; return the exit code. UsageError, InputError, TranscriptError, OutputError."""
    check_json(options)
    if options.dictionary:
        check_file(options.dictionary, "--dictionary")
    if not (options.out or options.messages or options.dictionary):
        raise UsageError("nothing is to be written; name --out, --messages or --dictionary")
    if (options.out or options.messages) and not options.paths:
        raise UsageError("programs and messages come from transcripts; name transcripts, or folders with some")
    told: dict[str, int] = {}
    if options.out:
        told["programs"] = _write_programs(options.paths, options.out)
    if options.messages:
        told["messages"] = _write_messages(options.paths, options.messages)
    if options.dictionary:
        write_whole(options.dictionary, as_file())
        told["words"] = len(WORDS)
    if shows_text(options):
        for what, count in told.items():
            say(f"{count} {what}")
    put_result(options, "corpus", told)
    return CONFORMS


def _write_programs(paths: list[Path], folder: Path) -> int:
    programs, without = read(paths)
    if without:
        complain(f"{without} of the transcripts have nothing that another target could do")
    make_folder(folder)
    for program in programs:
        content = io.StringIO()
        TranscriptWriter(content, header_of(program))
        write_whole(folder / f"{digest_of([program])}.jsonl", content.getvalue())
    return len(programs)


def _write_messages(paths: list[Path], folder: Path) -> int:
    messages = messages_of(paths)
    make_folder(folder)
    for name, message in messages.items():
        write_whole(folder / name, message)
    return len(messages)
