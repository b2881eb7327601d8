"""The third-party targets as a table: what each needs from the system, how its driver is built, and how it is run.

Drivers are built into the user's cache, in a folder named after the hash of their source, so that a changed driver is
rebuilt and an unchanged one never.
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

#: Seconds that building a driver may take.
BUILD_LIMIT = 300


def cache() -> Path:
    """Where built drivers are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "otterproof"


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """A target, as a row of the table.

    install: the line that installs what it needs from the system. tools: programs that must be there. build: from its
    source folder and an empty folder, the commands that fill the folder; command: what then runs in it. downloads:
    whether building fetches the implementation from a package registry.
    """

    name: str
    install: str
    tools: tuple[str, ...]
    build: Callable[[Path, Path], Sequence[Sequence[str]]]
    command: Callable[[Path], Sequence[str]]
    downloads: bool = False

    def place(self) -> Path:
        """The folder in the cache for the driver as it is now."""
        digest = hashlib.sha256()
        for path in sorted(self._source().rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return cache() / f"{self.name}-{digest.hexdigest()[:16]}"

    def is_built(self) -> bool:
        return (self.place() / "built").exists()

    def ready(self) -> Sequence[str]:
        """The command that runs the driver, which is built if need be. TargetMissing with the line that helps."""
        place = self.place()
        if not (place / "built").exists():
            self._build(self._source(), place)
        return self.command(place)

    def _source(self) -> Path:
        return DRIVERS / self.name.replace("-", "_")

    def _build(self, source: Path, place: Path) -> None:
        missing = [tool for tool in self.tools if shutil.which(tool) is None]
        if missing:
            raise TargetMissing(f"{self.name} needs {', '.join(missing)}. Install: {self.install}")
        working = place.with_name(f"{place.name}.{os.getpid()}")
        try:
            shutil.rmtree(working, ignore_errors=True)
            working.mkdir(parents=True)
            for words in self.build(source, working):
                self._run(words)
            (working / "built").touch()
            if place.exists() and not (place / "built").exists():
                shutil.rmtree(place)  # left half done by something else than this
            working.rename(place)
        except OSError as error:
            if not (place / "built").exists():  # else another process was faster
                raise TargetMissing(
                    f"{self.name} can't be built in {working.parent}: {error}. "
                    "Name a folder that can be written to with XDG_CACHE_HOME"
                ) from error
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


_NPM_QUIET = ("--no-audit", "--no-fund")


def _pip_install(place: Path, *packages: str) -> list[str]:
    return [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", f"{place}/packages", *packages]


def _go(package: str) -> Callable[[Path, Path], Sequence[Sequence[str]]]:
    """Build a Go driver against Debian's sources; the version that it tells is that of the Debian package."""

    def build(source: Path, place: Path) -> Sequence[Sequence[str]]:
        version = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, timeout=30, check=False
        ).stdout
        settings = ["GO111MODULE=off", "GOPATH=/usr/share/gocode", f"GOCACHE={cache() / 'go-build'}"]
        flags = ["-ldflags", f"-X main.libraryVersion={version or 'unknown'}", "-o", f"{place}/driver"]
        return [["env", *settings, "go", "build", *flags, f"{source}/driver.go", f"{source}/rpc.go"]]

    return build


def _driver(place: Path) -> Sequence[str]:
    return [f"{place}/driver"]


#: The table. Adding a row is all that it takes to add a target, besides its driver.
_TABLE = (
    ThirdParty(
        name="libotr",
        install="apt-get install gcc pkg-config libotr5-dev libgcrypt20-dev libjansson-dev",
        tools=("cc", "pkg-config"),
        build=lambda source, place: [
            [
                "cc",
                "-O2",
                "-o",
                f"{place}/driver",
                *map(str, sorted(source.glob("*.c"))),
                *_pkg_config("libotr", "jansson"),
                "-lgcrypt",
            ]
        ],
        command=_driver,
    ),
    ThirdParty(
        name="potr",
        install="pip install --no-deps python-potr",
        tools=(),
        build=lambda source, place: [_pip_install(place, "python-potr==1.0.2")],
        command=lambda place: [
            sys.executable,
            "-m",
            "otterproof.implementations.drivers.potr.driver",
            f"{place}/packages",
        ],
        downloads=True,
    ),
    ThirdParty(
        name="python-otr",
        install="python implementations/drivers/python_otr/install.py FOLDER",
        tools=(),
        build=lambda source, place: [[sys.executable, f"{source}/install.py", f"{place}/packages"]],
        command=lambda place: [
            sys.executable,
            "-m",
            "otterproof.implementations.drivers.python_otr.driver",
            f"{place}/packages",
        ],
        downloads=True,
    ),
    ThirdParty(
        name="otrjs",
        install="apt-get install nodejs npm",
        tools=("node", "npm"),
        build=lambda source, place: [
            [
                "npm",
                "install",
                "--prefix",
                str(place),
                "--omit=optional",
                "--ignore-scripts",
                *_NPM_QUIET,
                "otr@0.2.16",
            ],
            ["cp", f"{source}/driver.js", str(place)],
        ],
        command=lambda place: ["node", f"{place}/driver.js"],
        downloads=True,
    ),
    ThirdParty(
        name="otr3",
        install="apt-get install golang-go golang-github-twstrike-otr3-dev",
        tools=("go",),
        build=_go("golang-github-twstrike-otr3-dev"),
        command=_driver,
    ),
    ThirdParty(
        name="xcrypto",
        install="apt-get install golang-go golang-golang-x-crypto-dev",
        tools=("go",),
        build=_go("golang-golang-x-crypto-dev"),
        command=_driver,
    ),
)

THIRD_PARTIES: dict[str, ThirdParty] = {target.name: target for target in _TABLE}
