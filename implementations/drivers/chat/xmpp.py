"""An XMPP server on the loopback interface for one client. Its correspondents are a callback, not connections.

It has what chat programs require: a stream, SASL PLAIN without TLS, a bound resource, a roster and presence, and an
answer to every request. A ping to the client is a barrier, as in irc.py. XML must be able to carry a message.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Callable
from xml.sax.saxutils import escape, quoteattr

from otterproof.implementations.drivers.chat.loop import Loop, Stream
from otterproof.implementations.drivers.chat.party import one_line
from otterproof.implementations.drivers.chat.server import LoopbackServer
from otterproof.implementations.drivers.linejson import Unsupported

#: The domain, and the user's own address.
DOMAIN, OWN = "loop", "target@loop"

_STREAMS = "http://etherx.jabber.org/streams"
_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_BIND = "urn:ietf:params:xml:ns:xmpp-bind"
_SESSION = "urn:ietf:params:xml:ns:xmpp-session"
_ROSTER = "jabber:iq:roster"
_CLIENT = "{jabber:client}"

#: What XML 1.0 can't carry.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def carried(message: bytes) -> str:
    """A message as text. Unsupported if XMPP can't carry it."""
    try:
        text = message.decode()
    except UnicodeDecodeError:
        raise Unsupported("XMPP carries texts in UTF-8 only") from None
    if _FORBIDDEN.search(text):
        raise Unsupported("XMPP can't carry control characters")
    return text


def typed_line(what: str, text: bytes) -> bytes:
    """Return the text if it can be typed. Unsupported if it is not a single line that XMPP can carry."""
    return carried(one_line(what, text)).encode()


class _Parser:
    """Splits a stream into stanzas."""

    def __init__(self) -> None:
        self._depth = 0
        self._begun: list[ET.Element] = []
        self._found: list[ET.Element | None] = []
        self._parser = ET.XMLParser(target=self)

    def feed(self, chunk: bytes) -> list[ET.Element | None]:
        """The stanzas completed by this chunk; None for the beginning of the stream."""
        self._found = []
        self._parser.feed(chunk)
        return self._found

    # Called by the parser.

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._found.append(None)
            return
        element = ET.Element(tag, attributes)
        if self._begun:
            self._begun[-1].append(element)
        self._begun.append(element)

    def end(self, tag: str) -> None:
        self._depth -= 1
        if self._begun:
            element = self._begun.pop()
            if not self._begun:
                self._found.append(element)

    def data(self, text: str) -> None:
        if not self._begun:
            return
        element = self._begun[-1]
        if len(element):
            element[-1].tail = (element[-1].tail or "") + text
        else:
            element.text = (element.text or "") + text


