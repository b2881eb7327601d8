"""The driver of a chat program: `python -m otterproof.implementations.drivers.chat.driver PROGRAM`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from otterproof.implementations.drivers.adapter import About, Adapted, Adapter
from otterproof.implementations.drivers.chat import (
    bitlbee,
    bitlbee_party,
    irssi,
    mcabber,
    mcabber_party,
    pidgin_party,
    profanity,
    profanity_party,
    weechat,
)
from otterproof.implementations.drivers.chat.party import Programs
from otterproof.implementations.drivers.linejson import serve


def _irssi() -> Programs[irssi.Irssi]:
    irssi.IrssiParty.programs = programs = Programs(irssi.Irssi)
    return programs


def _bitlbee() -> Programs[bitlbee.Bitlbee]:
    bitlbee_party.BitlbeeParty.programs = programs = Programs(bitlbee.Bitlbee)
    return programs


def _weechat() -> Programs[weechat.Weechat]:
    weechat.WeechatParty.programs = programs = Programs(weechat.Weechat)
    return programs


def _pidgin() -> Programs[Any]:
    pidgin_party.PidginParty.programs = programs = Programs(_pidgin_module().Pidgin)
    return programs


def _about_pidgin() -> About:
    about: About = _pidgin_module().about()
    return about


def _pidgin_module() -> Any:
    """The module for Pidgin, which needs a package that the others do without."""
    from otterproof.implementations.drivers.chat import pidgin

    return pidgin


def _profanity() -> Programs[profanity.Profanity]:
    profanity_party.ProfanityParty.programs = programs = Programs(profanity.Profanity)
    return programs


def _mcabber() -> Programs[mcabber.Mcabber]:
    mcabber_party.McabberParty.programs = programs = Programs(mcabber.Mcabber)
    return programs


#: The programs: what they can do, the class of their parties, and what keeps the running ones.
PROGRAMS: Mapping[str, tuple[Callable[[], About], type[Adapted], Callable[[], Programs[Any]]]] = {
    "irssi": (irssi.about, irssi.IrssiParty, _irssi),
    "bitlbee": (bitlbee.about, bitlbee_party.BitlbeeParty, _bitlbee),
    "mcabber": (mcabber.about, mcabber_party.McabberParty, _mcabber),
    "profanity": (profanity.about, profanity_party.ProfanityParty, _profanity),
    "weechat": (weechat.about, weechat.WeechatParty, _weechat),
    "pidgin": (_about_pidgin, pidgin_party.PidginParty, _pidgin),
}


def main(name: str) -> None:
    """Answer requests, then end the programs that were started."""
    about, party, start = PROGRAMS[name]
    programs = start()
    try:
        serve(Adapter(about(), party).methods())
    finally:
        programs.close()


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in PROGRAMS:
        sys.exit(f"usage: python -m otterproof.implementations.drivers.chat.driver {'|'.join(PROGRAMS)}")
    main(sys.argv[1])
