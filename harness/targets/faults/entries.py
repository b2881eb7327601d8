"""The entries of the catalogue: read catalogue/*.toml into values, and reject invalid entries.

Every entry quotes text from the reference engine's source. If the source changes and a quoted text is missing or no
longer unique, the catalogue can't be read: a fault that no longer applies would prove nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from otterproof import implementations
from otterproof.harness.support.errors import CommandError

#: The folder of the entries: those of an area in the file AREA.toml, or in several files of the folder AREA.
CATALOGUE = Path(__file__).parent / "catalogue"

#: The package that faults are made from.
ENGINE = "otterproof.implementations.reference"

#: The areas in the order in which they are listed, with their subjects.
AREAS: Mapping[str, str] = MappingProxyType(
    {
        "negotiation": "queries, whitespace tags and error messages",
        "envelope": "armour, headers and data types",
        "instances": "instance tags, and sessions with several clients of one account",
        "handshake": "the authenticated key exchange",
        "data": "data messages: fields, MAC, counter, heartbeat",
        "ratchet": "key ids, rotation of keys, and what is derived from them",
        "mac_reveal": "revealing MAC keys",
        "tlv": "TLVs",
        "fragments": "fragments, sent and received",
        "smp": "the Socialist Millionaires' Protocol",
        "extra_key": "the extra symmetric key",
        "policy": "policy, message state, texts in the clear and stored texts",
        "memory": "what stays in memory",
        "programs": "what a program keeps when it ends, and what it writes into its log",
    }
)

#: Who can see a fault: anybody in an honest run (with loss or reordering), an attacker on the network, a peer with
#: valid keys who lies, or somebody who collects statistics over many runs.
OBSERVERS = ("honest", "network", "insider", "statistical")

#: What must hold in every run: the oracle that a fault is made for. [otterproof.harness.judges.oracles, lockstep]
ORACLES = (
    "form",
    "authenticity",
    "rejection",
    "healing",
    "agreement",
    "key-ids",
    "counters",
    "mac-revelation",
    "forgetting",
    "smp",
    "states",
    "instance-tags",
    "fragments",
    "leaks",
    "bounds",
    "engines-agree",
)

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TEXTS = ("name", "summary", "source", "oracle", "requirement", "observer", "hint")
_KEYS = frozenset({*_TEXTS, "versions", "edits"})
_OPTIONAL = frozenset({"also"})


class FaultError(CommandError, ValueError):
    """An entry of the catalogue is invalid. The message says which one, what is wrong, and how to correct it."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In `file` of the reference engine, replace `find`, which occurs once, by `replace`."""

    file: str
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Fault:
    """An entry. source: where something similar was seen. hint: a scenario that notices it, without version.

    requirement: what it breaks. also: what it breaks in addition, directly rather than as a consequence.
    """

    name: str
    area: str
    summary: str
    source: str
    oracle: str
    requirement: str
    observer: str
    versions: tuple[int, ...]
    hint: str
    edits: tuple[Edit, ...]
    also: tuple[str, ...] = ()

    @property
    def breaks(self) -> tuple[str, ...]:
        """All requirements that it breaks, the main one first."""
        return (self.requirement, *self.also)


@cache
def engine_sources(package: str = ENGINE) -> Mapping[str, str]:
    """The source of a genuine engine: file name -> text."""
    folder = Path(implementations.__path__[0]) / package.rpartition(".")[2]
    return MappingProxyType({path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))})


@cache
def faults() -> Mapping[str, Fault]:
    """The catalogue, by name. Raises FaultError for the first invalid entry."""
    files: dict[str, list[Path]] = {area: [] for area in AREAS}
    for path in catalogue_files():
        area = path.relative_to(CATALOGUE).parts[0].removesuffix(".toml")
        if area not in AREAS:
            raise FaultError(f"{path}: no area {area!r}; there are {', '.join(AREAS)} (AREAS in {__file__})")
        files[area].append(path)
    found: dict[str, Fault] = {}
    for area, paths in files.items():
        if not paths:
            raise FaultError(f"{CATALOGUE / area}.toml is missing; write it, or take the area out of AREAS")
        for path in paths:
            file = path.relative_to(CATALOGUE).as_posix()
            for fault in parse(path.read_text(encoding="utf-8"), file, engine_sources()):
                if fault.name in found:
                    other = found[fault.name].area
                    raise FaultError(f"two faults are called {fault.name}, in {other} and in {area}; rename one")
                found[fault.name] = fault
    return MappingProxyType(found)


def catalogue_files() -> list[Path]:
    """The files of the catalogue, grouped by area."""
    return sorted(CATALOGUE.rglob("*.toml"))


