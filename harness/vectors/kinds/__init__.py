"""The authors of the vectors: a function for each kind that writes its cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.vectors.builder import FileBuilder
from harness.vectors.kinds import encodings, errors, fragments, identity, queries, tags

#: Kind -> its author.
AUTHORS: Mapping[str, Callable[[FileBuilder], None]] = {
    "encodings": encodings.encodings,
    "armour": encodings.armour,
    "queries": queries.queries,
    "whitespace_tags": tags.whitespace_tags,
    "error_messages": errors.error_messages,
    "fragments": fragments.fragments,
    "public_keys": identity.public_keys,
    "signatures": identity.signatures,
}
