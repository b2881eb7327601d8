"""The worked examples of the protocol texts: a Data Message of each version and its three fragments. [Fragmentation]

They come from the texts (the one of version 3 is in harness/vectorgen/kinds/samples.py), so they are the only input
here that no program of this project produced.
"""

from __future__ import annotations

import pytest

from otterproof.harness import wire
from otterproof.harness.vectorgen.kinds.samples import V3, V3_FRAGMENTS
from otterproof.harness.wire import FieldError, Kind

V2 = (
    b"?OTR:AAEDAAAAAQAAAAEAAADAVf3Ei72ZgFeKqWvLMnuVPVCwxktsOZ1QdjeLp6jn62mCVtlY9nS6sRkecpjuLYHRxyTdRu2iEVt"
    b"SsjZqK55ovZ35SfkOPHeFYa9BIuxWi9djHMVKQ8KOVGAVLibjZ6P8LreDSKtWDv9YQjIEnkwFVGCPfpBq2SX4VTQfJAQXHggR8iz"
    b"KxPvluXUdG9rIPh4cac98++VLdIuFMiEXjUIoTX2rEzunaCLMy0VIfowlRsgsKGrwhCCv7hBWyglbzwz+AAAAAAAAAAQAAAF2SOr"
    b"JvPUerB9mtf4bqQDFthfoz/XepysnYuReHHEXKe+BFkaEoMNGiBl4TCLZx72DvmZwKCewWRH1+W66ggrXKw2VdVl+vLsmzxNyWCh"
    b"GLfBTL5/3SUF09BfmCEl03Ckk7htAgyAQcBf90RJznZndv7HwVAi3syupi0sQDdOKNPyObR5FRtqyqudttWmSdmGCGFcZ/fZqxQN"
    b"sHB8QuYaBiGL7CDusES+wwfn8Q7BGtoJzOPDDx6KyIyox/flPx2DZDJIZrMz9b0V70a9kqKLo/wcGhvHO6coCyMxenBAacLJ1DiI"
    b"NLKoYOoJTM7zcxsGnvCxaDZCvsmjx3j8Yc5r3i3ylllCQH2/lpr/xCvXFarGtG7+wts+UqstS9SThLBQ9Ojq4oPsX7HBHKvq19XU"
    b"3/ChIgWMy+bczc5gpkC/eLAIGfJ0D5DJsl68vMXSmCoFK0HTwzzNa7lnZK4IutYPBNBCv0pWORQqDpskEz96YOGyB8+gtpFgCrku"
    b"V1bSB9SRVmEBfDtKPQFhKowAAAAA=."
)

V2_FRAGMENTS = [
    (
        b"?OTR,1,3,?OTR:AAEDAAAAAQAAAAEAAADAVf3Ei72ZgFeKqWvLMnuVPVCwxktsOZ1QdjeLp6jn62mCVtlY9nS6sRkecpjuLYHRxy"
        b"TdRu2iEVtSsjZqK55ovZ35SfkOPHeFYa9BIuxWi9djHMVKQ8KOVGAVLibjZ6P8LreDSKtWDv9YQjIEnkwFVGCPfpBq2SX4VTQfJA"
        b"QXHggR8izKxPvluXUdG9rIPh4cac98++VLdIuFMiEXjUIoTX2rEzunaCLMy0VIfowlRsgsKGrwhCCv7hBWyglbzwz+AAAAAAAAAA"
        b"QAAAF2SOr,"
    ),
    (
        b"?OTR,2,3,JvPUerB9mtf4bqQDFthfoz/XepysnYuReHHEXKe+BFkaEoMNGiBl4TCLZx72DvmZwKCewWRH1+W66ggrXKw2VdVl+vL"
        b"smzxNyWChGLfBTL5/3SUF09BfmCEl03Ckk7htAgyAQcBf90RJznZndv7HwVAi3syupi0sQDdOKNPyObR5FRtqyqudttWmSdmGCGF"
        b"cZ/fZqxQNsHB8QuYaBiGL7CDusES+wwfn8Q7BGtoJzOPDDx6KyIyox/flPx2DZDJIZrMz9b0V70a9kqKLo/wcGhvHO6coCyMxenB"
        b"AacLJ1DiI,"
    ),
    (
        b"?OTR,3,3,NLKoYOoJTM7zcxsGnvCxaDZCvsmjx3j8Yc5r3i3ylllCQH2/lpr/xCvXFarGtG7+wts+UqstS9SThLBQ9Ojq4oPsX7H"
        b"BHKvq19XU3/ChIgWMy+bczc5gpkC/eLAIGfJ0D5DJsl68vMXSmCoFK0HTwzzNa7lnZK4IutYPBNBCv0pWORQqDpskEz96YOGyB8+"
        b"gtpFgCrkuV1bSB9SRVmEBfDtKPQFhKowAAAAA=.,"
    ),
]


