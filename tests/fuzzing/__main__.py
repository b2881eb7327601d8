"""A property under libFuzzer, with libFuzzer's command line: `python -m tests.fuzzing PROPERTY [-max_total_time=60]
[CORPUS]`.

It needs Atheris, the extra `atheris`. Without a property, it prints the names of all.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from typing import Any

#: Imported once it is known whether to instrument it.
_PROPERTIES = "tests.fuzzing.properties"


def main(words: list[str]) -> int:
    """Fuzz for as long as libFuzzer's options say. Returns the exit code, if libFuzzer returns at all."""
    if not words:
        print("\n".join(_properties()))
        return 0
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        print("Atheris is missing; install it: pip install 'otterproof[atheris]'", file=sys.stderr)
        return 2
    # Atheris prints the name of every module on its own line.
    with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["otterproof"]):
        properties = _properties()
    if words[0] not in properties:
        print(f"no property {words[0]!a}; there are {', '.join(properties)}", file=sys.stderr)
        return 2
    one_input = properties[words[0]]()
    # Coverage that depends on what earlier inputs have cached would confuse the fuzzer.
    one_input(b"")
    atheris.Setup([sys.argv[0], *words[1:]], one_input)
    atheris.Fuzz()
    return 0


def _properties() -> Mapping[str, Callable[[], Callable[[bytes], object]]]:
    found: Mapping[str, Callable[[], Callable[[bytes], object]]] = importlib.import_module(_PROPERTIES).PROPERTIES
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
