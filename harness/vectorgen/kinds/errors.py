"""Error Messages in each message state, with and without the policy of answering them. [OTR Error Messages]"""

from __future__ import annotations

from collections.abc import Mapping

from otterproof.harness.vectorgen.builder import FileBuilder, invalid
from otterproof.harness.vectorgen.client_session import ALLOW, ended
from otterproof.harness.vectorgen.play_builder import Act, Plays, gives, hears, nothing
from otterproof.implementations.contract import Policy

_ERRORS: Mapping[str, tuple[bytes, str]] = {
    "text": (b"?OTR Error: You sent an unreadable message.", "a text for people"),
    "empty": (b"?OTR Error:", "nothing after the mark"),
    "no-blank": (b"?OTR Error:oops", "no blank after the mark"),
    "lines": (b"?OTR Error: one\ntwo", "two lines"),
    "high-bytes": (b"?OTR Error: \xc3\xa4\xff", "bytes that are no ASCII"),
    "nul": (b"?OTR Error: a\0b", "a NUL inside"),
    "formats": (b"?OTR Error: %s%n%x{}<b>", "format characters and markup are data"),
    "query-inside": (b"?OTR Error: ?OTRv23?", "a query inside is text"),
    "error-inside": (b"?OTR Error: ?OTR Error: x", "another one inside is text"),
    "long": (b"?OTR Error: " + b"x" * 1000, "a long one"),
}
_NO_ERRORS: Mapping[str, bytes] = {
    "no-colon": b"?OTR Error You sent",
    "lower": b"?OTR error: x",
    "two-blanks": b"?OTR  Error: x",
    "no-mark": b"OTR Error: x",
    "cut": b"?OTR Err",
}


def error_messages(file: FileBuilder) -> None:
    """Error Messages in each message state, with and without the policy of answering them."""
    reaches: Mapping[str, Act] = {"plaintext": nothing, "encrypted": lambda session: session.begin(), "finished": ended}
    for version in (2, 3):
        for state, reach in reaches.items():
            for starts in (False, True):
                policy = ALLOW[version] | (Policy.ERROR_START_AKE if starts else Policy.NONE)
                words = "answered with a query" if starts else "not answered"
                sequel = hears(b"still here") if state == "encrypted" else None
                group = file.plays(
                    f"v{version}-{state}" + ("-start" if starts else ""),
                    f"Error Messages in {state.upper()}, {words}.",
                    reach,
                    version=version,
                    policy=policy,
                    sequel=sequel,
                )
                _errors(group, starts, state)


def _errors(group: Plays, starts: bool, state: str) -> None:
    shows = "ERROR-FORM-1 ERROR-SHOW-1 ERROR-STATE-1 ERROR-LOOP-1 "
    shows += "ERROR-START-1 POLICY-ERROR-1" if starts else "ERROR-START-2"
    for name, (text, comment) in _ERRORS.items():
        more = " ERROR-TEXT-2" if name in ("formats", "query-inside") else ""
        group.play(name, comment, shows + more, gives(text))
    group.play(
        "before",
        "something stands before the mark",
        shows,
        gives(b"hello ?OTR Error: x"),
        ours="ERROR-POSITION:anywhere",
        others={"ERROR-POSITION:start": invalid("shown", sends=(), shows=(b"hello ?OTR Error: x",))},
    )
    if starts:
        return
    for name, text in _NO_ERRORS.items():
        group.play(
            name,
            "it has not the mark: it is text",
            "ERROR-FORM-1 STATE-CLEAR-1" if state == "plaintext" else "ERROR-FORM-1 STATE-CLEAR-4",
            gives(text),
            reaction="shown",
            flags="ErrorMark",
        )