class XmppServer(LoopbackServer):
    """The server. `heard` is called with the name and the text of each message to a correspondent."""

    def __init__(self, loop: Loop, heard: Callable[[str, bytes], None]) -> None:
        super().__init__(loop, lambda fd: Stream(loop, fd, self._read))
        self._heard = heard
        #: The number of stanzas received that are not answers to pings.
        self.stanzas = 0
        self._parser = _Parser()
        self._resource = "r"
        self._correspondents: list[str] = []

    # Called by the driver.

    def hang_up(self) -> None:
        super().hang_up()
        self._parser = _Parser()

    def introduce(self, name: str) -> None:
        """Add a correspondent to the roster, online."""
        self._correspondents.append(name)
        if self.connected:
            item = f"<item jid='{name}@{DOMAIN}' name='{name}' subscription='both'/>"
            self._send(f"<iq type='set' id='push-{name}' to='{self._own}'><query xmlns='{_ROSTER}'>{item}</query></iq>")
            self._show(name)

    def say(self, name: str, message: bytes) -> None:
        """Send the user a correspondent's message."""
        body = escape(carried(message), {"\r": "&#13;"})
        self._send(f"<message type='chat' from='{name}@{DOMAIN}/r' to='{self._own}'><body>{body}</body></message>")

    def barrier(self) -> None:
        """Wait until the client has handled everything sent so far."""
        number = next(self._pings)
        ping = "<ping xmlns='urn:xmpp:ping'/>"
        self._send(f"<iq type='get' id='ping-{number}' from='{DOMAIN}' to='{self._own}'>{ping}</iq>")
        self._wait_for(number)

    @property
    def _own(self) -> str:
        return f"{OWN}/{self._resource}"

    def _show(self, name: str) -> None:
        self._send(f"<presence from='{name}@{DOMAIN}/r' to='{self._own}'/>")

    def _send(self, stanza: str) -> None:
        if self._client is not None:
            self._client.write(stanza.encode())

    # Input from the client.

    def _read(self, chunk: bytes) -> None:
        for stanza in self._parser.feed(chunk):
            if stanza is None:
                self._open()
            else:
                self._stanza(stanza)

    def _open(self) -> None:
        """The client opens a stream, once before and once after it logs in."""
        self._send(
            f"<?xml version='1.0'?><stream:stream from='{DOMAIN}' id='s' version='1.0' xmlns='jabber:client' "
            f"xmlns:stream='{_STREAMS}'>"
        )
        if self._trusted:
            self._send(f"<stream:features><bind xmlns='{_BIND}'/><session xmlns='{_SESSION}'/></stream:features>")
        else:
            mechanisms = f"<mechanisms xmlns='{_SASL}'><mechanism>PLAIN</mechanism></mechanisms>"
            self._send(f"<stream:features>{mechanisms}</stream:features>")

    def _stanza(self, stanza: ET.Element) -> None:
        if stanza.tag == f"{{{_SASL}}}auth":
            self._log_in(stanza.text or "")
        elif not self._trusted:
            return
        elif stanza.tag == f"{_CLIENT}iq":
            self._iq(stanza)
        elif stanza.tag == f"{_CLIENT}presence" and stanza.get("to") is None and not self.connected:
            self.connected = True
            for name in self._correspondents:
                self._show(name)
        elif stanza.tag == f"{_CLIENT}message":
            body = stanza.find(f"{_CLIENT}body")
            if body is not None:
                self.stanzas += 1
                self._heard((stanza.get("to") or "").partition("@")[0], (body.text or "").encode())

    def _log_in(self, text: str) -> None:
        try:
            given = base64.b64decode(text).rpartition(b"\0")[2]
        except binascii.Error:
            given = b""
        if secrets.compare_digest(given, self.password.encode()):
            self._trusted, self._parser = True, _Parser()  # a new stream follows
            self._send(f"<success xmlns='{_SASL}'/>")
        else:
            self._send(f"<failure xmlns='{_SASL}'><not-authorized/></failure>")

    def _iq(self, stanza: ET.Element) -> None:
        number, kind = stanza.get("id") or "", stanza.get("type")
        if kind in ("result", "error"):
            if number.startswith("ping-") and number[5:].isdigit():
                self._answered = max(self._answered, int(number[5:]))
            return
        self.stanzas += 1
        asked = stanza[0].tag if len(stanza) else ""
        answer = ""
        if asked == f"{{{_BIND}}}bind":
            wanted = stanza[0].findtext(f"{{{_BIND}}}resource") or "r"
            self._resource = wanted if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", wanted) else "r"
            answer = f"<bind xmlns='{_BIND}'><jid>{self._own}</jid></bind>"
        elif asked == f"{{{_ROSTER}}}query" and kind == "get":
            names = self._correspondents
            items = "".join(f"<item jid='{name}@{DOMAIN}' name='{name}' subscription='both'/>" for name in names)
            answer = f"<query xmlns='{_ROSTER}'>{items}</query>"
        elif kind == "get":
            error = "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            back = quoteattr(stanza.get("to") or DOMAIN)
            self._send(f"<iq type='error' id={quoteattr(number)} from={back}><error type='cancel'>{error}</error></iq>")
            return
        self._send(f"<iq type='result' id={quoteattr(number)}>{answer}</iq>")
