"""The third-party targets as a table: what each needs from the system, how its driver is built, and how it is run.

Drivers are built into the user's cache, in a folder named after the hash of their source, so that a changed driver is
rebuilt and an unchanged one never. Some implementations are in no package registry: these are built from a copy of a
checkout of the user's (`targets install NAME --source DIR`), which is in the same folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from otterproof import implementations
from otterproof.harness.targets.driver.errors import TargetMissing

#: The engines of the project as drivers: name -> command.
ENGINE_DRIVERS = {
    name: [sys.executable, "-m", "otterproof.implementations.drivers.engine.driver", name]
    for name in ("reference", "independent")
}

DRIVERS = Path(implementations.__path__[0]) / "drivers"

#: In the folder of a driver that is built from a checkout: the copy of it, and the file with its version.
CHECKOUT, VERSION = "checkout", "version"

#: Seconds that building a driver may take.
BUILD_LIMIT = 300


def cache() -> Path:
    """Where built drivers are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "otterproof"


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the sources are that the user has to get. revision: the one judged here. holds: files that it must have."""

    url: str
    revision: str
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """A target, as a row of the table.

    install: the line that installs what it needs from the system. tools: programs that must be there. lacks: names of
    what is missing besides programs, asked when these are there. build: from its source folder and a folder that is
    empty but for the checkout, the commands that fill the folder; command: what then runs in it. downloads: whether
    building fetches the implementation from a package registry. checkout: the sources that building needs, which are in
    `CHECKOUT` of the folder. folder: where its driver is, if not under its name.
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
            if self.checkout:
                raise TargetMissing(
                    f"{self.name} is built from its sources, which you have to get. {self._how_to_get()}"
                )
            self._build(self._source(), place)
        return self.command(place)

    def install_from(self, checkout: Path) -> None:
        """Build the driver from a checkout, also if one is built already. TargetMissing when it is not one of these."""
        if self.checkout is None:
            raise TargetMissing(f"{self.name} is not built from a checkout: otterproof targets install {self.name}")
        lacking = [name for name in self.checkout.holds if not (checkout / name).exists()]
        if lacking:
            raise TargetMissing(
                f"{checkout} is no checkout of {self.name}: it has no {', '.join(lacking)}. {self._how_to_get()}"
            )
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

    def _run(self, words: Sequence[str], folder: Path) -> None:
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=BUILD_LIMIT, check=False, cwd=folder)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TargetMissing(f"{self.name}: {words[0]} failed: {error}. Install: {self.install}") from error
        if done.returncode != 0:
            end = (done.stderr or done.stdout).strip()[-600:]
            raise TargetMissing(f"{self.name} can't be built: {words[0]} says\n{end}\nInstall: {self.install}")


def _described(checkout: Path) -> str:
    """The version of a checkout: its tag, or its commit; "unknown" if the folder has no repository of its own."""
    if not (checkout / ".git").exists():
        return "unknown"
    words = ["git", "-C", str(checkout), "describe", "--tags", "--always", "--dirty"]
    found = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    return found.stdout.strip() or "unknown"


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


def _coyim_otr3(source: Path, place: Path) -> Sequence[Sequence[str]]:
    """The driver of the older otr3 with another import. Go fetches the two modules that the newer one needs."""
    for name in ("driver.go", "rpc.go"):
        text = (source / name).read_text(encoding="utf-8")
        (place / name).write_text(
            text.replace('"github.com/twstrike/otr3"', '"github.com/coyim/otr3"'), encoding="utf-8"
        )
    (place / "go.mod").write_text(
        "module driver\n\ngo 1.23\n\nrequire github.com/coyim/otr3 v0.0.0\n\n"
        f"replace github.com/coyim/otr3 => ./{CHECKOUT}\n"
    )
    if (place / CHECKOUT / "go.sum").exists():
        shutil.copy(place / CHECKOUT / "go.sum", place)
    version = (place / VERSION).read_text()
    settings = ["GO111MODULE=on", "GOFLAGS=-mod=mod", "GOWORK=off", f"GOCACHE={cache() / 'go-build'}"]
    return [["env", *settings, "go", "build", "-ldflags", f"-X main.libraryVersion={version}", "-o", "driver", "."]]


