"""The layouts of all messages as tables, and the constants of the protocol.

The reader, the writer and the documentation share them. [Encoded messages, Public keys, Data Message, SMP Message TLVs]
"""

from __future__ import annotations

from otterproof.harness.wire.fields import Layout, Part, Type

#: The 1536-bit group of RFC 3526.
DH_PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
    16,
)
DH_GENERATOR = 2
SMP_ORDER = (DH_PRIME - 1) // 2

VERSION = Part("version", Type.SHORT)
TYPE = Part("type", Type.BYTE)
TAGS: Layout = (Part("sender_tag", Type.INT), Part("receiver_tag", Type.INT))

#: Message type byte -> name of the kind.
TYPES = {0x02: "dh_commit", 0x03: "data", 0x0A: "dh_key", 0x11: "reveal_signature", 0x12: "signature"}

#: The size in bytes of an authenticator, and of a revealed MAC key.
MAC_SIZE = 20

#: Name of the kind -> what follows the header.
BODIES: dict[str, Layout] = {
    "dh_commit": (Part("encrypted_gx", Type.DATA), Part("hashed_gx", Type.DATA, 32)),
    "dh_key": (Part("gy", Type.MPI),),
    "reveal_signature": (
        Part("revealed_key", Type.DATA, 16),
        Part("encrypted_signature", Type.DATA),
        Part("mac", Type.FIXED, MAC_SIZE),
    ),
    "signature": (Part("encrypted_signature", Type.DATA), Part("mac", Type.FIXED, MAC_SIZE)),
    "data": (
        Part("flags", Type.BYTE),
        Part("sender_keyid", Type.INT),
        Part("recipient_keyid", Type.INT),
        Part("next_dh", Type.MPI),
        Part("ctr", Type.FIXED, 8),
        Part("encrypted_message", Type.DATA),
        Part("mac", Type.FIXED, MAC_SIZE),
        Part("old_mac_keys", Type.DATA),
    ),
}

PUBLIC_KEY: Layout = (
    Part("pubkey_type", Type.SHORT),
    Part("p", Type.MPI),
    Part("q", Type.MPI),
    Part("g", Type.MPI),
    Part("y", Type.MPI),
)
SIGNATURE_BLOCK: Layout = (*PUBLIC_KEY, Part("keyid", Type.INT), Part("signature", Type.FIXED, 40))
GXMPI: Layout = (Part("gx", Type.MPI),)

#: TLV type -> its name. [Data Message]
TLV_TYPES = {
    0: "padding",
    1: "disconnected",
    2: "smp_1",
    3: "smp_2",
    4: "smp_3",
    5: "smp_4",
    6: "smp_abort",
    7: "smp_1q",
    8: "extra_key",
}

#: TLV type -> the names of the MPIs in its value, in order.
SMP_NUMBERS = {
    2: ("g2a", "c2", "D2", "g3a", "c3", "D3"),
    3: ("g2b", "c2", "D2", "g3b", "c3", "D3", "Pb", "Qb", "cP", "D5", "D6"),
    4: ("Pa", "Qa", "cP", "D5", "D6", "Ra", "cR", "D7"),
    5: ("Rb", "cR", "D7"),
}
SMP_BODIES: dict[int, Layout] = {
    kind: (Part("count", Type.INT), *(Part(name, Type.MPI) for name in names)) for kind, names in SMP_NUMBERS.items()
}

#: The bytes that begin a whitespace tag, and those of each version that it can offer. [Tagged plaintext messages]
TAG_BASE = bytes.fromhex("20092020090909092009200920092020")
TAG_VERSIONS = {
    1: bytes.fromhex("2009200920200920"),
    2: bytes.fromhex("2020090920200920"),
    3: bytes.fromhex("2020090920200909"),
}
