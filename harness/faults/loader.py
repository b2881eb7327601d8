"""From a fault to an engine: a private copy of the reference engine's package in which the fault's edits are made.

The copy is imported under a name of its own, from edited text; no file is written. It shares the contract's types with
everybody else, so its events and snapshots compare with those of the genuine engine, which knows nothing of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from threading import Lock
from types import CodeType, ModuleType
from typing import cast

from harness.faults.entries import ENGINE, Edit, FaultError, edited, engine_sources, faults
from harness.lockstep import EngineFactory

#: The first part of the name of every copy; what follows is made from the fault's name.
PREFIX = "otterproof_fault_"

_importing = Lock()


class UnknownFault(LookupError):
    """There is no fault of that name."""


@cache
def engine(name: str) -> EngineFactory:
    """The engine that has the fault of that name. Asked again, the same one."""
    if name not in faults():
        near = get_close_matches(name, faults(), n=3)
        advice = f"did you mean {', '.join(near)}?" if near else "`otterproof faults` lists them"
        raise UnknownFault(f"no fault {name!r}; {advice}")
    return make_engine(name, faults()[name].edits)


def make_engine(name: str, edits: Iterable[Edit]) -> EngineFactory:
    """An engine with the edits made; FaultError if what comes out can't be imported."""
    package = PREFIX + name.replace("-", "_")
    finder = _Copies(package, name, tuple(edits))
    with _importing:
        before = set(sys.modules)
        sys.meta_path.insert(0, finder)
        try:
            module = import_module(package)
        except Exception as error:
            for created in set(sys.modules) - before:
                if created.partition(".")[0] == package:
                    del sys.modules[created]
            raise FaultError(
                f"fault {name}: the edited engine can't be imported: {type(error).__name__}: {error}; "
                "mend the text in `replace`"
            ) from error
        finally:
            sys.meta_path.remove(finder)
    return cast(EngineFactory, module.ReferenceEngine)


class _Copies(MetaPathFinder, InspectLoader):
    """Finds and loads the modules of one copy, for as long as it is being imported."""

    def __init__(self, package: str, fault: str, edits: tuple[Edit, ...]) -> None:
        self._package = package
        self._fault = fault
        self._edits = edits

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != self._package or self._file(fullname) not in engine_sources():
            return None
        return ModuleSpec(fullname, self, is_package=self.is_package(fullname))

    def is_package(self, fullname: str) -> bool:
        return fullname == self._package

    def get_source(self, fullname: str) -> str:
        file = self._file(fullname)
        return edited(
            engine_sources()[file], [edit for edit in self._edits if edit.file == file], f"fault {self._fault}"
        )

    def get_code(self, fullname: str) -> CodeType:
        file = self._file(fullname)
        source = self.get_source(fullname)
        genuine = source == engine_sources()[file]
        return _compiled(source, str(ENGINE / file) if genuine else f"<{file} with fault {self._fault}>")

    def _file(self, fullname: str) -> str:
        return f"{fullname[len(self._package) + 1 :] or '__init__'}.py"


@cache
def _compiled(source: str, filename: str) -> CodeType:
    """Most files are the same in all copies: compile those once."""
    return compile(source, filename, "exec", dont_inherit=True)
