"""The driver of a chat program: `python -m otterproof.implementations.drivers.chat.driver PROGRAM`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from otterproof.implementations.drivers.adapter import Adapter
from otterproof.implementations.drivers.chat.bitlbee_party import BitlbeeParty
from otterproof.implementations.drivers.chat.irssi import IrssiParty
from otterproof.implementations.drivers.chat.mcabber_party import McabberParty
from otterproof.implementations.drivers.chat.party import Programs
from otterproof.implementations.drivers.chat.pidgin_party import PidginParty
from otterproof.implementations.drivers.chat.profanity_party import ProfanityParty
from otterproof.implementations.drivers.chat.weechat import WeechatParty
from otterproof.implementations.drivers.linejson import serve

#: The programs, by the name of their module: the class of a running program, and that of its parties. Modules are
#: imported when needed, because that of Pidgin needs a package that the others do not.
PROGRAMS: Mapping[str, tuple[str, Any]] = {
    "irssi": ("Irssi", IrssiParty),
    "bitlbee": ("Bitlbee", BitlbeeParty),
    "mcabber": ("Mcabber", McabberParty),
    "profanity": ("Profanity", ProfanityParty),
    "weechat": ("Weechat", WeechatParty),
    "pidgin": ("Pidgin", PidginParty),
}


def main(name: str) -> None:
    """Answer requests, then end all programs."""
    running, party = PROGRAMS[name]
    module = import_module(f"otterproof.implementations.drivers.chat.{name}")
    party.programs = programs = Programs(getattr(module, running))
    try:
        serve(Adapter(module.about(), party).methods(), programs.wait)
    finally:
        programs.close()


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in PROGRAMS:
        sys.exit(f"usage: python -m otterproof.implementations.drivers.chat.driver {'|'.join(PROGRAMS)}")
    main(sys.argv[1])
