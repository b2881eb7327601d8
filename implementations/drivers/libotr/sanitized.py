"""Build the driver and libotr with AddressSanitizer and UndefinedBehaviorSanitizer, from Debian's source of libotr.

libotr is also instrumented for coverage [edges.c].

    python sanitized.py FOLDER

Debian's binary package can't be instrumented, so the sources are needed. apt fetches them into FOLDER and verifies them
with its own keys. It keeps separate package lists there, so the system does not change and its settings need no deb-src
line. If the mirror no longer has Debian's patches for a version, the upstream archive from the same source package is
built without them, and the driver's version says so.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: The flags for everything. An error ends the process; otherwise it would be lost among the others. Copying zero bytes
#: from a null pointer is allowed: it is harmless, and the library does it whenever a session ends.
FLAGS = (
    "-g",
    "-O1",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize=nonnull-attribute",
    "-fno-sanitize-recover=all",
    "-DOTTERPROOF_SANITIZED",
    "-DOTTERPROOF_COVERAGE",
)

#: The additional flag for the library: a call at the start of each basic block.
COVERAGE = ("-fsanitize-coverage=trace-pc",)

#: The library's allocator, which gets no such calls: libgcrypt uses it too, at unpredictable times.
_NOT_COUNTED = "mem.c"

#: The part of the driver that receives the calls; sanitizers would make it slow.
_CALLED = "edges.c"

#: The format in which apt lists the package sources of the system.
_TARGETS = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(SIGNED_BY)"

#: In seconds: the time limit for each command.
_LIMIT = 240


def main(folder: Path) -> None:
    """Fetch, unpack and build. SystemExit with advice if that fails."""
    source, version = fetched(folder)
    include = folder / "include"
    include.mkdir()
    (include / "libotr").symlink_to(source / "src")
    own = folder / "libotr-driver"
    own.symlink_to(Path(__file__).parent)
    jansson = _run(["pkg-config", "--cflags", "--libs", "jansson"], folder).split()
    words = [f'-DOTTERPROOF_VERSION="{version}"', "-Iinclude", "-Isource/src", *jansson]
    objects = []
    for file in [*sorted((source / "src").glob("*.c")), *sorted(own.glob("*.c"))]:
        more: tuple[str, ...] = ("-fno-sanitize=all", "-O2") if file.name == _CALLED else ()
        if file.parent != own and file.name != _NOT_COUNTED:
            more = COVERAGE
        objects.append(f"{file.parent.name}-{file.stem}.o")
        # A report names a file as the compiler was given it, and this folder is gone by then: so, by a relative path.
        _run(["cc", *FLAGS, *more, *words, "-c", "-o", objects[-1], str(file.relative_to(folder))], folder)
    _run(["cc", *FLAGS, "-o", "driver", *objects, *jansson, "-lgcrypt"], folder)


def fetched(folder: Path) -> tuple[Path, str]:
    """The unpacked source package, and its version. SystemExit if there is none."""
    settings = _settings(folder)
    _apt([*settings, "update"], folder)
    try:
        _apt([*settings, "source", "--download-only", "libotr"], folder)
    except SystemExit:
        _apt([*settings, "source", "--download-only", "--tar-only", "libotr"], folder)
    descriptions = sorted(folder.glob("libotr_*.dsc"))
    archives = sorted(folder.glob("libotr_*.orig.tar.gz"))
    if not archives:
        raise SystemExit("apt-get source libotr has brought no sources; add a deb-src line to your apt settings")
    source = folder / "source"
    if descriptions and list(folder.glob("libotr_*.debian.tar.*")):
        _run(["dpkg-source", "--extract", str(descriptions[-1]), str(source)], folder)
        return source, descriptions[-1].stem.removeprefix("libotr_") + " sanitized"
    source.mkdir()
    _run(["tar", "--extract", "--strip-components=1", "--directory", str(source), "--file", str(archives[-1])], folder)
    return source, archives[-1].name.removeprefix("libotr_").removesuffix(".orig.tar.gz") + " sanitized, unpatched"


def _settings(folder: Path) -> list[str]:
    """Options that make apt use its own lists in a folder, for the source packages of the system's repositories."""
    known = _run(["apt-get", "indextargets", "--format", _TARGETS, "Created-By: Packages"], folder)
    entries = []
    for row in sorted(set(known.splitlines())):
        uri, suite, component, key = row.split("\t")
        if component == "main" and "debian" in uri:
            signed = f" [signed-by={key}]" if key.startswith("/") else ""
            entries.append(f"deb-src{signed} {uri} {suite} {component}\n")
    if not entries:
        raise SystemExit("apt-get knows no Debian archive with libotr's sources; run `apt-get update`, on Debian")
    (folder / "sources.list").write_text("".join(entries), encoding="utf-8")
    (folder / "lists" / "partial").mkdir(parents=True)
    return [
        *("-o", f"Dir::Etc::sourcelist={folder / 'sources.list'}"),
        *("-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::lists={folder / 'lists'}"),
        *("-o", "APT::Sandbox::User=root"),
    ]


def _apt(words: list[str], folder: Path) -> None:
    _run(["apt-get", "--quiet=2", *words], folder)


def _run(words: list[str], folder: Path) -> str:
    """The output of a command. SystemExit with its error message if it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_LIMIT, check=False, cwd=folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SystemExit(f"{words[0]} failed: {error}") from error
    if done.returncode != 0:
        raise SystemExit(f"{words[0]} says: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
