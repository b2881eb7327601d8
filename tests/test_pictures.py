"""Pictures of what a target's user sees: requested from drivers that support them, bounded, kept with transcripts."""

from __future__ import annotations

import base64
import json
import struct
import sys
import zlib
from pathlib import Path

import pytest

from otterproof.harness.runs.failure import lines_of, record_to_json
from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import DriverTarget, TargetDesync
from otterproof.harness.targets.driver.target import LARGEST_PICTURE, PNG
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import check
from otterproof.harness.testkit.scenario import Scenario, load, scenarios
from otterproof.harness.ui.site.diagram import screen_of
from otterproof.implementations.drivers.chat.picture import screen_png

#: The reference engine with a screen, which shows the name of the party and how often it was captured.
DRIVER = """
import base64
import json
import sys
from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import serve

driver, said, looks = Driver("reference"), json.loads(sys.argv[1]), []

def picture(params):
    looks.append(params["party"])
    content = b"\\x89PNG\\r\\n\\x1a\\n" + f"{params['party']} {len(looks)}".encode() + bytes(said["size"])
    return {"png": base64.b64encode(content).decode()} | said["picture"]

serve(driver.methods() | {"hello": lambda params: driver.hello(params) | said["hello"], "picture": picture})
"""


def target(tmp_path: Path, hello: object, picture: object, size: int = 0) -> DriverTarget:
    path = tmp_path / "driver.py"
    path.write_text(DRIVER)
    return DriverTarget("seen", [sys.executable, path, json.dumps({"hello": hello, "picture": picture, "size": size})])


def test_a_target_without_pictures_is_not_asked(tmp_path: Path) -> None:
    unseen = target(tmp_path, {}, {})
    assert unseen.picture("alice") == b""
    unseen.close()


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ({"png": 3}, "not an object with `png` alone"),
        ({"more": 1}, "not an object with `png` alone"),
        ({"png": "***"}, "not base64"),
        ({"png": base64.b64encode(b"GIF89a").decode()}, "6 bytes; it must be a PNG file"),
    ],
)
def test_a_picture_is_checked(tmp_path: Path, picture: dict[str, object], words: str) -> None:
    wrong = target(tmp_path, {"pictures": True}, picture)
    with pytest.raises(TargetDesync, match=words):
        wrong.picture("alice")
    wrong.close()


def test_a_picture_is_not_large(tmp_path: Path) -> None:
    wrong = target(tmp_path, {"pictures": True}, {}, LARGEST_PICTURE)
    with pytest.raises(TargetDesync, match="at most 1048576"):
        wrong.picture("alice")
    wrong.close()


def _fails_in_the_second_case(context: Context) -> None:
    for number in range(3):
        with context.case(f"{number}"):
            context.encrypted()
            check("screen.end-not-shown", number != 1)


def scenario(behaviour: object = _fails_in_the_second_case) -> Scenario:
    """A scenario that is not one of the project's."""
    load()
    real = next(scenarios("clients.screen.the_end_is_seen[v3]"))
    return Scenario(
        **{name: getattr(real, name) for name in real.__dataclass_fields__ if name != "run"} | {"run": behaviour}
    )


def test_a_failure_has_the_picture_of_its_case(tmp_path: Path) -> None:
    seen = target(tmp_path, {"pictures": True}, {})
    result = run(scenario(), seen, b"seed", tmp_path / "runs")
    seen.close()
    assert result.verdict is Verdict.FAIL
    assert result.failure is not None
    assert (tmp_path / "runs" / result.failure.picture).read_bytes() == PNG + b"target 1"
    assert Path(result.transcripts[0]).with_suffix(".png").name == result.failure.picture
    assert record_to_json(result.failure)["picture"] == result.failure.picture
    assert any(line.endswith(result.failure.picture) for line in lines_of(result.failure))
    assert base64.b64decode(screen_of(tmp_path, f"runs/{result.failure.picture}")) == PNG + b"target 1"


def test_a_picture_that_fails_does_not_change_the_verdict(tmp_path: Path) -> None:
    wrong = target(tmp_path, {"pictures": True}, {"png": "***"})

    def fails(context: Context) -> None:
        context.encrypted()
        check("screen.end-not-shown", False)

    result = run(scenario(fails), wrong, b"seed", tmp_path / "runs")
    wrong.close()
    assert (result.verdict, result.check) == (Verdict.FAIL, "screen.end-not-shown")
    assert result.failure is not None
    assert result.failure.picture == ""
    assert not list((tmp_path / "runs").glob("*.png"))


def test_only_pictures_of_a_report_are_on_its_pages(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "outside.png").write_bytes(PNG)
    (tmp_path / "report" / "text.png").write_text("no picture")
    (tmp_path / "report" / "large.png").write_bytes(PNG + bytes(LARGEST_PICTURE))
    for name in ("", "../outside.png", "text.png", "large.png", "missing.png"):
        assert screen_of(tmp_path / "report", name) == ""


def pixels_of(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and pixels, as red, green and blue, of a PNG file with a palette and no filters."""
    chunks, at = dict[bytes, bytes](), len(PNG)
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size]) == (zlib.crc32(name + data),)
        chunks[name], at = data, at + 12 + size
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, kind) == (8, 3)
    raw, palette = zlib.decompress(chunks[b"IDAT"]), chunks[b"PLTE"]
    rows = [raw[(width + 1) * row : (width + 1) * (row + 1)] for row in range(height)]
    assert all(row[0] == 0 for row in rows)
    return width, height, [palette[3 * one : 3 * one + 3] for row in rows for one in row[1:]]


@pytest.mark.parametrize("many", [False, True])
def test_a_screen_becomes_a_png_file(tmp_path: Path, many: bool) -> None:
    """Xvfb's format: a header, a table of colours, and lines that are longer than the screen is wide."""
    width, height, name, colours = 40, 30, b"screen\0\0", 2
    screen = [
        (number * 37 % 251, number % 7 * 36, number % 40) if many else (255, number % 3, 0) for number in range(1200)
    ]
    screen[-1] = (1, 2, 3)  # in a colour of its own, so that nothing is cropped
    lines = [screen[width * row : width * row + width] for row in range(height)]
    body = b"".join(b"".join(bytes((b, g, r, 0)) for r, g, b in line) + bytes(8) for line in lines)
    header = [100 + len(name), 7, 2, 24, width, height, 0, 0, 32, 0, 32, 32, 4 * width + 8, 4, 0, 0, 0, 8, 256, colours]
    path = tmp_path / "Xvfb_screen0"
    path.write_bytes(struct.pack(">25I", *header, *[0] * 5) + name + bytes(12 * colours) + body)
    found = pixels_of(screen_png(path))
    assert found[:2] == (width, height)
    off = [
        max(abs(one - other) for one, other in zip(a, b, strict=True)) for a, b in zip(found[2], screen, strict=True)
    ]
    assert max(off) <= (40 if many else 0)


def test_what_is_empty_is_cut_off(tmp_path: Path) -> None:
    width, height, empty, full = 30, 20, bytes((255, 255, 255, 0)), bytes((1, 2, 3, 0))
    lines = [(full if row < 5 else empty) * 8 + empty * (width - 8) for row in range(height)]
    header = [100, 7, 2, 24, width, height, 0, 0, 32, 0, 32, 32, 4 * width, 4, 0, 0, 0, 8, 0, 0]
    path = tmp_path / "Xvfb_screen0"
    path.write_bytes(struct.pack(">25I", *header, *[0] * 5) + b"".join(lines))
    assert pixels_of(screen_png(path)) == (8, 5, [b"\3\2\1"] * 40)
