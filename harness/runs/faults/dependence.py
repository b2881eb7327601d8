"""What a scenario's judgement depends on: a digest of all sources that its module imports, directly or not.

A judgement kept in a file still holds if none of these has changed. The ranking of causes and the tables of checks do
not count: they say what failures mean, not which failures occur. So when those change, causes can be ranked again from
a file, and when one scenario changes, only the scenarios of its module are judged again.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import otterproof
from otterproof.harness.targets.faults.entries import Fault
from otterproof.harness.testkit.scenario import Scenario

#: The modules that judge every fault, whatever the scenario.
_JUDGING_MODULES = ("otterproof.harness.runs.faults.detect", "otterproof.harness.targets.lean")

#: Modules that judges import but that only say what failures mean, or that read the catalogue. The edits of a fault do
#: count; they have a key of their own.
_NOT_JUDGING = {"otterproof.harness.runs.causes", "otterproof.harness.targets.faults.entries"}

#: The folders of this package with data that judgements read. Of the implementations, only the engines are judged.
_DATA = ("harness/testkit", "harness/spec/states", "implementations/choices", "scenarios", "vectors")


def key(scenario: Scenario) -> str:
    """A digest of what a scenario's judgement depends on."""
    digest = hashlib.sha256(_data().encode())
    for module in sorted(_closure((scenario.run.__module__, *_JUDGING_MODULES))):
        digest.update(f"{module} {_digest(module)}\n".encode())
    return digest.hexdigest()[:16]


def edits_key(fault: Fault) -> str:
    """A digest of a fault's edits."""
    return hashlib.sha256(repr(fault.edits).encode()).hexdigest()[:16]


@cache
def _data() -> str:
    """A digest of the data files."""
    digest = hashlib.sha256()
    root = Path(otterproof.__path__[0]).resolve()
    for folder in _DATA:
        inside = (root / folder).resolve()
        files = (one for one in inside.rglob("*") if one.is_file() and one.suffix not in (".py", ".pyc"))
        for path in sorted(files):
            content = path.read_bytes()
            digest.update(f"{folder}/{path.relative_to(inside).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@cache
def _closure(modules: tuple[str, ...]) -> frozenset[str]:
    """Some modules and everything that they import from their own packages, directly or not."""
    packages = {module.partition(".")[0] for module in modules}
    found: set[str] = set()
    waiting = {*modules}
    while waiting:
        found |= waiting
        names = {name for module in waiting for name in _imports(module) if name.partition(".")[0] in packages}
        waiting = {name for name in names - found - _NOT_JUDGING if _source(name) is not None}
    return frozenset(found)


@cache
def _source(module: str) -> Path | None:
    """The file of a module; None if there is no such module, for example for a name imported from one."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # its parent is not a package
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


@cache
def _digest(module: str) -> str:
    path = _source(module)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None else ""


@cache
def _imports(module: str) -> tuple[str, ...]:
    """What a module imports, including names that are not modules, and the packages around all that."""
    path = _source(module)
    if path is None or path.suffix != ".py":
        return ()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = set(_imported(ast.parse(path.read_bytes()), package))
    around = {name.rpartition(".")[0] for name in {*names, module}} - {""}
    return tuple(names | around)


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """The full names of everything that a module imports: modules, and names that may be modules of a package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
