"""The chat programs among the third-party targets: each comes from a package, and one driver serves them all.

Nothing is built for them. Only the program and the files that it needs are looked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from otterproof.harness.targets.driver.third_party import ThirdParty

#: The system's folders of libraries and plugins.
LIBRARIES = ("/usr/lib", "/usr/local/lib", "/usr/lib64")


def _lacking_plugin(pattern: str, package: str) -> Callable[[], Sequence[str]]:
    """A function that returns the package of a chat program's OTR plugin if no library folder has the plugin."""

    def lacking() -> Sequence[str]:
        return [] if any(any(Path(base).glob(pattern)) for base in LIBRARIES) else [package]

    return lacking


def _lacking_files(*needed: tuple[str, str]) -> Callable[[], Sequence[str]]:
    """A function that returns the packages of missing files. needed: patterns below /usr, each with its package."""
    return lambda: [package for pattern, package in needed if not any(Path("/usr").glob(pattern))]


def _lacking_for_pidgin() -> Sequence[str]:
    """What Pidgin needs besides programs: its plugin, accessibility support for its windows, and a D-Bus client."""
    files = _lacking_files(
        ("lib*/pidgin/pidgin-otr.so", "pidgin-otr"),
        ("lib*/**/gtk-2.0/modules/libatk-bridge.so", "libatk-adaptor"),
        ("lib*/**/gtk-2.0/modules/libgail.so", "libgail-common"),
        ("share/dbus-1/services/org.a11y.Bus.service", "at-spi2-core"),
    )
    return [*files(), *([] if find_spec("jeepney") else ["jeepney, from PyPI"])]


def _lacking_pyte() -> Sequence[str]:
    return [] if find_spec("pyte") else ["pyte"]


def _program(
    name: str, install: str, lacks: Callable[[], Sequence[str]], tools: tuple[str, ...] | None = None
) -> ThirdParty:
    """The row of a chat program. tools: the programs it needs, by default the one of its name."""
    command = [sys.executable, "-m", "otterproof.implementations.drivers.chat.driver", name]
    return ThirdParty(
        name=name,
        install=install,
        tools=tools or (name,),
        build=lambda source, place: [],
        command=lambda place: command,
        folder="chat",
        lacks=lacks,
    )


CHAT_PROGRAMS = (
    _program(
        "irssi",
        "apt-get install irssi irssi-plugin-otr",
        _lacking_plugin("**/irssi/modules/libotr_core.so", "irssi-plugin-otr"),
    ),
    _program(
        "bitlbee",
        "apt-get install bitlbee-libpurple bitlbee-plugin-otr",
        _lacking_plugin("bitlbee/otr.so", "bitlbee-plugin-otr"),
    ),
    _program("mcabber", "apt-get install mcabber, and pip install 'otterproof[terminal]'", _lacking_pyte),
    _program("profanity", "apt-get install profanity, and pip install 'otterproof[terminal]'", _lacking_pyte),
    _program(
        "weechat",
        "apt-get install weechat-headless weechat-python weechat-scripts python3-potr",
        _lacking_files(
            ("lib/*/weechat/plugins/python.so", "weechat-python"),
            ("share/weechat/python/otr.py", "weechat-scripts"),
            ("lib/python3/dist-packages/potr", "python3-potr"),
        ),
        ("weechat-headless",),
    ),
    _program(
        "pidgin",
        "apt-get install pidgin pidgin-otr xvfb dbus at-spi2-core libatk-adaptor libgail-common "
        "&& pip install 'otterproof[pidgin]'",
        _lacking_for_pidgin,
        ("pidgin", "Xvfb", "dbus-daemon"),
    ),
)
