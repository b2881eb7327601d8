"""What makes a campaign the one that it is: its target, its seed, and the corpus that it began with.

Another corpus makes other programs, as another seed does. So its digest is a part of the seed that is stored.
"""

from __future__ import annotations

import re

from otterproof.harness.support.printable import printable

#: A stored seed, of a campaign that began with a corpus.
_WITH_CORPUS = re.compile(r"(.*)\+([0-9a-f]{16})", re.DOTALL)

#: The most characters shown of a target or a seed.
_MOST = 200


def seed_with(seed: str, digest: str) -> str:
    """The seed of a campaign that begins with the corpus of a digest."""
    return f"{seed}+{digest}"


def difference(there: tuple[str, str], wanted: tuple[str, str]) -> str:
    """How a stored campaign differs from the one that is wanted, and what would continue it. Each: target and seed."""
    (seed, corpus), (own, given) = _parted(there[1]), _parted(wanted[1])
    begun, advice = "", ""
    if corpus != given:
        begun = ", begun without a corpus" if not corpus else f", begun with {'another' if given else 'a'} corpus"
        if (there[0], seed) == (wanted[0], own):
            advice = "give that corpus again with --corpus, or " if corpus else "leave --corpus out, or "
    shown = printable(there[0])[:_MOST], printable(seed)[:_MOST]
    return f"a campaign against {shown[0]} with seed {shown[1]!r}{begun}; {advice}name another folder with --out"


def _parted(seed: str) -> tuple[str, str]:
    """The seed that the user chose, and the digest of the corpus, "" without one."""
    found = _WITH_CORPUS.fullmatch(seed)
    return (found[1], found[2]) if found else (seed, "")
