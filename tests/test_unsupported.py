"""The number of unsupported scenarios of a target is compared with the recorded one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unsupported import differences


def test_another_number_is_told(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.toml"
    numbers.write_text("one = 1\ntwo = 1\nthree = 0\n")
    for target, count in (("one", 1), ("two", 2)):
        asked = [{"scenario": f"a.b[v{n}]", "verdict": "unsupported" if n < count else "pass"} for n in range(3)]
        (tmp_path / f"{target}.json").write_text(json.dumps({"runs": [{"scenarios": asked}]}))
    assert differences(tmp_path, numbers) == [
        "two: 2 scenarios are unsupported, and numbers.toml has 1",
        f"three: there is no three.json in {tmp_path}",
    ]
