"""Lines: an incomplete message must not affect what comes after it."""

from __future__ import annotations

from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.scenario import scenario

#: Lines that begin an encoded message and do not end it; %s stands for the letter of the version.
UNENDED = ("?OTR:", "?OTR:AA%sD", "?OTR:AA%sD" + "AAAA" * 20, "?OTR:AA%sDAAAA. and more", "?OTR:AA%sC\t")

#: The base64 letter that stands for the version in a header.
_LETTER = {2: "I", 3: "M"}


@scenario(requirements=("ROBUST-INPUT-3", "!ARMOUR-FORM-1", "STATE-CLEAR-1"))
def a_line_without_its_end_swallows_nothing(context: Context) -> None:
    """What follows a line that begins an encoded message but does not end it is read as usual."""
    swallowed = "encoding.next-line-swallowed"
    for form in UNENDED:
        line = form.replace("%s", _LETTER[context.version]).encode()
        with context.case(line):
            target, insider = context.encrypted()
            target.receive(line)
            target.assert_receives_text(insider, b"the next line", check_id=swallowed)
            target = context.target_session()
            target.receive(line)
            target.receive(b"hello").assert_shown(swallowed, b"hello", secure=False)
