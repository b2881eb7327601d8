"""Reports of sanitizers: what a driver that was built with one prints on standard error before it ends.

AddressSanitizer, UndefinedBehaviorSanitizer and similar tools name the error and then the stack, a frame per line. Both
go into the id of the crash, so that crashes at one place are one finding, in any state and for any input.
"""

from __future__ import annotations

import re

from otterproof.harness.support.printable import printable

#: Separates the error from the functions in the word; shows that a crash is a sanitizer's report.
IN = "-in-"

#: The most functions in the word, and the most characters in each part.
_FRAMES, _LONGEST = 3, 40

#: The most characters of a headline.
_HEADLINE = 200

_ERROR = re.compile(rb"ERROR: [A-Za-z]+Sanitizer:? ([a-zA-Z][a-zA-Z-]*)")
# Follows a source location: a panic in Go begins with the same two words.
_UNDEFINED = re.compile(rb":\d+:\d+: runtime error: ([a-z][a-z -]*[a-z])")
# What surrounds the error in a report's first line and differs each time: the process, and addresses.
_BEFORE = re.compile(rb"^=+\d+=+\s*ERROR: ")
_ADDRESS = re.compile(rb" on address 0x| \(pc 0x")
_FRAME = re.compile(rb"^\s+#\d+ 0x[0-9a-f]+ (?:in )?([A-Za-z_][\w:~<>]*)", re.MULTILINE)

#: Functions of the sanitizers, the C library and a driver's main loop, which say nothing about the place.
_OTHERS = re.compile(
    rb"__asan|__interceptor|__sanitizer|__ubsan|__lsan|_start$|__libc_|main$|mem(cpy|move|set|cmp)$|str\w+$|gcry_|_gcry"
)


def report_of(said: bytes) -> str:
    """A report as a word, such as heap-buffer-overflow-in-parse-receive; "" if there is none."""
    error = _ERROR.search(said) or _UNDEFINED.search(said)
    if error is None:
        return ""
    frames = [name for name in _FRAME.findall(said, error.start()) if not _OTHERS.match(name)]
    return IN.join(filter(None, [_word(error[1]), "-".join(map(_word, frames[:_FRAMES]))]))


def headline_of(said: bytes) -> str:
    """The line in which a report names the error, without addresses, made printable; "" if there is no report."""
    error = _ERROR.search(said) or _UNDEFINED.search(said)
    if error is None:
        return ""
    line = said[said.rfind(b"\n", 0, error.start()) + 1 :].partition(b"\n")[0]
    words = _ADDRESS.split(_BEFORE.sub(b"", line), maxsplit=1)[0]
    return printable(words.decode(errors="replace").strip())[:_HEADLINE]


def is_report(check: str) -> bool:
    """Whether a check is a crash with a sanitizer's report, which says where it happened."""
    return check.startswith("crash.") and IN in check


def _word(name: bytes) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.decode("ascii", "replace").lower()).strip("-")[:_LONGEST]