def _otr4j(source: Path, place: Path) -> Sequence[Sequence[str]]:
    files = [*source.glob("*.java"), *(place / CHECKOUT / OTR4J_SOURCES).rglob("*.java")]
    return [["javac", "-nowarn", "-encoding", "UTF-8", "-cp", JARS, "-d", "classes", *map(str, files)]]


def _run_otr4j(place: Path) -> Sequence[str]:
    settings = ["-XX:+UseSerialGC", "-Xmx512m", "-Dfile.encoding=UTF-8"]
    version = f"-Dotr4j.version={(place / VERSION).read_text()}"
    return ["java", *settings, version, "-cp", f"{place}/classes:{JARS}", "Driver"]


def _lacking_in_ocaml() -> list[str]:
    queries = {name: ["ocamlfind", "query", name] for name in OCAML_LIBRARIES}
    return [name for name, words in queries.items() if subprocess.run(words, capture_output=True).returncode != 0]


def _ocaml_otr(source: Path, place: Path) -> Sequence[Sequence[str]]:
    """The driver and the library as two parts of one project of dune's."""
    for path in [*source.glob("*.ml"), source / "dune"]:
        shutil.copy(path, place)
    (place / "dune-project").write_text("(lang dune 2.0)\n")
    version = (place / VERSION).read_text().replace("\\", "").replace('"', "")
    (place / "version.ml").write_text(f'let text = "{version}"\n')
    return [["dune", "build", "--root", ".", "--profile", "release", "./driver.exe"]]


def _lacking_plugin(pattern: str, package: str) -> Callable[[], Sequence[str]]:
    """Whether a chat program has its plugin for OTR, which is a file in one of the system's library folders."""

    def lacking() -> Sequence[str]:
        return [] if any(any(Path(base).glob(pattern)) for base in LIBRARIES) else [package]

    return lacking


def _lacking_files(*needed: tuple[str, str]) -> Callable[[], Sequence[str]]:
    """The packages of files that are not there. needed: patterns below /usr, each with the package that has it."""
    return lambda: [package for pattern, package in needed if not any(Path("/usr").glob(pattern))]


def _lacking_for_pidgin() -> Sequence[str]:
    """What Pidgin needs besides programs: its plugin, what lets its windows be used, and a client of D-Bus."""
    files = _lacking_files(
        ("lib*/pidgin/pidgin-otr.so", "pidgin-otr"),
        ("lib*/**/gtk-2.0/modules/libatk-bridge.so", "libatk-adaptor"),
        ("lib*/**/gtk-2.0/modules/libgail.so", "libgail-common"),
        ("share/dbus-1/services/org.a11y.Bus.service", "at-spi2-core"),
    )
    return [*files(), *([] if find_spec("jeepney") else ["jeepney, from PyPI"])]


def _chat(name: str) -> Callable[[Path], Sequence[str]]:
    return lambda place: [sys.executable, "-m", "otterproof.implementations.drivers.chat.driver", name]


def _driver(place: Path) -> Sequence[str]:
    return [f"{place}/driver"]


#: Bouncy Castle and annotations as Debian has them, and where otr4j's classes are.
JARS = "/usr/share/java/bcprov.jar:/usr/share/java/jsr305.jar"
OTR4J_SOURCES = "src/main/java"

#: What ocaml-otr and its driver are built with, by the names of findlib.
OCAML_LIBRARIES = (
    "astring",
    "base64",
    "cstruct",
    "mirage-crypto-pk",
    "mirage-crypto-rng",
    "sexplib0",
    "yojson",
    "zarith",
)


