"""The third-party targets as a table: libraries, whose drivers are built, and chat programs. [chat_programs.py]"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from otterproof.harness.targets.driver.chat_programs import CHAT_PROGRAMS
from otterproof.harness.targets.driver.third_party import CHECKOUT, VERSION, Checkout, ThirdParty, cache


def _pkg_config(*packages: str) -> list[str]:
    found = subprocess.run(
        ["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True, timeout=30, check=False
    )
    return found.stdout.split()


_NPM_QUIET = ("--no-audit", "--no-fund")


def _pip_install(place: Path, *packages: str) -> list[str]:
    return [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", f"{place}/packages", *packages]


def _go(package: str) -> Callable[[Path, Path], Sequence[Sequence[str]]]:
    """Build a Go driver against Debian's sources; the version that it reports is that of the Debian package."""

    def build(source: Path, place: Path) -> Sequence[Sequence[str]]:
        version = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, timeout=30, check=False
        ).stdout
        settings = ["GO111MODULE=off", "GOPATH=/usr/share/gocode", f"GOCACHE={cache() / 'go-build'}"]
        flags = ["-ldflags", f"-X main.libraryVersion={version or 'unknown'}", "-o", f"{place}/driver"]
        return [["env", *settings, "go", "build", *flags, f"{source}/driver.go", f"{source}/rpc.go"]]

    return build


def _coyim_otr3(source: Path, place: Path) -> Sequence[Sequence[str]]:
    """Build the driver for the older otr3, with another import. Go fetches the two modules that the newer one needs."""
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
    """Build the driver and the library as two parts of one dune project."""
    for path in [*source.glob("*.ml"), source / "dune"]:
        shutil.copy(path, place)
    (place / "dune-project").write_text("(lang dune 2.0)\n")
    version = (place / VERSION).read_text().replace("\\", "").replace('"', "")
    (place / "version.ml").write_text(f'let text = "{version}"\n')
    return [["dune", "build", "--root", ".", "--profile", "release", "./driver.exe"]]


def _driver(place: Path) -> Sequence[str]:
    return [f"{place}/driver"]


#: Bouncy Castle and annotations in Debian's packages, and the folder of otr4j's classes.
JARS = "/usr/share/java/bcprov.jar:/usr/share/java/jsr305.jar"
OTR4J_SOURCES = "src/main/java"

#: The findlib packages that ocaml-otr and its driver are built with.
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


#: To add a target, add a row here, and its driver.
_LIBRARIES = (
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
)

THIRD_PARTIES: dict[str, ThirdParty] = {target.name: target for target in (*_LIBRARIES, *CHAT_PROGRAMS)}

#: The suffix for the name of a target that is built with sanitizers.
SANITIZED = "-sanitized"

#: Targets built with sanitizers, for `fuzz`: by name. Tables and reports do not count them as separate targets.
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
