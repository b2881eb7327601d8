"""The package from outside: its public names, the cost of importing it, and packages with conflicting names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import otterproof

SOURCE = Path(otterproof.__file__)


def imports() -> dict[str, str]:
    """The imports for type checkers: public name -> module, as in `_HOMES`."""
    (block,) = (node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.module is not None
        for alias in node.names:
            inside = node.module.removeprefix("otterproof.")
            is_module = (SOURCE.parent / inside.replace(".", "/") / f"{alias.name}.py").exists()
            found[alias.asname or alias.name] = f"{inside}.{alias.name}" if is_module else f"{inside}:{alias.name}"
    return found


def test_every_public_name_is_there_and_documented() -> None:
    homes = vars(otterproof)["_HOMES"]
    assert sorted(otterproof.__all__) == sorted(homes) == sorted(imports())
    assert imports() == homes
    for name in otterproof.__all__:
        assert getattr(otterproof, name).__doc__, name
        assert f"`{name}`" in str(otterproof.__doc__), name


def test_a_name_that_is_not_public() -> None:
    with pytest.raises(AttributeError, match="__all__"):
        getattr(otterproof, "nothing_of_that_name")  # noqa: B009 (it is what the test is about)


def loaded_by(code: str, *, isolated: bool = True) -> set[str]:
    """The top-level modules that a program has loaded, beyond those that Python starts with."""
    program = f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    command = [sys.executable, *(["-I"] if isolated else []), "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_by("import otterproof")
    assert not {name.partition(".")[0] for name in loaded} & {"hypothesis", "jsonschema", "rich", "cryptography"}
    assert not [name for name in loaded if name.startswith("otterproof.")]


def test_vectors_load_with_the_standard_library_alone() -> None:
    loaded = loaded_by("import otterproof.vectors; otterproof.vectors.load('tlvs')")
    ours = {name for name in loaded if name.startswith("otterproof")}
    assert ours <= {"otterproof"} | {name for name in ours if name.startswith("otterproof.vectors")}
    outside = {name.partition(".")[0] for name in loaded - ours}
    assert outside <= set(sys.stdlib_module_names)


@pytest.mark.slow
def test_folders_with_names_of_ours_break_nothing(tmp_path: Path) -> None:
    for name in ("harness", "scenarios", "vectors", "implementations", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('this is the package of somebody else')\n")
    command = [sys.executable, "-m", "otterproof", "check", "reference", "--only", "data.key_id_0", "--jobs", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "conforms" in done.stdout
