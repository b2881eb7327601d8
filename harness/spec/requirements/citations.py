"""Where requirements are implemented and judged: citations in the comments and docstrings of the code.

A citation is the id of a requirement in square brackets, `[DATA-CTR-2]`. Several ids can share the brackets, also with
names of sections: `[Key Management; DATA-CTR-1, DATA-CTR-2]`. It stands where the rule is implemented, so searching for
an id finds the rule in both engines, the model and the oracles. Each engine and the model must either cite every
covered requirement or list it in a file of the folder `uncited` with the reason why it can't be cited there. An oracle
cites what it judges; it need not judge everything.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otterproof.harness.spec.entries import Problem, hint
from otterproof.harness.spec.requirements.table import REQUIREMENT_ID, RequirementClass, Table

_ROOT = Path(__file__).resolve().parents[3]

#: The places that must cite every covered requirement they can: name -> folder below the root.
PLACES: Mapping[str, str] = {
    "reference": "implementations/reference",
    "independent": "implementations/independent",
    "model": "harness/judges/model",
}

#: The places that cite only some requirements: name -> folder below the root.
PARTIAL: Mapping[str, str] = {"oracles": "harness/judges/oracles"}

#: The folder with one file per place, PLACE.toml, listing what can't be cited there.
UNCITED = Path(__file__).parent / "uncited"

_BRACKETS = re.compile(r"\[[^\[\]]*\]")
_ID = re.compile(rf"(?<![\w-]){REQUIREMENT_ID.pattern}(?![\w-])")


@dataclass(frozen=True, slots=True)
class Citation:
    """An id found in a comment or docstring. alone: it stands in brackets with no other words."""

    requirement: str
    where: str
    alone: bool


@dataclass(frozen=True, slots=True)
class Uncited:
    """Requirements that one place can't cite, all for the same reason. where: the file and the number of the entry."""

    requirements: tuple[str, ...]
    reason: str
    where: str


def _texts(source: str) -> Iterator[tuple[int, str]]:
    """Each docstring and block of comments, with the number of its first line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    block: list[str] = []
    first = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line = token.start[0]
        if token.type == tokenize.COMMENT:
            own_line = not token.line[: token.start[1]].strip()
            if block and own_line and line == first + len(block):
                block.append(token.string.lstrip("#: "))
                continue
            if block:
                yield first, "\n".join(block)
            first, block = line, [token.string.lstrip("#: ")]
    if block:
        yield first, "\n".join(block)


def find_citations(source: str, name: str) -> list[Citation]:
    """Every requirement id in the comments and docstrings of a module, in line order.

    name: what `Citation.where` calls the module, before a colon and the line. Ids in code and in other strings don't
    count.
    """
    found = []
    for first, text in _texts(source):
        # The text is cut at every separator, so that each part is either one id or something else.
        parts = {
            start: text[start:end].strip()
            for match in _BRACKETS.finditer(text)
            for start, end in _parts(text, match.start() + 1, match.end() - 1)
        }
        for match in _ID.finditer(text):
            line = first + text.count("\n", 0, match.start())
            part = next((part for start, part in reversed(parts.items()) if start <= match.start()), "")
            found.append((line, match.start(), Citation(match[0], f"{name}:{line}", part == match[0])))
    return [citation for _, _, citation in sorted(found, key=lambda item: item[:2])]


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The bounds of the parts between `start` and `end`, as commas and semicolons separate them."""
    for match in re.finditer(r"[^,;]+", text[start:end]):
        yield start + match.start(), start + match.end()


def citations(place: str, root: Path = _ROOT) -> list[Citation]:
    """Every requirement id that the modules of a place cite. place: a key of `PLACES` or `PARTIAL`."""
    folder = {**PLACES, **PARTIAL}[place]
    return [
        citation
        for path in sorted((root / folder).rglob("*.py"))
        for citation in find_citations(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    ]


def read_uncited(path: Path) -> tuple[list[Uncited], list[Problem]]:
    """The entries of one file, and the problems with their form."""
    entries, problems = [], []
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return [], [Problem(path.name, f"can't be read as a TOML file: {error}", "Restore it or correct the syntax")]
    items = content.pop("uncited", [])
    for key in content:
        problems.append(Problem(path.name, f"unknown key {key!r}", "Begin every entry with [[uncited]]"))
    for number, item in enumerate(items if isinstance(items, list) else [items], 1):
        where = f"{path.name}, entry {number}"
        fields = item if isinstance(item, dict) else {}
        names, reason = fields.get("requirements"), fields.get("reason")
        if set(fields) != {"requirements", "reason"}:
            problems.append(Problem(where, "its fields are wrong", "Give it the fields requirements and reason"))
        elif not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
            problems.append(Problem(where, "requirements is not a list of ids", 'Write requirements = ["DATA-CTR-2"]'))
        elif not (isinstance(reason, str) and reason.strip()):
            problems.append(Problem(where, "the reason is empty", "Say why they can't be cited"))
        else:
            entries.append(Uncited(tuple(names), reason.strip(), where))
    return entries, problems


def check_ids(table: Table, found: Sequence[Citation]) -> list[Problem]:
    """Problems with the citations themselves: unknown ids, and ids outside brackets."""
    problems = []
    for citation in found:
        if citation.requirement not in table.requirements:
            what = f"unknown requirement {citation.requirement}{hint(citation.requirement, table.requirements)}"
            problems.append(Problem(citation.where, what, "Correct the id"))
        elif not citation.alone:
            remedy = f"Write [{citation.requirement}], with commas or semicolons between several ids"
            problems.append(Problem(citation.where, f"{citation.requirement} is not a citation in brackets", remedy))
    return problems


def check_citations(table: Table, place: str, found: Sequence[Citation], uncited: Sequence[Uncited]) -> list[Problem]:
    """Mismatches between the table, the citations of a place and the list of what can't be cited there."""
    problems = check_ids(table, found)
    cited = {citation.requirement: citation.where for citation in reversed(found) if citation.alone}
    listed: dict[str, str] = {}
    for entry in uncited:
        for name in entry.requirements:
            requirement = table.requirements.get(name)
            if requirement is None:
                what = f"unknown requirement {name}{hint(name, table.requirements)}"
                problems.append(Problem(entry.where, what, "Correct the id, or remove it"))
            elif requirement.kind is not RequirementClass.COVERED:
                what = f"{name} is {requirement.kind}, so nobody has to cite it"
                problems.append(Problem(entry.where, what, "Remove it from the entry"))
            elif name in cited:
                what = f"{name} is cited after all, at {cited[name]}"
                problems.append(Problem(entry.where, what, "Remove it from the entry"))
            elif name in listed:
                problems.append(Problem(entry.where, f"{name} is also in {listed[name]}", "Remove one of the two"))
            listed.setdefault(name, entry.where)
    for requirement in table.of_kind(RequirementClass.COVERED):
        if requirement.id not in cited and requirement.id not in listed:
            what = f"{requirement.id} is covered, but not cited ({requirement.text})"
            remedy = (
                f"Write [{requirement.id}] where it is carried out, or say in uncited/{place}.toml why that can't be"
            )
            problems.append(Problem(PLACES[place], what, remedy))
    return problems


def lint_citations(table: Table, place: str, root: Path = _ROOT, uncited: Path = UNCITED) -> list[Problem]:
    """All problems with the citations of one place, a key of `PLACES` or `PARTIAL`."""
    if place in PARTIAL:
        return check_ids(table, citations(place, root))
    entries, problems = read_uncited(uncited / f"{place}.toml")
    return problems + check_citations(table, place, citations(place, root), entries)
