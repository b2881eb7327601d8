"""The third-party targets as a table: what each needs from the system, how its driver is built, and how it is run.

Drivers are built into the user's cache, in a folder named after the hash of their source, so that a changed driver is
built anew and an unchanged one never.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.drivers.errors import TargetMissing

#: The engines of the project as drivers: name -> command.
ENGINE_DRIVERS = {
    name: [sys.executable, "-m", "implementations.drivers.engine.driver", name] for name in ("reference", "independent")
}

DRIVERS = Path(__file__).parents[2] / "implementations" / "drivers"

#: Seconds that building a driver may take.
BUILD_LIMIT = 300


def cache() -> Path:
    """Where built drivers are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "otterproof"


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """A target. install: the line that installs what it needs. build: from its source folder and an empty folder, the
    commands that fill the folder; command: what then runs in it.
    """

    name: str
    install: str
    tools: tuple[str, ...]
    build: Callable[[Path, Path], Sequence[Sequence[str]]]
    command: Callable[[Path], Sequence[str]]

    def ready(self) -> Sequence[str]:
        """The command that runs the driver, which is built if need be. TargetMissing with the line that helps."""
        source = DRIVERS / self.name.replace("-", "_")
        digest = hashlib.sha256()
        for path in sorted(source.rglob("*")):
            if path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        place = cache() / f"{self.name}-{digest.hexdigest()[:16]}"
        if not (place / "built").exists():
            self._build(source, place)
        return self.command(place)

    def _build(self, source: Path, place: Path) -> None:
        missing = [tool for tool in self.tools if shutil.which(tool) is None]
        if missing:
            raise TargetMissing(f"{self.name} needs {', '.join(missing)}. Install: {self.install}")
        working = place.with_name(f"{place.name}.{os.getpid()}")
        shutil.rmtree(working, ignore_errors=True)
        working.mkdir(parents=True)
        try:
            for words in self.build(source, working):
                self._run(words)
            (working / "built").touch()
            if not place.exists():  # another process may have been faster
                working.rename(place)
        finally:
            shutil.rmtree(working, ignore_errors=True)

    def _run(self, words: Sequence[str]) -> None:
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=BUILD_LIMIT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TargetMissing(f"{self.name}: {words[0]} failed: {error}. Install: {self.install}") from error
        if done.returncode != 0:
            end = (done.stderr or done.stdout).strip()[-600:]
            raise TargetMissing(f"{self.name} can't be built: {words[0]} says\n{end}\nInstall: {self.install}")


def _pkg_config(*packages: str) -> list[str]:
    found = subprocess.run(
        ["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True, timeout=30, check=False
    )
    return found.stdout.split()


LIBOTR = ThirdParty(
    name="libotr",
    install="apt-get install gcc pkg-config libotr5-dev libgcrypt20-dev libjansson-dev",
    tools=("cc", "pkg-config"),
    build=lambda source, place: [
        ["cc", "-O2", "-o", f"{place}/driver", f"{source}/driver.c", *_pkg_config("libotr", "jansson"), "-lgcrypt"]
    ],
    command=lambda place: [f"{place}/driver"],
)

THIRD_PARTIES: dict[str, ThirdParty] = {target.name: target for target in (LIBOTR,)}