def parse(text: str, file: str, sources: Mapping[str, str]) -> Iterator[Fault]:
    """Read the entries of one file, AREA.toml or AREA/WORD.toml. Each edit must fit the engine's `sources`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FaultError(f"{file} is not TOML: {error}") from error
    if unknown := sorted(set(content) - {"fault"}):
        raise FaultError(f"{file}: unknown key {unknown[0]!r}; each entry begins with [[fault]]")
    entries = content.get("fault", [])
    if not isinstance(entries, list) or not entries:
        raise FaultError(f"{file} has no entries; each begins with [[fault]]")
    for number, entry in enumerate(entries, start=1):
        yield _fault(entry, file, number, sources)


def _fault(entry: Mapping[str, object], file: str, number: int, sources: Mapping[str, str]) -> Fault:
    area = file.partition("/")[0].removesuffix(".toml")
    where = f"{file}, entry {number} ({entry.get('name', 'without a name')})"
    if missing := sorted(_KEYS - set(entry)):
        raise FaultError(f"{where}: {missing[0]!r} is missing; an entry has {', '.join(sorted(_KEYS))}")
    if unknown := sorted(set(entry) - _KEYS - _OPTIONAL):
        raise FaultError(
            f"{where}: unknown key {unknown[0]!r}; an entry has {', '.join(sorted(_KEYS))}, "
            f"and may have {', '.join(sorted(_OPTIONAL))}"
        )
    texts: dict[str, str] = {}
    for key in _TEXTS:
        value = entry[key]
        if not isinstance(value, str) or not value.strip():
            raise FaultError(f"{where}: {key} is {value!r}; give a text that is not empty")
        texts[key] = value.strip()
    if not _NAME.fullmatch(texts["name"]):
        raise FaultError(f"{where}: a name has lower-case words and digits with hyphens between them")
    if texts["oracle"] not in ORACLES:
        raise FaultError(f"{where}: no oracle {texts['oracle']!r}; there are {', '.join(ORACLES)}")
    if texts["observer"] not in OBSERVERS:
        raise FaultError(f"{where}: no observer {texts['observer']!r}; there are {', '.join(OBSERVERS)}")
    versions = entry["versions"]
    if versions not in ([2], [3], [2, 3]):
        raise FaultError(f"{where}: versions is {versions!r}; give [2], [3] or [2, 3]")
    also = entry.get("also", [])
    if not isinstance(also, list) or not all(isinstance(one, str) for one in also) or texts["requirement"] in also:
        raise FaultError(f"{where}: also is {also!r}; give a list of the ids of other requirements, or leave it out")
    edits = entry["edits"]
    if not isinstance(edits, list) or not edits:
        raise FaultError(f'{where}: edits is {edits!r}; give a list of {{ file = "", find = "", replace = "" }}')
    checked = tuple(_edit(edit, where, sources) for edit in edits)
    for file in {edit.file for edit in checked}:
        edited(sources[file], [edit for edit in checked if edit.file == file], where)
    return Fault(area=area, versions=tuple(versions), edits=checked, also=tuple(also), **texts)


def _edit(entry: object, where: str, sources: Mapping[str, str]) -> Edit:
    if not isinstance(entry, dict) or set(entry) != {"file", "find", "replace"}:
        raise FaultError(f"{where}: an edit has file, find and replace, and nothing else; this one is {entry!r}")
    for key, value in entry.items():
        if not isinstance(value, str):
            raise FaultError(f"{where}: {key} of an edit is {value!r}; give a text")
    edit = Edit(**entry)
    if edit.file not in sources:
        raise FaultError(f"{where}: the engine has no file {edit.file!r}; it has {', '.join(sources)}")
    if edit.find == edit.replace:
        raise FaultError(f"{where}: an edit in {edit.file} replaces {edit.find!r} by itself; make it change something")
    count = sources[edit.file].count(edit.find) if edit.find else 0
    if count != 1:
        advice = (
            "the engine's source has changed, or a blank is wrong: copy the text from there again"
            if count == 0
            else "take in more of what stands around the place that is meant"
        )
        raise FaultError(f"{where}: {edit.find!r} stands {count} times in {edit.file}, and must stand once: {advice}")
    return edit


def edited(source: str, edits: Sequence[Edit], where: str) -> str:
    """Apply edits to a file's text. Each `find` is searched in the genuine text; FaultError if two overlap."""
    parts: list[str] = []
    at = 0
    for start, edit in sorted(((source.index(edit.find), edit) for edit in edits), key=lambda place: place[0]):
        if start < at:
            raise FaultError(f"{where}: two edits of {edit.file} overlap at {edit.find!r}; make them one")
        parts += [source[at:start], edit.replace]
        at = start + len(edit.find)
    return "".join([*parts, source[at:]])
