"""Whether third-party targets are judged by as many scenarios as before: `python -m tests.unsupported FOLDER`.

FOLDER holds the output of `check --json`, in one file per target. A mistake in a scenario or in the harness can make
scenarios unsupported that used to judge a target, and no failure reports this. So the number of unsupported scenarios
is recorded in unsupported.toml. If it changes, look at the reason, and update the file if the new number is right.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

NUMBERS = Path(__file__).with_suffix(".toml")


def differences(folder: Path, numbers: Path = NUMBERS) -> list[str]:
    """A sentence for each target that was not judged or whose number of unsupported scenarios has changed."""
    found = []
    for target, number in tomllib.loads(numbers.read_text()).items():
        file = folder / f"{target}.json"
        if not file.exists():
            found.append(f"{target}: there is no {file.name} in {folder}")
            continue
        (run,) = json.loads(file.read_text())["runs"]
        asked = run["scenarios"]
        names = [one["scenario"] for one in asked if one["verdict"] == "unsupported"]
        if len(names) != number:
            found.append(f"{target}: {len(names)} scenarios are unsupported, and {numbers.name} has {number}")
    return found


if __name__ == "__main__":
    wrong = differences(Path(sys.argv[1]))
    print("\n".join(wrong) or "as many scenarios are unsupported as before")
    sys.exit(bool(wrong))
