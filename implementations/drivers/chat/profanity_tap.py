"""Stands between a chat driver and Profanity: commands in, and texts that came out, over the descriptor TAP_FD.

It is copied into the folder of a Profanity, which runs it as a plugin, so it imports nothing of the project. Commands
come as messages of a correspondent called "tap", in order with all others: words in hexadecimal digits. `type NICK
COMMAND` types a command into the window of a correspondent; `mark NICK WORD` prints a word there, which the driver then
looks for on the screen.
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
    """A message has come. False: nothing else is to be done with it."""
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
    """A text has been shown."""
    report("text", barejid.partition("@")[0], message)