#: Where the system has libraries and plugins.
LIBRARIES = ("/usr/lib", "/usr/local/lib", "/usr/lib64")

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
    ThirdParty(
        name="coyim-otr3",
        install="Go 1.23 or later, from the golang-go package of your system or from go.dev",
        tools=("go",),
        build=_coyim_otr3,
        command=_driver,
        checkout=Checkout("https://github.com/coyim/otr3", "2db8f2c", ("go.mod", "conversation.go")),
        folder="otr3",
    ),
    ThirdParty(
        name="otr4j",
        install="apt-get install default-jdk-headless libbcprov-java libjsr305-java",
        tools=("javac", "java"),
        build=_otr4j,
        command=_run_otr4j,
        checkout=Checkout(
            "https://github.com/otr4j/otr4j", "a42e2628", (f"{OTR4J_SOURCES}/net/java/otr4j/OtrSessionManager.java",)
        ),
    ),
    ThirdParty(
        name="ocaml-otr",
        install="apt-get install ocaml ocaml-findlib ocaml-dune libastring-ocaml-dev libbase64-ocaml-dev "
        "libcstruct-ocaml-dev libmirage-crypto-ocaml-dev libsexplib0-ocaml-dev libyojson-ocaml-dev libzarith-ocaml-dev",
        tools=("ocamlfind", "dune"),
        build=_ocaml_otr,
        command=lambda place: [f"{place}/_build/default/driver.exe"],
        checkout=Checkout("https://github.com/hannesm/ocaml-otr", "v0.3.10", ("otr.opam", "src/otr.ml")),
        lacks=_lacking_in_ocaml,
    ),
    ThirdParty(
        name="irssi",
        install="apt-get install irssi irssi-plugin-otr",
        tools=("irssi",),
        build=lambda source, place: [],
        command=_chat("irssi"),
        folder="chat",
        lacks=_lacking_plugin("**/irssi/modules/libotr_core.so", "irssi-plugin-otr"),
    ),
    ThirdParty(
        name="bitlbee",
        install="apt-get install bitlbee-libpurple bitlbee-plugin-otr",
        tools=("bitlbee",),
        build=lambda source, place: [],
        command=_chat("bitlbee"),
        folder="chat",
        lacks=_lacking_plugin("bitlbee/otr.so", "bitlbee-plugin-otr"),
    ),
    ThirdParty(
        name="mcabber",
        install="apt-get install mcabber, and pip install 'otterproof[terminal]'",
        tools=("mcabber",),
        build=lambda source, place: [],
        command=_chat("mcabber"),
        folder="chat",
        lacks=lambda: [] if find_spec("pyte") else ["pyte"],
    ),
    ThirdParty(
        name="profanity",
        install="apt-get install profanity, and pip install 'otterproof[terminal]'",
        tools=("profanity",),
        build=lambda source, place: [],
        command=_chat("profanity"),
        folder="chat",
        lacks=lambda: [] if find_spec("pyte") else ["pyte"],
    ),
    ThirdParty(
        name="weechat",
        install="apt-get install weechat-headless weechat-python weechat-scripts python3-potr",
        tools=("weechat-headless",),
        build=lambda source, place: [],
        command=_chat("weechat"),
        folder="chat",
        lacks=_lacking_files(
            ("lib/*/weechat/plugins/python.so", "weechat-python"),
            ("share/weechat/python/otr.py", "weechat-scripts"),
            ("lib/python3/dist-packages/potr", "python3-potr"),
        ),
    ),
    ThirdParty(
        name="pidgin",
        install="apt-get install pidgin pidgin-otr xvfb dbus at-spi2-core libatk-adaptor libgail-common "
        "&& pip install 'otterproof[pidgin]'",
        tools=("pidgin", "Xvfb", "dbus-daemon"),
        build=lambda source, place: [],
        command=_chat("pidgin"),
        folder="chat",
        lacks=_lacking_for_pidgin,
    ),
)

THIRD_PARTIES: dict[str, ThirdParty] = {target.name: target for target in _TABLE}

#: What is added to the name of a target that is built with sanitizers.
SANITIZED = "-sanitized"

#: Targets built with sanitizers, for `fuzz`: by name. They are no targets of their own in tables and reports.
VARIANTS: dict[str, ThirdParty] = {
    f"libotr{SANITIZED}": ThirdParty(
        name=f"libotr{SANITIZED}",
        install="apt-get install gcc dpkg-dev pkg-config libgcrypt20-dev libjansson-dev",
        tools=("cc", "apt-get", "dpkg-source", "pkg-config"),
        build=lambda source, place: [[sys.executable, f"{source}/sanitized.py", str(place)]],
        command=_driver,
        downloads=True,
        folder="libotr",
    )
}
