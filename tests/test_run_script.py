"""The script ./run on different machines: what it installs, what it says if it can't, and what it passes on.

Nothing is really installed: a copy of the script runs with a search path that only has a few basic tools, and small
shell scripts as interpreters, which record how they were called.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("sh", "dirname", "cksum", "cat", "ls", "rm", "mkdir", "rmdir", "tail", "chmod", "cp", "env")

# An interpreter: version 3.11 if NEW exists, able to make environments if CAPABLE exists.
PYTHON = """#!/bin/sh
case "$1 $2" in
"-c import sys; sys.exit"*) [ -e "{home}/new" ] ;;
"-c import sys; print"*) echo python3.12-venv ;;
"-c import ensurepip"*) [ -e "{home}/capable" ] ;;
"--version "*) echo "Python 3.x" ;;
"-m venv")
    echo "venv" >>"{home}/calls"
    mkdir -p "$4/bin"
    cp "$0" "$4/bin/python"
    printf '#!/bin/sh\\necho "otterproof $*"\\nexit 7\\n' >"$4/bin/otterproof"
    chmod +x "$4/bin/otterproof"
    ;;
"-m pip")
    [ "$3" = --version ] && exit
    echo "pip $*" >>"{home}/calls"
    [ -e "{home}/network" ] || {{ echo "ERROR: no such host"; exit 1; }}
    ;;
"-m pytest") shift 2; echo "pytest in $(pwd): $*"; exit 5 ;;
*) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""


