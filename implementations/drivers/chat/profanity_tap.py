"""Connects a chat driver to Profanity: commands in, and the texts that are shown out, over the descriptor TAP_FD.

It is copied into the folder of a Profanity, which runs it as a plugin, so it imports nothing from the project. Commands
are messages from a correspondent called "tap", so they are in order with all other messages. Their words are in
hexadecimal digits. `type NICK COMMAND` types a command into a correspondent's window; `mark NICK WORD` prints a word
there, which the driver looks for on the screen.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import Any

prof: Any = import_module("prof")

_COMMAND = re.compile(r"<message[^>]* from=['\"]tap@loop/.*<body>([0-9a-f ]+)</body>", re.DOTALL)

_tap = int(os.environ["TAP_FD"])


def report(*words: str) -> None:
    data = b" ".join(word.encode(errors="surrogateescape").hex().encode() for word in words) + b"\n"
    while data:
        data = data[os.write(_tap, data) :]


def prof_on_message_stanza_receive(stanza: str) -> bool:
    """Called for each message received. False tells Profanity to ignore it."""
    found = _COMMAND.match(stanza)
    if found is None:
        return True
    verb, nick, what = (bytes.fromhex(word).decode() for word in found[1].split(" "))
    if prof.get_current_recipient() != f"{nick}@loop":
        prof.send_line(f"/msg {nick}@loop")
    if verb == "type":
        prof.send_line(what)
    else:
        prof.chat_show(f"{nick}@loop", what)
    return False


def prof_post_chat_message_display(barejid: str, resource: str, message: str) -> None:
    """Called when a text has been shown."""
    report("text", barejid.partition("@")[0], message)
