"""Reports of sanitizers: what a driver that was built with one prints on standard error before it ends.

AddressSanitizer, UndefinedBehaviorSanitizer and similar tools name the error and then the stack, a frame per line. Both
go into the id of the crash, so that crashes at one place are one finding, in any state and for any input.
"""

from __future__ import annotations

import re

#: Separates the error from the functions in the word; shows that a crash is a sanitizer's report.
IN = "-in-"

#: The most functions in the word, and the most characters in each part.
_FRAMES, _LONGEST = 3, 40

_ERROR = re.compile(rb"ERROR: [A-Za-z]+Sanitizer:? ([a-zA-Z][a-zA-Z-]*)")
# Follows a source location: a panic in Go begins with the same two words.
_UNDEFINED = re.compile(rb":\d+:\d+: runtime error: ([a-z][a-z -]*[a-z])")
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


def is_report(check: str) -> bool:
    """Whether a check is a crash with a sanitizer's report, which says where it happened."""
    return check.startswith("crash.") and IN in check


def _word(name: bytes) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.decode("ascii", "replace").lower()).strip("-")[:_LONGEST]