class Machine:
    """A copy of ./run in a directory with a space in its name, and its search path."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.bin = home / "bin"
        self.project = home / "my otterproof"
        self.bin.mkdir()
        (self.project / "harness").mkdir(parents=True)
        (self.project / "harness" / "__init__.py").touch()
        shutil.copy(ROOT / "run", self.project / "run")
        (self.project / "pyproject.toml").write_text("[project]\n")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)

    def tool(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(script)
        path.chmod(0o755)

    def has(self, *abilities: str) -> None:
        for ability in abilities:
            (self.home / ability).touch()

    def python(self, name: str = "python3") -> None:
        self.tool(name, PYTHON.format(home=self.home))

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.project / "run"), *words],
            env={"PATH": str(self.bin)} | environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self) -> list[str]:
        """The calls of the interpreter for setup since the last request."""
        path = self.home / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def good(machine: Machine) -> Machine:
    machine.python()
    machine.has("new", "capable", "network")
    return machine


def test_the_scripts_are_executable_and_have_no_syntax_errors() -> None:
    for script, shell in ((ROOT / "run", "sh"), (ROOT / ".ci" / "run", "bash")):
        assert os.access(script, os.X_OK)
        assert stat.S_IMODE(script.stat().st_mode) & 0o111 == 0o111
        subprocess.run([shell, "-n", str(script)], check=True)


def test_the_first_run_installs_and_the_next_does_not(good: Machine) -> None:
    first = good.run("check", "--seed", "a b")
    assert (first.returncode, first.stdout) == (7, "otterproof check --seed a b\n")
    assert good.calls() == ["venv", "pip -m pip install --disable-pip-version-check -e .[dev]"]
    assert "run: making a virtual environment" in first.stderr
    assert "run: installing the Python packages" in first.stderr
    second = good.run("bench")
    assert (second.returncode, second.stdout, second.stderr) == (7, "otterproof bench\n", "")
    assert good.calls() == []


def touch_requirements(machine: Machine) -> None:
    (machine.project / "pyproject.toml").write_text("[project]\ndependencies = []\n")


def move_away(machine: Machine) -> None:
    machine.project = machine.project.rename(machine.home / "elsewhere")


@pytest.mark.parametrize("change", [touch_requirements, move_away])
def test_a_change_of_what_is_needed_installs_again(good: Machine, change: Callable[[Machine], None]) -> None:
    good.run("check")
    good.calls()
    change(good)
    assert good.run("check").returncode == 7
    assert good.calls() == ["pip -m pip install --disable-pip-version-check -e .[dev]"]
    good.run("check")
    assert good.calls() == []


def test_an_environment_whose_python_is_gone_is_made_anew(good: Machine) -> None:
    good.run("check")
    good.calls()
    (good.project / ".venv" / "bin" / "python").unlink()
    assert good.run("check").returncode == 7
    assert [call.split()[0] for call in good.calls()] == ["venv", "pip"]


def make_log_unwritable(machine: Machine) -> None:
    (machine.project / ".venv" / "install.log").unlink()
    (machine.project / ".venv" / "install.log").mkdir()


def make_stamp_unremovable(machine: Machine) -> None:
    (machine.project / ".venv" / "installed").unlink()
    (machine.project / ".venv" / "installed").mkdir()


def make_all_read_only(machine: Machine) -> None:
    (machine.bin / "mkdir").unlink()
    machine.tool("mkdir", "#!/bin/sh\necho 'mkdir: Read-only file system' >&2\nexit 1\n")
    shutil.rmtree(machine.project / ".venv")


@pytest.mark.parametrize("change", [make_log_unwritable, make_stamp_unremovable, make_all_read_only])
def test_a_checkout_that_cannot_be_written_to_is_not_set_up(good: Machine, change: Callable[[Machine], None]) -> None:
    """Root may write anywhere, so files are in the way instead of missing permissions."""
    good.run("check")
    good.calls()
    touch_requirements(good)
    change(good)
    done = good.run("check")
    assert (done.returncode, done.stdout) == (3, "")
    assert "is missing or out of date, and nothing can be written there" in done.stderr
    assert done.stderr.count("\n") == 1
    assert good.calls() == []


def test_an_environment_without_the_program_is_no_verdict(good: Machine) -> None:
    good.run("check")
    (good.project / ".venv" / "bin" / "otterproof").unlink()
    done = good.run("check")
    assert done.returncode == 3
    assert "bin/otterproof is missing. Remove " in done.stderr


def test_tests_are_run_in_the_project_and_their_exit_code_is_kept(good: Machine) -> None:
    done = good.run("test", "-k", "a b")
    assert (done.returncode, done.stdout) == (5, f"pytest in {good.project}: -n auto --dist worksteal -k a b\n")


def test_without_a_network_it_says_so_and_tries_again_next_time(good: Machine) -> None:
    (good.home / "network").unlink()
    done = good.run("check")
    assert done.returncode == 3
    assert "ERROR: no such host" in done.stderr
    assert "is there a network? Then run this again." in done.stderr
    assert "install.log" in done.stderr
    assert done.stdout == ""
    good.has("network")
    assert good.run("check").returncode == 7


def test_without_python_it_says_what_is_needed(machine: Machine) -> None:
    done = machine.run("check")
    assert done.returncode == 3
    assert "Python 3.11 or later is needed (found: none)" in done.stderr
    machine.python()
    done = machine.run("check")
    assert done.returncode == 3
    assert "Python 3.11 or later is needed (found: Python 3.x)" in done.stderr


def test_a_newer_python_of_another_name_is_found_or_named(machine: Machine) -> None:
    machine.has("new", "capable", "network")
    machine.python("python3.12")
    assert machine.run("check").returncode == 7
    shutil.rmtree(machine.project / ".venv")
    machine.python("python-of-mine")
    (machine.bin / "python3.12").unlink()
    assert machine.run("check").returncode == 3
    assert machine.run("check", PYTHON="python-of-mine").returncode == 7
    shutil.rmtree(machine.project / ".venv")
    done = machine.run("check", PYTHON="/no/such/python")
    assert done.returncode == 3
    assert "PYTHON=/no/such/python is no Python 3.11 or later." in done.stderr


APT = """#!/bin/sh
echo "apt-get $*" >>"{home}/calls"
case "$1" in
update) exit 100 ;;
install) : >"{home}/capable" ;;
esac
"""


def on_debian(machine: Machine, user: int) -> None:
    machine.python()
    machine.has("new", "network")
    machine.tool("apt-get", APT.format(home=machine.home))
    machine.tool("id", f"#!/bin/sh\necho {user}\n")


def test_on_debian_root_gets_the_missing_package(machine: Machine) -> None:
    on_debian(machine, user=0)
    done = machine.run("check")
    assert done.returncode == 7
    assert machine.calls()[:3] == [
        "apt-get update -qq",
        "apt-get install -y -qq --no-install-recommends python3-venv",
        "venv",
    ]
    assert "run: installing the Debian package python3-venv" in done.stderr
    assert "trying with the package index that is there" in done.stderr


def test_on_debian_sudo_is_used_when_it_asks_for_no_password(machine: Machine) -> None:
    on_debian(machine, user=1000)
    machine.tool("sudo", '#!/bin/sh\nshift\n[ "$1" = true ] || "$@"\n')
    assert machine.run("check").returncode == 7
    assert "apt-get install -y -qq --no-install-recommends python3-venv" in machine.calls()


@pytest.mark.parametrize("sudo", ["#!/bin/sh\nexit 1\n", ""])
def test_on_debian_without_rights_the_line_to_run_is_printed(machine: Machine, sudo: str) -> None:
    on_debian(machine, user=1000)
    if sudo:
        machine.tool("sudo", sudo)
    done = machine.run("check")
    assert done.returncode == 3
    assert "Run: sudo apt-get install python3-venv\n" in done.stderr
    assert machine.calls() == []
    (machine.bin / "python3").rename(machine.bin / "python3.12")
    assert "Run: sudo apt-get install python3.12-venv\n" in machine.run("check").stderr


def test_elsewhere_the_missing_module_is_named(machine: Machine) -> None:
    machine.python()
    machine.has("new", "network")
    done = machine.run("check")
    assert done.returncode == 3
    assert "modules venv and ensurepip are missing" in done.stderr
