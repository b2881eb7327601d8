"""A third-party target: what it needs from the system, how its driver is built, and how it is run. [third_parties.py]

Drivers are built into the user's cache, in a folder named after the hash of their source, so a changed driver is
rebuilt and an unchanged one never is. Some implementations are in no package registry: their drivers are built from a
copy of the user's checkout (`targets install NAME --source DIR`), which is kept in the same folder.
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

from otterproof import implementations
from otterproof.harness.targets.driver.errors import TargetMissing

#: The engines of the project as drivers: name -> command.
ENGINE_DRIVERS = {
    name: [sys.executable, "-m", "otterproof.implementations.drivers.engine.driver", name]
    for name in ("reference", "independent")
}

DRIVERS = Path(implementations.__path__[0]) / "drivers"

#: In the folder of a driver that is built from a checkout: the copy, and the file with its version.
CHECKOUT, VERSION = "checkout", "version"

#: The most seconds for building a driver.
BUILD_LIMIT = 300


def cache() -> Path:
    """Where built drivers are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "otterproof"


@dataclass(frozen=True, slots=True)
class Checkout:
    """Sources that the user has to get. revision: the one judged here. holds: files that it must contain."""

    url: str
    revision: str
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """A target, as a row of the table.

    install: the command that installs what it needs from the system. tools: programs that it needs. lacks: returns the
    names of anything else that is missing, called if the tools are there. build: given its source folder and a target
    folder (empty except for the checkout), returns the commands that fill the folder; command: what then runs in it.
    downloads: whether building fetches the implementation from a package registry. checkout: the sources for building,
    placed in `CHECKOUT` of the folder. folder: where its driver is, if not under its name.
    """

    name: str
    install: str
    tools: tuple[str, ...]
    build: Callable[[Path, Path], Sequence[Sequence[str]]]
    command: Callable[[Path], Sequence[str]]
    downloads: bool = False
    checkout: Checkout | None = None
    folder: str = ""
    lacks: Callable[[], Sequence[str]] = tuple

    def place(self) -> Path:
        """The cache folder for the present source of the driver."""
        digest = hashlib.sha256()
        for path in sorted(self._source().rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return cache() / f"{self.name}-{digest.hexdigest()[:16]}"

    def is_built(self) -> bool:
        return (self.place() / "built").exists()

    def ready(self) -> Sequence[str]:
        """The command that runs the driver, built if needed. Raises TargetMissing with the command that helps."""
        place = self.place()
        if not (place / "built").exists():
            self.check_source()
            self._build(self._source(), place)
        return self.command(place)

    def check_source(self, checkout: Path | None = None) -> None:
        """TargetMissing if the driver can't be built from this checkout, or without one. A built driver needs none."""
        if checkout is None:
            if self.checkout and not self.is_built():
                raise TargetMissing(
                    f"{self.name} is built from its sources, which you have to get. {self._how_to_get()}"
                )
            return
        if self.checkout is None:
            raise TargetMissing(f"{self.name} is not built from a checkout: otterproof targets install {self.name}")
        lacking = [name for name in self.checkout.holds if not (checkout / name).exists()]
        if lacking:
            raise TargetMissing(
                f"{checkout} is no checkout of {self.name}: it has no {', '.join(lacking)}. {self._how_to_get()}"
            )

    def install_from(self, checkout: Path) -> None:
        """Build the driver from a checkout, even if it is built already. TargetMissing, as `check_source`."""
        self.check_source(checkout)
        place = self.place()
        shutil.rmtree(place, ignore_errors=True)
        self._build(self._source(), place, checkout)

    def _how_to_get(self) -> str:
        assert self.checkout
        return (
            f"Run: git clone {self.checkout.url} DIR && git -C DIR checkout {self.checkout.revision} && "
            f"otterproof targets install {self.name} --source DIR"
        )

    def _source(self) -> Path:
        return DRIVERS / (self.folder or self.name.replace("-", "_"))

    def _build(self, source: Path, place: Path, checkout: Path | None = None) -> None:
        missing = [tool for tool in self.tools if shutil.which(tool) is None] or self.lacks()
        if missing:
            raise TargetMissing(f"{self.name} needs {', '.join(missing)}. Install: {self.install}")
        working = place.with_name(f"{place.name}.{os.getpid()}")
        try:
            shutil.rmtree(working, ignore_errors=True)
            working.mkdir(parents=True)
            if checkout:
                shutil.copytree(checkout, working / CHECKOUT, ignore=shutil.ignore_patterns(".git", "_build"))
                (working / VERSION).write_text(_described(checkout))
            for words in self.build(source, working):
                self._run(words, working)
            (working / "built").touch()
            if place.exists() and not (place / "built").exists():
                shutil.rmtree(place)  # the remains of an interrupted build
            working.rename(place)
        except OSError as error:
            if not (place / "built").exists():  # else another process was faster
                raise TargetMissing(
                    f"{self.name} can't be built in {working.parent}: {error}. "
                    "Name a folder that can be written to with XDG_CACHE_HOME"
                ) from error
        finally:
            shutil.rmtree(working, ignore_errors=True)

    def _run(self, words: Sequence[str], folder: Path) -> None:
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=BUILD_LIMIT, check=False, cwd=folder)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TargetMissing(f"{self.name}: {words[0]} failed: {error}. Install: {self.install}") from error
        if done.returncode != 0:
            end = (done.stderr or done.stdout).strip()[-600:]
            raise TargetMissing(f"{self.name} can't be built: {words[0]} says\n{end}\nInstall: {self.install}")


def _described(checkout: Path) -> str:
    """The version of a checkout: its tag, or its commit; "unknown" if the folder is not a repository."""
    if not (checkout / ".git").exists():
        return "unknown"
    words = ["git", "-C", str(checkout), "describe", "--tags", "--always", "--dirty"]
    found = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    return found.stdout.strip() or "unknown"