@pytest.mark.parametrize(
    ("whole", "fragments", "kind", "version"),
    [(V3, V3_FRAGMENTS, Kind.FRAGMENT_V3, 3), (V2, V2_FRAGMENTS, Kind.FRAGMENT_V2, 2)],
)
def test_the_fragments_make_the_message(whole: bytes, fragments: list[bytes], kind: Kind, version: int) -> None:
    assert wire.reassemble(fragments) == whole
    for number, text in enumerate(fragments, start=1):
        message = wire.parse(text)
        assert (message.kind, message.version, message.problems) == (kind, version, ())
        assert (int(message.data("k")), int(message.data("n"))) == (number, 3)
        assert wire.build(message) == text


def test_the_example_of_the_version_2_text_is_of_version_1() -> None:
    message = wire.parse(V2)
    assert (message.kind, message.version) == (Kind.UNKNOWN_ENCODED, 1)
    assert wire.build(message) == V2
    # Version 1 had no flags. With another version and a flags byte, it is a Data Message.
    assert message.body[:3] == bytes([0, 1, 3])
    mended = wire.parse(wire.armour(bytes([0, 2, 3, 0]) + message.body[3:]))
    assert (mended.kind, mended.version, mended.problems) == (Kind.DATA, 2, ())
    assert (mended.number("sender_keyid"), mended.number("recipient_keyid")) == (1, 1)
    assert mended.data("ctr") == bytes(7) + b"\x04"
    assert len(mended.data("encrypted_message")) == 0x176
    assert mended.data("old_mac_keys") == b""


def test_our_fragments_of_version_3_are_those_of_the_text() -> None:
    assert wire.fragment(V3, 199, 3, (0x5A73A599, 0x27E31597)) == V3_FRAGMENTS


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("size", [38, 64, 163, 2000])
def test_fragments_fill_their_size_and_give_the_message_back(version: int, size: int) -> None:
    fragments = wire.fragment(V2, size, version, (0x101, 0))
    assert wire.reassemble(fragments) == V2
    assert all(len(one) == size for one in fragments[:-1])
    assert len(fragments[-1]) <= size
    assert all(wire.parse(one).problems == () for one in fragments)


def test_what_has_no_fragments_is_refused() -> None:
    with pytest.raises(FieldError, match="give 2 or 3"):
        wire.fragment(V2, 100, 1)
    assert len(wire.fragment(V2, 19, 2)) == len(V2)
    with pytest.raises(FieldError, match="leaves room from 19"):
        wire.fragment(V2, 18, 2)
    with pytest.raises(FieldError, match="no comma"):
        wire.fragment(b"a,b", 100, 2)
    with pytest.raises(FieldError, match="above 65535"):
        wire.fragment(bytes(70_000), 19, 2)
    with pytest.raises(FieldError, match="32 bits"):
        wire.fragment(V3, 100, 3, (1 << 32, 0))
