"""A desk for a program with windows: its own virtual screen and message bus.

A separate process is the parent of the program, the screen and the bus. It adopts the processes that they start, and
ends all of them as soon as one of the three or the driver ends. The driver holds the other end of its standard input,
which closes however the driver ends. The process then exits the way the program did. If the screen or the bus ended
first, it says so before, since that need not be the program's fault.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.loop import Closed, Lines, Loop
from otterproof.implementations.drivers.chat.terminal import Process, die_with_parent
from otterproof.implementations.drivers.linejson import Stranded

#: Width and height of the screen.
SIZE = (960, 480)

#: The file in the program's folder in which Xvfb keeps the contents of the screen.
SCREEN_FILE = "Xvfb_screen0"

#: The service file of the accessibility bus, the only service that the bus may start.
_ACCESSIBILITY = Path("/usr/share/dbus-1/services/org.a11y.Bus.service")

_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={home}/bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{home}/services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

#: What the desk process writes to its standard input: the address of the bus, or what has ended or did not start.
_AT, _LOST = "at", "lost"

#: The option of prctl that makes a process adopt orphans.
_ADOPT = 36


class Desk(Process):
    """The desk process, as the driver sees it."""

    def __init__(self, loop: Loop, home: Home, program: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program on a desk in a home, and wait until it runs. Stranded if the screen or bus ends."""
        cookie = secrets.token_bytes(16)
        # A line of an Xauthority file: any host, any display, the kind of the cookie, the cookie.
        kind = b"MIT-MAGIC-COOKIE-1"
        head = struct.pack(">HHHH", 0xFFFF, 0, 0, len(kind))
        home.file("Xauthority", head + kind + struct.pack(">H", len(cookie)) + cookie)
        home.file("bus.conf", _BUS.format(home=home.path))
        home.file(f"services/{_ACCESSIBILITY.name}", _ACCESSIBILITY.read_bytes())
        ours, theirs = socket.socketpair()
        reads, writes = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, *program],
                stdin=theirs.fileno(),
                stdout=writes,
                stderr=writes,
                env={**_inherited(), "HOME": str(home.path), **environment},
                start_new_session=True,
            )
        finally:
            theirs.close()
            os.close(writes)
        super().__init__(loop, process, reads)
        #: The address of the bus; "" until everything runs.
        self.address = ""
        self._lost = ""
        self._life = Lines(loop, ours.detach(), self._told)
        try:
            loop.until(lambda: bool(self.address))
        except Closed:
            self.die_alike()

    def _told(self, line: bytes) -> None:
        what, _, rest = line.decode().partition(" ")
        if what == _AT:
            self.address = rest
        else:
            self._lost = rest

    def die_alike(self) -> NoReturn:
        """See `Process`. Stranded if the screen or the bus ended first."""
        self._life.take_rest()
        if self._lost:
            raise Stranded(f"{self._lost} has ended")
        super().die_alike()

    def wait(self) -> None:
        """Wait until the program, which has been asked to quit, and everything on the desk have ended."""
        super().wait()
        self._life.close()

    def close(self) -> None:
        """End everything on the desk."""
        self._life.close()
        self._process.wait()
        super().close()


def _inherited() -> dict[str, str]:
    """The variables of the driver's environment that the desk process needs."""
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


# The following functions run in the desk process.


def _start(command: Sequence[str], *, passed: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=passed, preexec_fn=die_with_parent)


def _with_answer(command: Sequence[str], option: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server that writes a line to a descriptor when it is ready. Returns the line; "" if it ends first."""
    reads, writes = os.pipe()
    process = _start([*command, option, f"{writes}"], passed=[writes])
    os.close(writes)
    with open(reads, encoding="utf-8") as answer:
        return process, answer.readline().strip()


def _screen(home: str) -> tuple[subprocess.Popen[bytes], str]:
    size = "{}x{}x24".format(*SIZE)
    options = [
        "-screen",
        "0",
        size,
        "-dpi",
        "96",
        "-nolisten",
        "tcp",
        "-wr",
        "-auth",
        f"{home}/Xauthority",
        "-fbdir",
        home,
    ]
    return _with_answer(["Xvfb", *options], "-displayfd")


def _bus(home: str) -> tuple[subprocess.Popen[bytes], str]:
    options = ["--nofork", "--nopidfile", f"--config-file={home}/bus.conf"]
    return _with_answer(["dbus-daemon", *options], "--print-address")


def _children(pid: int) -> list[int]:
    """The children of a process that have not been waited for."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []  # the process has ended


def _end_all() -> None:
    """Kill all descendants. Those that lose their parent become children of this process."""
    while children := _children(os.getpid()):
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)


def _first_to_end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until the driver or one of the processes has ended."""
    waiting = select.poll()
    waiting.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    for process in processes:
        waiting.register(os.pidfd_open(process.pid), select.POLLIN)
    waiting.poll()


def _tell(what: str, more: str) -> None:
    """Tell the driver."""
    with suppress(BrokenPipeError):  # the driver has ended, and so will this process
        os.write(sys.stdin.fileno(), f"{what} {more}\n".encode())


def main(command: Sequence[str]) -> int:
    """Set up the desk, wait for its end, and clear it. Returns the program's exit code, as Popen does."""
    ctypes.CDLL(None).prctl(_ADOPT, 1)
    home = os.environ["HOME"]
    screen, display = _screen(home)
    os.environ |= {"DISPLAY": f":{display}", "XAUTHORITY": f"{home}/Xauthority", "XDG_RUNTIME_DIR": home}
    bus, address = _bus(home)
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = address
    code = None
    if display and address:
        program = _start(command)
        _tell(_AT, address)
        _first_to_end([program, screen, bus])
        code = program.poll()
    if not display or screen.poll() is not None:
        _tell(_LOST, "Xvfb, the virtual screen,")
    elif not address or bus.poll() is not None:
        _tell(_LOST, "dbus-daemon, the message bus,")
    _end_all()
    return 1 if code is None else code


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    if ended < 0:
        signal.signal(-ended, signal.SIG_DFL)
        os.kill(os.getpid(), -ended)
    sys.exit(ended)
