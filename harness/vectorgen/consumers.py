"""Runs the example consumers in `vectors/examples`, which check libraries in other languages.

Their libraries are those of the targets with the same names: an example runs where its target is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from otterproof.harness.targets.driver import THIRD_PARTIES, TargetError, TargetMissing
from otterproof.harness.targets.driver.third_party import cache
from otterproof.vectors import FOLDER

EXAMPLES = FOLDER / "examples"

#: Time limits in seconds for building an example and for running it.
_BUILD_LIMIT = 300
_RUN_LIMIT = 300


def _otrjs(examples: Path, vectors: Path, known: Path) -> tuple[int, str]:
    target = THIRD_PARTIES["otrjs"]
    target.ready()  # fetches the library
    words = ["node", str(examples / "otrjs" / "check.js"), str(vectors), str(known)]
    return _run(words, {"NODE_PATH": str(target.place() / "node_modules")}, _RUN_LIMIT)


def _otr3(examples: Path, vectors: Path, known: Path) -> tuple[int, str]:
    target = THIRD_PARTIES["otr3"]
    if shutil.which("go") is None:
        raise TargetMissing(f"the example otr3 needs go. Install: {target.install}")
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/check"
        settings = {"GOCACHE": str(cache() / "go-build")}
        code, printed = _run(["sh", str(examples / "otr3" / "build.sh"), program], settings, _BUILD_LIMIT)
        if code:
            raise TargetMissing(f"the example otr3 can't be built:\n{printed[-600:]}\nInstall: {target.install}")
        return _run([program, str(vectors), str(known)], {}, _RUN_LIMIT)


def _run(words: list[str], settings: Mapping[str, str], limit: int) -> tuple[int, str]:
    try:
        done = subprocess.run(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
            env={**os.environ, **settings},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetError(f"{words[0]} failed: {error}") from error
    return done.returncode, done.stdout.decode("utf-8", "replace")


_CONSUMERS: Mapping[str, Callable[[Path, Path, Path], tuple[int, str]]] = {"otrjs": _otrjs, "otr3": _otr3}

#: The examples by name.
NAMES = tuple(_CONSUMERS)


def consume(name: str, vectors: Path = FOLDER, known: Path | None = None, examples: Path = EXAMPLES) -> tuple[int, str]:
    """Check a folder of vectors. Returns the example's exit code and output. TargetError if it can't be run.

    known: the file of the library's known mistakes; by default the example's own list. examples: their folder.
    """
    return _CONSUMERS[name](examples, vectors, known or examples / name / "known.json")
