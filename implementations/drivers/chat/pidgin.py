"""Pidgin and its OTR plugin: windows on a virtual screen, used over D-Bus and as a screen reader uses them.

The driver sends texts and reads conversations through Pidgin's D-Bus interface. The plugin has none, so the driver
clicks its menu and its dialogs. README.md lists what is shown and which event it becomes.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from jeepney import DBusAddress

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.drivers.adapter import About
from otterproof.implementations.drivers.chat.bus import Bus, BusError
from otterproof.implementations.drivers.chat.desk import SCREEN_FILE, Desk
from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.loop import Closed, Loop
from otterproof.implementations.drivers.chat.party import Correspondents
from otterproof.implementations.drivers.chat.picture import screen_png
from otterproof.implementations.drivers.chat.pidgin_party import LONGEST_TEXT, PidginParty
from otterproof.implementations.drivers.chat.windows import Node, Role, Windows
from otterproof.implementations.drivers.chat.xmpp import DOMAIN, OWN, XmppServer
from otterproof.implementations.drivers.linejson import Stranded
from otterproof.implementations.keyfile import Account, format_keys

#: The account and the name of its protocol, as in the files of Pidgin and the plugin.
ACCOUNT, PROTOCOL = f"{OWN}/r", "prpl-jabber"

_PURPLE = DBusAddress(
    "/im/pidgin/purple/PurpleObject", "im.pidgin.purple.PurpleService", "im.pidgin.purple.PurpleInterface"
)

#: libpurple's type of a conversation with one correspondent.
_IM = 1

_ACCOUNTS = """\
<?xml version='1.0' encoding='UTF-8' ?>
<account version='1.0'><account><protocol>{protocol}</protocol><name>{account}</name><password>{password}</password>
<statuses><status type='available' name='Available' active='true'><attributes/></status></statuses>
<settings><setting name='port' type='int'>{port}</setting>
<setting name='connect_server' type='string'>127.0.0.1</setting>
<setting name='connection_security' type='string'>opportunistic_tls</setting>
<setting name='auth_plain_in_clear' type='bool'>1</setting>
<setting name='ft_proxies' type='string'></setting></settings>
<settings ui='gtk-gaim'><setting name='auto-login' type='bool'>1</setting></settings></account></account>
"""

#: The plugin is on, the user starts private conversations, and each conversation has its own window.
_PREFERENCES = """\
<?xml version='1.0' encoding='UTF-8' ?>
<pref version='1' name='/'>
<pref name='OTR'><pref name='enabled' type='bool' value='1'/><pref name='automatic' type='bool' value='0'/></pref>
<pref name='pidgin'>
<pref name='plugins'><pref name='loaded' type='pathlist'><item value='{plugin}'/></pref></pref>
<pref name='conversations'><pref name='placement' type='string' value='new'/>
<pref name='show_timestamps' type='bool' value='0'/>
<pref name='use_smooth_scrolling' type='bool' value='0'/>
<pref name='im'><pref name='hide_new' type='string' value='never'/></pref></pref>
<pref name='blist'><pref name='list_visible' type='bool' value='0'/></pref>
<pref name='sound'><pref name='method' type='string' value='custom'/>
<pref name='mute' type='bool' value='1'/></pref></pref>
<pref name='purple'>
<pref name='conversations'><pref name='im'><pref name='send_typing' type='bool' value='0'/></pref></pref></pref>
</pref>
"""

_GTK = 'gtk-cursor-blink = 0\ngtk-font-name = "DejaVu Sans 9"\ngtk-xft-antialias = 1\ngtk-xft-rgba = "none"\n'

#: Where the plugin may be installed.
_PLUGINS = ("/usr/lib/pidgin/pidgin-otr.so", "/usr/lib64/pidgin/pidgin-otr.so", "/usr/local/lib/pidgin/pidgin-otr.so")

#: A menu item without any other effect than its tick: sounds are off in any case.
_MARKER = "Enable Sounds"

#: Files that are not logs: key stores, and files written by the driver or by programs other than Pidgin.
_NO_LOGS = (
    "otr.*",
    "accounts.xml",
    "Xauthority",
    "bus.conf",
    "gtkrc",
    "services/*",
    SCREEN_FILE,
)

#: The position of dialogs: beside the conversation, so that a picture shows both.
_BESIDE = (430, 0)

#: The position of windows that pictures should not show.
_OUT_OF_SIGHT = (2000, 2000)

#: The texts of the plugin's button.
_STATUS = ("Not private", "Unverified", "Private", "Finished")

#: The most pictures taken until two in a row are the same.
_PICTURES = 20


class Entry(NamedTuple):
    """An entry of a conversation. flags: those of libpurple. html: what is shown."""

    flags: int
    html: str


class Window(NamedTuple):
    """The window of a conversation, and the elements used in it: the menus, the marker, the plugin's button."""

    frame: Node
    menus: Node
    marker: Node
    button: Node


