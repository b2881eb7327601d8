"""The wire codec of the harness: reads and writes OTR messages without losing a byte, independently of both engines.

`parse` splits any bytes, valid or not, into fields that tile them, and `build` joins them again. In between, fields can
be changed, and code with the keys can encrypt and authenticate the message again. `dissect` shows a message to people.
"""

from otterproof.harness.wire import crypto, layers
from otterproof.harness.wire.dissect import dissect
from otterproof.harness.wire.fields import Field, FieldError, Part, Problem, Type, UnreadableField
from otterproof.harness.wire.fragments import FRAGMENTS, Assembly, Joined, Joiner, fragment, reassemble
from otterproof.harness.wire.layouts import (
    BODIES,
    DH_GENERATOR,
    DH_PRIME,
    SMP_NUMBERS,
    SMP_ORDER,
    TAG_BASE,
    TAG_VERSIONS,
    TLV_TYPES,
    TYPES,
)
from otterproof.harness.wire.message import (
    ENCODED,
    Armour,
    Kind,
    Message,
    Piece,
    armour,
    build,
    is_ambiguous,
    layout,
    offered_versions,
    offered_with_text,
    parse,
    parse_once,
)

__all__ = [
    "BODIES",
    "DH_GENERATOR",
    "DH_PRIME",
    "ENCODED",
    "FRAGMENTS",
    "SMP_NUMBERS",
    "SMP_ORDER",
    "TAG_BASE",
    "TAG_VERSIONS",
    "TLV_TYPES",
    "TYPES",
    "Armour",
    "Assembly",
    "Field",
    "FieldError",
    "Joined",
    "Joiner",
    "Kind",
    "Message",
    "Part",
    "Piece",
    "Problem",
    "Type",
    "UnreadableField",
    "armour",
    "build",
    "crypto",
    "dissect",
    "fragment",
    "is_ambiguous",
    "layers",
    "layout",
    "offered_versions",
    "offered_with_text",
    "parse",
    "parse_once",
    "reassemble",
]
