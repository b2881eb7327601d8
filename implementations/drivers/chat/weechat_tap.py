"""Connects a chat driver to WeeChat over the descriptor TAP_FD: commands in, and what the user is shown out.

It is copied into the folder of a WeeChat, which runs it with its own Python, so it imports nothing from the project.
tapped.py describes the format of the lines. A window's lines are reported without colours, with the prefix in front.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

weechat: Any = import_module("weechat")

SERVER = "loop"

_tap = int(os.environ["TAP_FD"])
_buffer = bytearray()


def report(*words: str | bytes) -> None:
    data = b" ".join((word if isinstance(word, bytes) else word.encode()).hex().encode() for word in words) + b"\n"
    while data:
        data = data[os.write(_tap, data) :]


def window_of(nick: str) -> str:
    """A correspondent's window, opened if necessary."""
    found = weechat.buffer_search("irc", f"{SERVER}.{nick}")
    if not found:
        weechat.command("", f"/query -noswitch -server {SERVER} {nick}")
        found = weechat.buffer_search("irc", f"{SERVER}.{nick}")
    return str(found)


def obey(line: bytes) -> None:
    """type NICK COMMAND: type into a correspondent's window. open NICK, leave NICK: open or close that window."""
    verb, nick, *more = (bytes.fromhex(word.decode()).decode(errors="surrogateescape") for word in line.split(b" "))
    if verb == "type":
        weechat.command(window_of(nick), more[0])
    elif verb == "leave":
        weechat.buffer_close(window_of(nick))
    else:
        window_of(nick)
    report("done")


def heard(data: str, fd: int) -> int:
    """Called when the tap is readable."""
    _buffer.extend(os.read(_tap, 1 << 16))
    while b"\n" in _buffer:
        line, _, rest = bytes(_buffer).partition(b"\n")
        _buffer[:] = rest
        obey(line)
    return int(weechat.WEECHAT_RC_OK)


def came(data: str, modifier: str, server: str, line: str | bytes) -> str | bytes:
    """Called with the IRC line of a message, after the OTR script has decrypted it."""
    words = line if isinstance(line, bytes) else line.encode(errors="surrogateescape")
    head, _, text = words.removeprefix(b":").partition(b" :")
    report("text", head.partition(b"!")[0], text)
    return line


def printed(
    data: str, window: str, date: str, tags: str, displayed: int, highlight: int, prefix: str, text: str
) -> int:
    """Called for each line printed in a window."""
    whose = weechat.buffer_get_string(window, "localvar_channel")
    private = weechat.buffer_get_string(window, "localvar_type") == "private"
    plain = [weechat.string_remove_color(one, "") for one in (prefix, text)]
    report("shown", whose if private else "", "\t".join(plain))
    return int(weechat.WEECHAT_RC_OK)


if weechat.register("tap", "Otterproof", "1", "MIT", "a tap for tests", "", ""):
    weechat.hook_modifier("irc_in2_privmsg", "came", "")
    weechat.hook_print("", "", "", 0, "printed", "")
    weechat.hook_fd(_tap, 1, 0, 0, "heard", "")
    report("ready")