class Pidgin(Correspondents[PidginParty]):
    """A running Pidgin with one key, in which every party is a correspondent."""

    MOST = 200

    def __init__(self, key: DsaPrivateKey, instance_tag: int | None, max_message_size: int | None = None) -> None:
        super().__init__()
        self._conversations: dict[str, int] = {}
        self._open: dict[str, Window] = {}
        self._loop = Loop()
        self._server = XmppServer(self._loop, self._sent)
        self._home = home = Home("pidgin")
        where = {"port": self._server.port, "password": self._server.password}
        home.file(".purple/accounts.xml", _ACCOUNTS.format(protocol=PROTOCOL, account=ACCOUNT, **where))
        plugin = next(filter(os.path.exists, _PLUGINS), _PLUGINS[0])
        home.file(".purple/prefs.xml", _PREFERENCES.format(plugin=plugin))
        home.file(".purple/otr.private_key", format_keys([Account(ACCOUNT, PROTOCOL, key)]))
        if instance_tag is not None:
            home.file(".purple/otr.instance_tags", f"{ACCOUNT}\t{PROTOCOL}\t{instance_tag:08x}\n")
        if max_message_size is not None:
            home.file(".purple/otr.max_message_size", f"{PROTOCOL}\t{max_message_size}\n")
        home.file("gtkrc", _GTK)
        self.fingerprint, self.instance_tag = _fingerprint(key), instance_tag
        self._start()

    def _start(self) -> None:
        """Start Pidgin, and wait until it is online."""
        home = self._home.path
        environment = {
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "GTK_MODULES": "gail:atk-bridge",
            "GTK2_RC_FILES": f"{home}/gtkrc",
            "GSETTINGS_BACKEND": "memory",
            "GIO_USE_VFS": "local",
        }
        #: The accessibility bus, once it is in use.
        self._accessibility: Bus | None = None
        self._desk = Desk(self._loop, self._home, ["pidgin", "-c", f"{home}/.purple", "-f"], environment)
        with self._alive():
            self._bus = Bus(self._loop, self._desk.address)
            self._loop.until(lambda: self._server.connected)
            self._server.barrier()
            self._windows = Windows(self._loop, self._bus)
            self._accessibility = self._windows.bus
            ((self._account,),) = self._bus.call(_PURPLE, "PurpleAccountsGetAllActive")

    def restart(self) -> None:
        """See `Program`."""
        with suppress(BusError, Closed):
            self._bus.call(_PURPLE, "PurpleCoreQuit")
        self._desk.wait()
        self._windows.close()
        self._bus.close()
        self._server.hang_up()
        self._start()
        for nick, party in self.parties.items():
            self._converse(nick)
            party.begin_again()

    def logs(self) -> Mapping[str, bytes]:
        """See `Program`."""
        return self._home.logs(*_NO_LOGS) | {"standard error": self._desk.said}

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """If Pidgin ends meanwhile, end the driver in the same way. Stranded if something else ends.

        The bus reports an error before the driver sees that Pidgin has ended; the barrier waits for that.
        """
        try:
            try:
                yield
            except BusError:
                self._server.barrier()
                raise
        except Closed:
            if self._is_out_of_sight():
                raise Stranded("dbus-daemon, the bus for accessibility, has ended") from None
            self._desk.die_alike()

    def _is_out_of_sight(self) -> bool:
        """Whether the accessibility bus has ended, but Pidgin has not."""
        if self._accessibility is None or not self._accessibility.ended:
            return False
        self._windows.close()
        with suppress(BusError, Closed):
            self._bus.call(_PURPLE, "PurpleAccountsGetAllActive")
            return True
        return False

    def _call(self, method: str, signature: str = "", *arguments: object) -> Any:
        """Call Pidgin's D-Bus interface and return the only result. Pidgin's windows use the same functions."""
        with self._alive():
            return (self._bus.call(_PURPLE, method, signature, *arguments) or (None,))[0]

    def join(self, party: PidginParty) -> str:
        """Add a correspondent, open the conversation, and return the nick."""
        nick = self._nick_for(party)
        self._server.introduce(nick)
        self._settle()
        self._converse(nick)
        return nick

    def _converse(self, nick: str) -> None:
        """The user opens a conversation with a correspondent."""
        self._conversations[nick] = self._call("PurpleConversationNew", "iis", _IM, self._account, f"{nick}@{DOMAIN}")
        with self._alive():
            self._open[nick] = self._window(nick)

    def _window(self, nick: str) -> Window:
        frame = self._windows.named(nick)
        if frame is None:
            raise ValueError(f"Pidgin has opened no window for {nick}")
        menus = frame.all(Role.MENU_BAR)
        marker = frame.named(Role.CHECK_MENU_ITEM, _MARKER)
        button = frame.named(Role.PUSH_BUTTON, *_STATUS)
        if not menus or marker is None or button is None:
            raise ValueError("Pidgin has opened a window without the plugin's button; has it loaded the plugin?")
        return Window(frame, menus[0], marker, button)

    def leave(self, nick: str) -> None:
        """Close the conversation with a correspondent, and its dialogs."""
        self.parties.pop(nick)
        for dialog in self.dialogs(nick):
            with self._alive():
                button = dialog.named(Role.PUSH_BUTTON, "OK")
            self.press(nick, dialog, "OK" if button is not None and button.sensitive else "Cancel")
        self._call("PurpleConversationDestroy", "i", self._conversations.pop(nick))
        del self._open[nick]
        self._settle()

    def _settle(self) -> None:
        """Wait until Pidgin has handled all its input."""
        with self._alive():
            self._server.barrier()

    def deliver(self, nick: str, message: bytes) -> None:
        """Deliver a correspondent's message."""
        self._server.say(nick, message)
        self._settle()

    def send(self, nick: str, html: str) -> None:
        """The user sends a text."""
        data = self._call("PurpleConversationGetImData", "i", self._conversations[nick])
        self._call("PurpleConvImSend", "is", data, html)
        self._settle()

    def entries(self, nick: str, known: int) -> list[Entry]:
        """The entries of a conversation after the first `known` ones."""
        numbers = self._call("PurpleConversationGetMessageHistory", "i", self._conversations[nick])
        return [
            Entry(
                self._call("PurpleConversationMessageGetFlags", "i", number),
                self._call("PurpleConversationMessageGetMessage", "i", number),
            )
            for number in reversed(numbers[: len(numbers) - known])
        ]

    # Windows and dialogs.

    def choose(self, nick: str, *names: str) -> bool:
        """The user chooses the first available item of the OTR menu with one of the names. False if there is none."""
        with self._alive():
            items = [item for menu in self._open[nick].menus.children if menu.name == "OTR" for item in menu.children]
            for name in names:
                for item in items:
                    if item.name == name and item.sensitive:
                        self._do(nick, item)
                        return True
        return False

    def press(self, nick: str, dialog: Node, name: str) -> None:
        """The user presses a button in a dialog."""
        self._click(nick, dialog, Role.PUSH_BUTTON, name)

    def pick(self, nick: str, dialog: Node, name: str) -> None:
        """The user picks an item of a list in a dialog."""
        self._click(nick, dialog, Role.MENU_ITEM, name)

    def _click(self, nick: str, dialog: Node, role: Role, name: str) -> None:
        with self._alive():
            found = dialog.named(role, name)
            if found is None:
                raise ValueError(f"Pidgin has no {role.name} {name!r} in a dialog where it was expected")
            self._do(nick, found)

    def _do(self, nick: str, *items: Node) -> None:
        """Click, and wait until Pidgin has done everything that follows.

        Pidgin acts on clicks in order, and only when it is idle. So a last click, on the marker, takes effect after the
        others.
        """
        marker = self._open[nick].marker
        before = marker.checked
        for item in items:
            item.click()
        marker.click()
        while marker.checked == before:
            self._server.barrier()
        self._server.barrier()

    def type(self, field: Node, text: str) -> bool:
        """The user types into a field of a dialog. Returns whether the field then has the text."""
        with self._alive():
            field.write(text)
            return field.text == text

    def dialogs(self, nick: str) -> list[Node]:
        """The dialogs about a correspondent, latest first."""
        with self._alive():
            conversations = [window.frame for window in self._open.values()]
            found = [one for one in self._windows.all() if one not in conversations and one.role == Role.DIALOG]
            return [one for one in reversed(found) if any(_about(nick, text) for text in one.words[:1])]

    def words(self, dialog: Node) -> list[str]:
        """The labels of a dialog."""
        with self._alive():
            return dialog.words

    def fields(self, dialog: Node) -> list[Node]:
        """The visible fields of a dialog."""
        with self._alive():
            return [one for one in dialog.all(Role.TEXT) if one.showing]

    def put_beside(self, dialog: Node) -> None:
        """Move a dialog beside the conversation."""
        with self._alive():
            dialog.move(*_BESIDE)

    def status(self, nick: str) -> str:
        """The text of the plugin's button in the conversation."""
        with self._alive():
            return self._open[nick].button.name.strip()

    def fingerprints(self, nick: str) -> list[str]:
        """The fingerprints that the plugin has stored for a correspondent."""
        try:
            lines = (self._home.path / ".purple/otr.fingerprints").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        fields = [line.split("\t") for line in lines]
        return [one[3] for one in fields if len(one) > 3 and one[0] == f"{nick}@{DOMAIN}"]

    def picture(self, nick: str) -> bytes:
        """A PNG file of the screen, with the window of a correspondent in front."""
        found = b""
        for _ in range(_PICTURES):
            with self._alive():
                conversations = [window.frame for window in self._open.values()]
                for one in self._windows.all():
                    if one not in conversations and one.role == Role.FRAME:
                        one.move(*_OUT_OF_SIGHT)  # the list of correspondents, which can appear at any time
                self._bus.call(_PURPLE, "PurpleConversationPresent", "i", self._conversations[nick])
                self._do(nick)
                _ = self._open[nick].frame.position  # the X server answers this after it has drawn everything
            last, found = found, screen_png(self._home.path / SCREEN_FILE)
            if last == found:
                break
        return found

    def close(self) -> None:
        """End Pidgin and clean up."""
        self._windows.close()
        self._bus.close()
        self._server.close()
        self._desk.close()
        self._home.remove()
        self._loop.close()


def _about(nick: str, text: str) -> bool:
    return re.search(rf"\b{nick}@{DOMAIN}\b", text) is not None


def _fingerprint(key: DsaPrivateKey) -> bytes:
    """The fingerprint of a key, computed because Pidgin shows it only in a session."""
    public = key.public
    numbers = [number.to_bytes((number.bit_length() + 7) // 8) for number in (public.p, public.q, public.g, public.y)]
    return hashlib.sha1(b"".join(len(number).to_bytes(4) + number for number in numbers)).digest()


def about() -> About:
    """The answer to `hello`."""
    said = subprocess.run(["pidgin", "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    words = said.split()
    capabilities = [
        "v2",
        "v3",
        "smp",
        "smp_question",
        "smp_abort",
        "instance_tags",
        "fragmentation_out",
        "restart",
        "logs",
    ]
    version = words[1] if len(words) > 1 else "unknown"
    policy = ("allow_v2", "allow_v3")
    return About("pidgin", version, [2, 3], capabilities, "none", policy, LONGEST_TEXT, True, pictures=True)
