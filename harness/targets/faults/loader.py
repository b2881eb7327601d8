"""From a fault to an engine: a private copy of an engine's package in which some files have different text.

The copy is imported under its own name, from edited text; no file is written. Modules that are not edited and import no
edited module are not copied. The copy shares the contract's types with everybody else, so its events and snapshots can
be compared with those of the genuine engine, which is not affected.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from threading import Lock
from types import CodeType, MappingProxyType, ModuleType
from typing import cast

from otterproof.harness.support.errors import OtterproofError
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.targets.faults.entries import Edit, FaultError, edited, engine_sources, faults
from otterproof.harness.targets.lockstep import EngineFactory

#: The first part of every copy's name; the rest is made from the fault's name.
PREFIX = "otterproof_fault_"

_importing = Lock()


class UnknownFault(OtterproofError, LookupError):
    """There is no fault of that name."""


@dataclass(frozen=True, slots=True)
class Original:
    """An engine that can be copied: its package, and the name of its class there."""

    package: str
    engine: str

    @property
    def sources(self) -> Mapping[str, str]:
        """The text of its modules by the name of the file."""
        return engine_sources(self.package)


REFERENCE = Original("otterproof.implementations.reference", "ReferenceEngine")
INDEPENDENT = Original("otterproof.implementations.independent", "IndependentEngine")


@cache
def engine(name: str) -> EngineFactory:
    """The engine with the fault of that name; always the same object."""
    if name not in faults():
        raise UnknownFault(f"no fault {name!r:.200}{did_you_mean(name, faults(), '`otterproof faults` lists them')}")
    return make_engine(name, faults()[name].edits)


def make_engine(name: str, edits: Iterable[Edit]) -> EngineFactory:
    """The reference engine with edits applied; FaultError if the result can't be imported."""
    return copy_engine(name, altered(name, edits))


def altered(name: str, edits: Iterable[Edit]) -> dict[str, str]:
    """The files of the reference engine that a fault changes, with their changed text."""
    by_file: dict[str, list[Edit]] = {}
    for edit in edits:
        by_file.setdefault(edit.file, []).append(edit)
    return {file: edited(REFERENCE.sources[file], some, f"fault {name}") for file, some in by_file.items()}


def copy_engine(name: str, texts: Mapping[str, str], original: Original = REFERENCE) -> EngineFactory:
    """A copy of an engine in which some files have different text; if none have, everything is copied unchanged."""
    package = PREFIX + name.replace("-", "_")
    finder = _Copies(package, name, dict(texts), original)
    copied = _affected(original, frozenset(texts)) if texts else frozenset(original.sources)
    with _importing:
        before = set(sys.modules)
        for file in original.sources.keys() - copied:
            stem = Path(file).stem
            sys.modules[f"{package}.{stem}"] = import_module(f"{original.package}.{stem}")
        sys.meta_path.insert(0, finder)
        try:
            module = import_module(package)
        except Exception as error:
            for created in set(sys.modules) - before:
                if created.partition(".")[0] == package:
                    del sys.modules[created]
            raise FaultError(
                f"fault {name}: the edited engine can't be imported: {type(error).__name__}: {error}; "
                "correct the text in `replace`"
            ) from error
        finally:
            sys.meta_path.remove(finder)
    return cast(EngineFactory, getattr(module, original.engine))


class _Copies(MetaPathFinder, InspectLoader):
    """Finds and loads the modules of one copy while it is being imported."""

    def __init__(self, package: str, fault: str, texts: dict[str, str], original: Original) -> None:
        self._package = package
        self._fault = fault
        self._texts = texts
        self._original = original

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != self._package or self._file(fullname) not in self._original.sources:
            return None
        return ModuleSpec(fullname, self, is_package=self.is_package(fullname))

    def is_package(self, fullname: str) -> bool:
        return fullname == self._package

    def get_source(self, fullname: str) -> str:
        file = self._file(fullname)
        return self._texts.get(file, self._original.sources[file])

    def get_code(self, fullname: str) -> CodeType:
        file, source = self._file(fullname), self.get_source(fullname)
        name = f"<{file} with fault {self._fault}>" if file in self._texts else f"<copy of {file}>"
        return _compiled(source, name)

    def _file(self, fullname: str) -> str:
        return f"{fullname[len(self._package) + 1 :] or '__init__'}.py"


@cache
def _compiled(source: str, filename: str) -> CodeType:
    """Compile a file once: most files are the same in all copies."""
    with warnings.catch_warnings(action="ignore", category=SyntaxWarning):  # deliberately wrong code may look odd
        return compile(source, filename, "exec", dont_inherit=True)


@cache
def _affected(original: Original, edited_files: frozenset[str]) -> frozenset[str]:
    """The edited files and all that import them, directly or not."""
    found = {"__init__.py", *edited_files}
    while more := {file for file, needs in _imports(original).items() if needs & found} - found:
        found |= more
    return frozenset(found)


@cache
def _imports(original: Original) -> Mapping[str, frozenset[str]]:
    """What each file of an engine imports of the others."""
    return MappingProxyType(
        {
            file: frozenset(
                f"{name}.py"
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.ImportFrom) and node.level == 1
                for name in ([node.module] if node.module else [alias.name for alias in node.names])
            )
            for file, text in original.sources.items()
        }
    )
