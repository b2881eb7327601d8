"""The engine of implementations.independent, by itself: two of them talk, and one of them is fed rubbish."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from implementations.contract import (
    MAX_INSTANCES,
    MAX_PADDING,
    MAX_QUESTION,
    MAX_REASSEMBLY,
    MAX_TEXT,
    UNREADABLE_ERROR,
    AuthState,
    DsaPrivateKey,
    DsaPublicKey,
    Ended,
    Engine,
    ErrorReceived,
    Established,
    Event,
    ExtraKey,
    Finished,
    MessageState,
    OtrError,
    Outgoing,
    PartyConfig,
    Policy,
    Reason,
    Refused,
    Rejected,
    SessionSnapshot,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    SmpState,
    StoredDropped,
    TextReceived,
    Unreadable,
)
from implementations.entropy import SeededEntropy
from implementations.independent import IndependentEngine, ake, dsa
from implementations.independent.derive import handshake_keys, shared_secret
from implementations.independent.outbound import send_data
from implementations.independent.primitives import G, KeyPair, P, aes_ctr, power, sha1, sha256, sha256_hmac
from implementations.independent.ratchet import Ratchet
from implementations.independent.wire import encode_data, encode_mpi

KEY_A = DsaPrivateKey(
    DsaPublicKey(
        p=int(
            "c8ca2cd3175acbec69777e240ce31fd3bf032edb089f2015f9476e4f3a6592f73a1a4e876e9bbf1827bdcfdbe361d873"
            "c9833e9f98b61a0fb606f8de4df8f6b2a1c3ebf223c90c0721d3164eb988fecd0b346cb40778bb411aa2b32fbda9fbf1"
            "2d474abda8f85b83ecddb77656d9fdfacece557404ba51464d9505c05ad4505d",
            16,
        ),
        q=0xFC4508C27C02556C5DA5AA50280E62DC78C8F929,
        g=int(
            "419fd6e1d22cd3c10ca9800696bdce5bcdac9020ce8900918e46cc8637d09ae3a0310aa718aa9282992673fe5a72708c"
            "7ae7c7072124e75e5b8ac1060dcde19e80de9fc1453dfb7a8a6e03efead014bfc1601dec9a99230ec77854de8dba32eb"
            "af08b6a015a718ec20c3f083ecea39dbbcaca85dfa1ab4a20740a00a241af669",
            16,
        ),
        y=int(
            "68c43ae69c47dd968412a27e391bf83806901856ffb28ba040f012417ef93d9821a0b0b1495bd6404c722aae30e21297"
            "c1778ad7031edbb2ba41b7f1c96605bc3681f51c8c74042685f3cc35ff4f87889c11b12daada2454e6e3ff16aefa6f03"
            "75788444fd2e6ed0a486098b84b89ab43c905ca26b73a6b9f8c4122c70e419c1",
            16,
        ),
    ),
    x=0x5C3FF7947B458049F601DC83C8DA1E470D10D420,
)
KEY_B = DsaPrivateKey(
    DsaPublicKey(
        p=int(
            "a499526bfee12065d11491ec22d83db8ab6962f50e61ffe9b9a5bd1477c87d2637eb05e19aece9786b0c135153050a1b"
            "33fef903984e8b1db88baecae85a61d84fda609000a100dc8550e416dee8ac89ae9dfbb8eb95ee5a973d38c619108ea0"
            "ae3921f12ab8e91fe028f11434a8a4ce0f77cc4948ee91f1812b5488798748cd",
            16,
        ),
        q=0xAA2BA0D07DD84615CA4FF3651D3136635071450F,
        g=int(
            "5638dabdcf13dd2d3cf4d1f121d7f2448301e6da245bec9be413a46e9c7126f2cd9a9ca07b4060d2cf6091d519e71e67"
            "c6f3d28020aff0d6be5c803885f065eacf595613ded77bdf95b75f86061224e956a113a888633bd854611bfab5d3ed5a"
            "333b254bb6208a28e640a81d0f8885416d0fbeb418f9c558b09234c5bf98ece",
            16,
        ),
        y=int(
            "8661a4b678520f051d79db67869d2d83d56a7360f00c593e246d60719f4999436cdb74ae2d0482e291eed82241a2bec0"
            "86ef1e7d1fbc27059c928bb41862c1c884b67756485ed5dfe501fea799627567bf33905a65503be2b4f6211287ee6120"
            "109f9cb6f91a6b87ea6b887b684550a773db0c883db4bcec5a779093f094c722",
            16,
        ),
    ),
    x=0x2F74DECE09CA4873911CCE82E3BEF276D973442C,
)

TAG_A, TAG_B = 0x1A2B, 0xB0B0
BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3
ONLY = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
QUERY = {2: b"?OTRv2?", 3: b"?OTRv3?"}
TAG_BASE = b"\x20\x09\x20\x20\x09\x09\x09\x09\x20\x09\x20\x09\x20\x09\x20\x20"
TAG_V1, TAG_V2, TAG_V3 = b" \t \t  \t ", b"  \t\t  \t ", b"  \t\t  \t\t"


def make(
    name: str = "a",
    *,
    key: DsaPrivateKey = KEY_A,
    tag: int | None = TAG_A,
    policy: Policy = BOTH,
    size: int | None = None,
    heartbeat: int | None = None,
) -> IndependentEngine:
    config = PartyConfig(key, policy, tag, size, heartbeat)
    return IndependentEngine(config, SeededEntropy(name.encode()))


def alice(**kwargs: object) -> IndependentEngine:
    return make("a", **kwargs)  # type: ignore[arg-type]


def bob(**kwargs: object) -> IndependentEngine:
    return make("b", **{"key": KEY_B, "tag": TAG_B, **kwargs})  # type: ignore[arg-type]


def outgoing(events: Sequence[Event]) -> list[bytes]:
    return [event.message for event in events if isinstance(event, Outgoing)]


def sole(events: Sequence[Event]) -> bytes:
    """The message of the only event, which must be an Outgoing."""
    (event,) = events
    assert isinstance(event, Outgoing)
    return event.message


def shuttle(a: Engine, b: Engine, events: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """Carry `a`'s messages to `b` and the answers back until there are none; what each then had to report."""
    reports: tuple[list[Event], list[Event]] = ([], [])
    ends = (a, b)
    queue = [(1, message) for message in outgoing(events)]
    while queue:
        to, message = queue.pop(0)
        answer = ends[to].receive(message)
        reports[to].extend(event for event in answer if not isinstance(event, Outgoing))
        queue.extend((1 - to, reply) for reply in outgoing(answer))
    return reports


def established(version: int = 3, **kwargs: object) -> tuple[IndependentEngine, IndependentEngine]:
    """Two engines after a handshake that `a` began."""
    a, b = alice(**kwargs), bob(**kwargs)
    shuttle(a, b, a.receive(QUERY[version]))
    assert state_of(a).message_state is state_of(b).message_state is MessageState.ENCRYPTED
    return a, b


def state_of(engine: Engine, instance: int | None = None) -> SessionSnapshot:
    view = engine.inspect()
    wanted = view.focus if instance is None else instance
    return next(session for session in view.sessions if session.instance == wanted)


def say(a: Engine, b: Engine, text: bytes) -> list[Event]:
    """`a` sends, `b` receives everything; b's events."""
    return [event for message in outgoing(a.send(text)) for event in b.receive(message)]


def raw(message: bytes) -> bytes:
    return base64.b64decode(message[5:-1])


def wrap(body: bytes) -> bytes:
    return b"?OTR:" + base64.b64encode(body) + b"."


def header_size(version: int) -> int:
    return 3 if version == 2 else 11


# Handshakes


@pytest.mark.parametrize("version", [2, 3])
def test_handshake(version: int) -> None:
    a, b = alice(), bob()
    commit = a.receive(QUERY[version])
    from_a, from_b = shuttle(a, b, commit)
    tag_of_b, tag_of_a = (0, 0) if version == 2 else (TAG_B, TAG_A)
    ssid = state_of(a).ssid
    assert len(ssid) == 8
    assert from_a == [Established(tag_of_b, version, ssid, b.fingerprint, True, False, False)]
    assert from_b == [Established(tag_of_a, version, ssid, a.fingerprint, False, False, False)]
    for engine in (a, b):
        view = state_of(engine)
        assert view.auth_state is AuthState.NONE
        assert view.ratchet is not None
        assert (view.ratchet.our_keyid, view.ratchet.their_keyid) == (2, 1)
    assert a.inspect().announced is (version == 3)


def test_fingerprint_is_of_the_parameters() -> None:
    numbers = (KEY_A.public.p, KEY_A.public.q, KEY_A.public.g, KEY_A.public.y)
    encoded = [n.to_bytes((n.bit_length() + 7) // 8, "big") for n in numbers]
    assert alice().fingerprint == sha1(b"".join(len(e).to_bytes(4, "big") + e for e in encoded))


def test_query_prefers_version_3_and_respects_the_policy() -> None:
    assert raw(sole(alice().receive(b"?OTRv23?")))[:3] == b"\0\3\2"
    assert raw(sole(alice(policy=ONLY[2]).receive(b"?OTRv23?")))[:3] == b"\0\2\2"
    assert alice(policy=ONLY[2]).receive(b"?OTRv3?") == []


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (b"?OTR?", None),
        (b"?OTRv2?", 2),
        (b"?OTR?v2?", 2),
        (b"?OTRv24x?", 2),
        (b"?OTR?v24x3?", 3),
        (b"?OTR?v?", None),
        (b"?OTRv?", None),
        (b"hey ?OTRv2? there", 2),
        (b"?OTR?v 3?", None),
        (b"?OTR?v2", None),
        (b"?OTRv\xe9\x803?", 3),
        (b"?OTRv2 ?OTRv3?", 3),
        (b"?OTRv2? ?OTRv3?", 2),
    ],
)
def test_query_forms(text: bytes, version: int | None) -> None:
    events = alice().receive(text)
    if version is None:
        assert events == []
    else:
        assert raw(sole(events))[1] == version


def test_no_query() -> None:
    for text in (b"?OTRv2", b"?OTRv 2?", b"?OTRv2\n?", b"?OTR", b"?OTR2?"):
        assert alice().receive(text) == [TextReceived(text, False, False, 0)]


@pytest.mark.parametrize("version", [2, 3])
def test_collision(version: int) -> None:
    a, b = alice(), bob()
    commits = [sole(engine.receive(QUERY[version])) for engine in (a, b)]
    hashes = [raw(message)[-32:] for message in commits]
    (low, low_commit), (high, high_commit) = sorted(zip((a, b), commits, strict=True), key=lambda p: hashes[p[0] is b])
    assert list(high.receive(low_commit)) == [Rejected(Reason.COLLISION_WON), Outgoing(high_commit)]
    before = high.inspect()
    # Both the announced commit and the one that is sent once more reach the other end.
    key = low.receive(high_commit)
    assert low.receive(high_commit) == key
    shuttle(low, high, key)
    assert state_of(low).ssid == state_of(high).ssid != b""
    assert before.sessions[0].instance == 0
    if version == 3:
        assert len(before.sessions) == 1


def test_equal_hashes_answer() -> None:
    a = alice()
    commit = raw(sole(a.receive(QUERY[3])))
    mirrored = wrap(commit[:3] + TAG_B.to_bytes(4, "big") + commit[7:])
    assert raw(sole(a.receive(mirrored)))[2] == 0x0A


def test_commit_while_awaiting_reveal_signature_repeats_the_key() -> None:
    a, b = alice(), bob()
    key = b.receive(sole(a.receive(QUERY[3])))
    second = sole(a.receive(QUERY[3]))
    assert b.receive(second) == key
    shuttle(b, a, key)
    assert state_of(a).ssid == state_of(b).ssid != b""


def test_commit_while_awaiting_signature_gets_a_new_key() -> None:
    a, b = alice(), bob()
    key = sole(b.receive(sole(a.receive(QUERY[3]))))
    reveal = sole(a.receive(key))
    assert a.receive(key) == [Outgoing(reveal)]
    other = sole(bob(key=KEY_B).receive(QUERY[3]))
    fresh = sole(a.receive(other))
    assert raw(fresh)[2] == 0x0A
    assert state_of(a, TAG_B).auth_state is AuthState.AWAITING_REVEALSIG


def test_another_key_while_awaiting_signature_is_unexpected() -> None:
    a, b = alice(), bob()
    commit = sole(a.receive(QUERY[3]))
    a.receive(sole(b.receive(commit)))
    other = sole(make("c", key=KEY_B, tag=TAG_B).receive(commit))
    before = a.inspect()
    assert a.receive(other) == [Rejected(Reason.UNEXPECTED)]
    assert a.inspect() == before


@pytest.mark.parametrize("version", [2, 3])
def test_unexpected_handshake_messages(version: int) -> None:
    a, b = alice(), bob()
    commit = sole(a.receive(QUERY[version]))
    key = sole(b.receive(commit))
    reveal = sole(a.receive(key))
    signature = outgoing(b.receive(reveal))[0]
    a.receive(signature)
    before = a.inspect()
    for message in (key, signature):
        assert a.receive(message) == [Rejected(Reason.UNEXPECTED)]
    assert b.receive(reveal) == [Rejected(Reason.UNEXPECTED)]
    assert a.inspect() == before


def test_version_not_allowed() -> None:
    commit = sole(alice().receive(QUERY[2]))
    assert bob(policy=ONLY[3]).receive(commit) == [Rejected(Reason.VERSION_NOT_ALLOWED)]
    commit = sole(alice().receive(QUERY[3]))
    assert bob(policy=ONLY[2]).receive(commit) == [Rejected(Reason.VERSION_NOT_ALLOWED)]


def test_bad_group_elements() -> None:
    a = alice()
    a.receive(QUERY[3])
    before = a.inspect()
    head = b"\0\3\x0a" + TAG_B.to_bytes(4, "big") + TAG_A.to_bytes(4, "big")
    for gy in (0, 1, P - 1, P, P + 2):
        encoded = gy.to_bytes((gy.bit_length() + 7) // 8, "big")
        message = wrap(head + len(encoded).to_bytes(4, "big") + encoded)
        assert a.receive(message) == [Rejected(Reason.BAD_GROUP_ELEMENT)]
    assert a.inspect() == before


@pytest.mark.parametrize("version", [2, 3])
def test_genuine_message_after_a_forged_one(version: int) -> None:
    a, b = alice(), bob()
    reveal = sole(a.receive(sole(b.receive(sole(a.receive(QUERY[version]))))))
    whole = bytearray(raw(reveal))
    whole[-1] ^= 1
    before = b.inspect()
    assert b.receive(wrap(bytes(whole))) == [Rejected(Reason.BAD_MAC)]
    assert b.inspect() == before
    whole = bytearray(raw(reveal))
    whole[header_size(version) + 4] ^= 1
    assert b.receive(wrap(bytes(whole))) == [Rejected(Reason.BAD_COMMITMENT)]
    assert b.inspect() == before
    signature = outgoing(b.receive(reveal))[0]
    whole = bytearray(raw(signature))
    whole[-30] ^= 1
    assert a.receive(wrap(bytes(whole))) == [Rejected(Reason.BAD_MAC)]
    assert isinstance(a.receive(signature)[0], Established)


def forged_reveal(x: bytes, *, mpi: bytes | None = None, exponent: int = 0xABCDEF) -> tuple[IndependentEngine, bytes]:
    """An engine that has answered a commit, and a Reveal Signature for it whose X, or whose gxmpi, is the given one."""
    b = bob()
    key = KeyPair(exponent, power(G, exponent))
    gxmpi = encode_mpi(key.public) if mpi is None else mpi
    r = bytes(16)
    body = encode_data(aes_ctr(r, gxmpi)) + encode_data(sha256(gxmpi))
    answer = raw(sole(b.receive(wrap(b"\0\2\2" + body))))
    keys = handshake_keys(shared_secret(key, int.from_bytes(answer[7:], "big"))).reveal
    encrypted = encode_data(aes_ctr(keys.c, x))
    mac = sha256_hmac(keys.m2, encrypted)[:20]
    return b, wrap(b"\0\2\x11" + encode_data(r) + encrypted + mac)


def reveal_fault(x: bytes, **kwargs: object) -> Event:
    b, message = forged_reveal(x, **kwargs)  # type: ignore[arg-type]
    before = b.inspect()
    (event,) = b.receive(message)
    assert b.inspect() == before
    return event


def test_commitment_must_be_one_mpi_in_range() -> None:
    assert reveal_fault(b"", mpi=b"\0\0\0\2\1") == Rejected(Reason.MALFORMED, "gx", 0)
    assert reveal_fault(b"", mpi=b"") == Rejected(Reason.MALFORMED, "gx", 0)
    assert reveal_fault(b"", mpi=b"\0\0\0\2\0\1") == Rejected(Reason.NON_MINIMAL_MPI, "gx", 0)
    assert reveal_fault(b"", mpi=b"\0\0\0\1\5\1") == Rejected(Reason.MALFORMED, "end", 5)
    assert reveal_fault(b"", mpi=b"\0\0\0\1\1") == Rejected(Reason.BAD_GROUP_ELEMENT)
    assert reveal_fault(b"", mpi=encode_mpi(P - 1)) == Rejected(Reason.BAD_GROUP_ELEMENT)


def test_signature_block_faults() -> None:
    public = dsa.encode_public_key(KEY_A.public)
    one, none = (1).to_bytes(4, "big"), bytes(40)
    assert reveal_fault(b"") == Rejected(Reason.MALFORMED, "pubkey_type", 0)
    assert reveal_fault(public[:-1]) == Rejected(Reason.MALFORMED, "y", len(public) - 132)
    assert reveal_fault(public) == Rejected(Reason.MALFORMED, "keyid", len(public))
    assert reveal_fault(public + one) == Rejected(Reason.MALFORMED, "signature", len(public) + 4)
    assert reveal_fault(public + one + none + b"!") == Rejected(Reason.MALFORMED, "end", len(public) + 44)
    assert reveal_fault(b"\0\0\0\0\0\2\0\1") == Rejected(Reason.NON_MINIMAL_MPI, "p", 2)
    assert reveal_fault(b"\0\1" + public[2:] + one + none) == Rejected(Reason.BAD_PUBLIC_KEY)
    for change in (
        {"p": KEY_A.public.p * 2},
        {"q": 1},
        {"g": 1},
        {"y": 1},
        {"g": KEY_A.public.p},
        {"y": KEY_A.public.p},
    ):
        odd = dsa.encode_public_key(replace(KEY_A.public, **change))
        assert reveal_fault(odd + one + none) == Rejected(Reason.BAD_PUBLIC_KEY), change
    assert reveal_fault(public + bytes(4) + none) == Rejected(Reason.BAD_KEY_ID)
    full = KEY_A.public.q.to_bytes(20, "big")
    halves = (b"\0" * 20, full, b"\0" * 19 + b"\1")
    for signature in (r + s for r in halves for s in halves):
        assert reveal_fault(public + one + signature) == Rejected(Reason.BAD_SIGNATURE)
    # Numbers that pass for a key although they are none: even p, composite q, s without an inverse.
    strange = replace(KEY_A.public, p=1 << 1023, q=1 << 159)
    two = (2).to_bytes(20, "big")
    for signature in (two + two, two + (3).to_bytes(20, "big")):
        event = reveal_fault(dsa.encode_public_key(replace(strange, g=2, y=2)) + one + signature)
        assert event == Rejected(Reason.BAD_SIGNATURE)


def test_seal_and_unseal() -> None:
    ours, theirs = KeyPair(5, power(G, 5)), KeyPair(7, power(G, 7))
    keys = handshake_keys(shared_secret(ours, theirs.public)).reply
    sealed = ake.seal(keys, KEY_A, bytes(28), 3, ours.public, theirs.public)
    identity = ake.unseal(keys, sealed, theirs.public, ours.public)
    assert (identity.key, identity.keyid) == (KEY_A.public, 3)


def test_rehandshake_reveals_keys_and_is_reported() -> None:
    a, b = established()
    say(a, b, b"one")
    say(b, a, b"two")
    ssid = state_of(a).ssid
    verified = state_of(a).ratchet
    assert verified is not None
    assert verified.verified
    from_b, from_a = shuttle(b, a, b.receive(QUERY[3]))
    assert isinstance(from_a[0], Established)
    assert (from_a[0].refreshed, from_a[0].same_key) == (True, True)
    assert isinstance(from_b[0], Established)
    assert state_of(a).ssid == state_of(b).ssid != ssid
    assert len(state_of(a).pending_mac_keys) >= len(verified.verified)
    pending = b"".join(state_of(a).pending_mac_keys)
    assert raw(outgoing(a.send(b"x"))[0]).endswith(len(pending).to_bytes(4, "big") + pending)
    assert state_of(a).pending_mac_keys == ()


def test_rehandshake_with_another_key() -> None:
    a, b = established()
    shuttle(b, a, b.end())
    stranger = make("s", key=KEY_A, tag=TAG_A)
    _, from_b = shuttle(stranger, b, stranger.receive(QUERY[3]))
    assert isinstance(from_b[0], Established)
    assert not from_b[0].refreshed
    impostor = make("i", key=KEY_B, tag=TAG_A)
    _, from_b = shuttle(impostor, b, impostor.receive(QUERY[3]))
    assert isinstance(from_b[0], Established)
    assert (from_b[0].refreshed, from_b[0].same_key) == (True, False)
    assert from_b[0].fingerprint == impostor.fingerprint == b.fingerprint


def test_smp_run_ends_with_a_rehandshake() -> None:
    a, b = established()
    b.receive(sole(a.smp_start(b"s")))
    from_b, from_a = shuttle(b, a, b.receive(QUERY[3]))
    assert from_a[0] == SmpAborted(TAG_B, Reason.REHANDSHAKE)
    assert from_b[0] == SmpAborted(TAG_A, Reason.REHANDSHAKE)
    assert isinstance(from_a[1], Established)


# Instances


def commit_from(tag: int, seed: str = "x") -> bytes:
    return sole(make(f"{seed}{tag}", key=KEY_B, tag=tag).receive(QUERY[3]))


def test_announced_commit_serves_several_instances() -> None:
    a = alice()
    first, second = bob(), make("b2", key=KEY_B, tag=TAG_B + 1)
    commit = a.receive(QUERY[3])
    for other in (first, second):
        shuttle(a, other, commit)
    assert [s.message_state for s in a.inspect().sessions[1:]] == [MessageState.ENCRYPTED] * 2
    assert a.inspect().focus == TAG_B + 1
    assert a.inspect().announced
    assert say(a, second, b"to the focus") == [TextReceived(b"to the focus", True, False, TAG_A)]
    message = sole(a.send(b"to the other", instance=TAG_B))
    assert first.receive(message) == [TextReceived(b"to the other", True, False, TAG_A)]
    assert second.receive(message) == [Rejected(Reason.OTHER_INSTANCE)]


def test_announcement_ends_when_its_exponent_is_forgotten() -> None:
    a, b = alice(), bob()
    commit = a.receive(QUERY[3])
    # Another session is created, and still waits with that commit when the first one drops the key.
    x = a.secrets()["announced.x"]
    shuttle(a, b, commit)
    assert a.inspect().announced
    say(a, b, b"1")
    say(b, a, b"2")
    assert not a.inspect().announced
    assert x not in a.secrets().values()


def test_version_2_handshake_abandons_version_3() -> None:
    a, b = alice(), bob()
    b_key = b.receive(sole(a.receive(QUERY[3])))
    a.receive(sole(b_key))
    assert state_of(a, TAG_B).auth_state is AuthState.AWAITING_SIG
    a.receive(QUERY[2])
    assert state_of(a, TAG_B).auth_state is AuthState.NONE
    assert state_of(a, 0).auth_state is AuthState.AWAITING_DHKEY
    assert not a.inspect().announced
    a.receive(QUERY[3])
    assert state_of(a, TAG_B).auth_state is AuthState.AWAITING_DHKEY
    assert state_of(a, 0).auth_state is AuthState.NONE


def test_oldest_plaintext_session_makes_room() -> None:
    b, a = established()
    for tag in range(0x200, 0x200 + MAX_INSTANCES - 1):
        a.receive(commit_from(tag))
    assert len(a.inspect().sessions) == MAX_INSTANCES + 1
    a.receive(commit_from(0x900))
    tags = [session.instance for session in a.inspect().sessions]
    assert TAG_A in tags
    assert 0x200 not in tags
    assert 0x900 in tags
    assert len(tags) == MAX_INSTANCES + 1
    assert say(b, a, b"still here") == [TextReceived(b"still here", True, False, TAG_A)]


def test_too_many_instances() -> None:
    a = alice()
    commit = sole(a.receive(QUERY[3]))
    for tag in range(0x200, 0x200 + MAX_INSTANCES):
        other = make(f"m{tag}", key=KEY_B, tag=tag)
        shuttle(a, other, [Outgoing(commit)])
    late = make("late", key=KEY_B, tag=0x999)
    before = a.inspect()
    assert a.receive(sole(late.receive(commit))) == [Rejected(Reason.TOO_MANY_INSTANCES)]
    assert a.inspect() == before
    a.end()
    assert not a.inspect().announced
    assert raw(sole(a.receive(commit_from(0x999))))[2] == 0x0A


def test_unknown_instance_is_fresh_but_cannot_be_named() -> None:
    a = alice()
    assert a.send(b"x", instance=0x777) == [Refused("send", Reason.WRONG_STATE)]
    assert a.end(instance=0x777) == []
    assert a.smp_start(b"x", instance=0x777) == [Refused("smp_start", Reason.WRONG_STATE)]
    assert sole(a.send(b"x", instance=0)) == b"x"


# Data messages


@pytest.mark.parametrize("version", [2, 3])
def test_conversation_rotates_and_reveals(version: int) -> None:
    a, b = established(version)
    seen: list[bytes] = []
    for i in range(6):
        text = b"ping %d" % i
        assert say(a, b, text) == [TextReceived(text, True, False, 0 if version == 2 else TAG_A)]
        assert say(a, b, text + b"!")[0] == TextReceived(text + b"!", True, False, 0 if version == 2 else TAG_A)
        seen += state_of(b).pending_mac_keys
        assert say(b, a, b"pong")[0] == TextReceived(b"pong", True, False, 0 if version == 2 else TAG_B)
    ratchet = state_of(a).ratchet
    assert ratchet is not None
    assert ratchet.our_keyid > 5
    assert len(seen) == len(set(seen)) > 3
    assert len(ratchet.our_keys) == len(ratchet.their_keys) == 2


def test_ids_and_counters() -> None:
    a, _ = established()
    first, second = (raw(sole(a.send(b"hi"))) for _ in range(2))
    ids = header_size(3) + 1
    assert first[ids : ids + 8] == second[ids : ids + 8] == bytes((0, 0, 0, 1, 0, 0, 0, 1))
    assert first[ids + 204 : ids + 212] == (1).to_bytes(8, "big")
    assert second[ids + 204 : ids + 212] == (2).to_bytes(8, "big")
    ratchet = state_of(a).ratchet
    assert ratchet is not None
    assert dict(ratchet.sent) == {(1, 1): 2}


@pytest.mark.parametrize("version", [2, 3])
def test_loss_and_replay(version: int) -> None:
    a, b = established(version)
    instance = TAG_A if version == 3 else 0
    lost = sole(a.send(b"lost"))
    kept = sole(a.send(b"kept"))
    assert b.receive(kept) == [TextReceived(b"kept", True, False, instance)]
    before = b.inspect()
    for replayed in (kept, lost):
        assert b.receive(replayed) == [Unreadable(instance, Reason.BAD_COUNTER), Outgoing(UNREADABLE_ERROR)]
    assert b.inspect() == before
    for i in range(3):
        say(b, a, b"%d" % i)
        say(a, b, b"%d" % i)
    assert b.receive(kept) == [Unreadable(instance, Reason.UNKNOWN_KEY), Outgoing(UNREADABLE_ERROR)]


def test_data_to_plaintext_and_quietly() -> None:
    a, b = established()
    message = sole(a.send(b"x"))
    fresh = make("f", tag=TAG_B)
    assert fresh.receive(message) == [Unreadable(TAG_A, Reason.NOT_ENCRYPTED), Outgoing(UNREADABLE_ERROR)]
    quiet = bytearray(raw(message))
    quiet[11] |= 1
    assert fresh.receive(wrap(bytes(quiet))) == [Rejected(Reason.NOT_ENCRYPTED)]
    assert b.receive(wrap(bytes(quiet))) == [Rejected(Reason.BAD_MAC)]
    assert len(fresh.inspect().sessions) == 1
    assert b.receive(message) == [TextReceived(b"x", True, False, TAG_A)]


def with_ratchet(engine: IndependentEngine, change: Callable[[Ratchet], Ratchet]) -> None:
    """Make an engine misbehave by changing its key management."""
    party = engine._party
    session = party.encrypted(party.state.focus)
    assert session is not None
    party.put_encrypted(party.state.focus, replace(session, ratchet=change(session.ratchet)))


def verified_pairs(engine: IndependentEngine) -> set[tuple[int, int]]:
    ratchet = state_of(engine).ratchet
    assert ratchet is not None
    return set(ratchet.verified)


def test_verified_key_counts_even_with_a_bad_counter() -> None:
    a, b = established()
    with_ratchet(a, lambda ratchet: replace(ratchet, sent={(1, 1): -1}))
    message = sole(a.send(b"1"))
    assert b.receive(message)[0] == Unreadable(TAG_A, Reason.BAD_COUNTER)
    assert verified_pairs(b) == {(1, 1)}


def test_next_dh_out_of_range() -> None:
    a, b = established()

    def announce(public: int) -> Callable[[Ratchet], Ratchet]:
        return lambda ratchet: replace(ratchet, our_keys={**ratchet.our_keys, 2: KeyPair(2, public)})

    for public in (0, 1, P - 1, P):
        with_ratchet(a, announce(public))
        assert b.receive(sole(a.send(b"1")))[0] == Unreadable(TAG_A, Reason.BAD_GROUP_ELEMENT)
    ratchet = state_of(b).ratchet
    assert ratchet is not None
    assert ratchet.received == {}
    assert ratchet.their_keyid == 1


def test_last_key_id() -> None:
    last = 0xFFFFFFFF
    a, b = established()
    with_ratchet(b, lambda ratchet: replace(ratchet, their_keyid=last, their_keys={last: ratchet.their_keys[1]}))
    message = bytearray(raw(sole(a.send(b"x"))))
    message[12:16] = last.to_bytes(4, "big")
    assert b.receive(wrap(bytes(message)))[0] == Unreadable(TAG_A, Reason.UNKNOWN_KEY)
    assert raw(sole(b.send(b"x")))[16:20] == last.to_bytes(4, "big")


def test_known_key_of_a_new_handshake_is_kept() -> None:
    a, b = established()
    say(a, b, b"rotates")
    ratchet = state_of(b).ratchet
    assert ratchet is not None
    assert ratchet.their_keyid == 2
    # The same seed gives the same key under the same id once more.
    twin = alice()
    _, reports = shuttle(twin, b, twin.receive(QUERY[3]))
    assert isinstance(reports[0], Established)
    again = state_of(b).ratchet
    assert again is not None
    assert (again.their_keyid, again.their_keys) == (2, ratchet.their_keys)
    assert (again.our_keyid, dict(again.sent), dict(again.received)) == (2, {}, {})
    assert say(b, twin, b"under key 2") == [TextReceived(b"under key 2", True, False, TAG_B)]


@pytest.mark.parametrize("version", [2, 3])
def test_malformed_data_is_reported_with_its_field(version: int) -> None:
    a, b = established(version)
    whole = raw(sole(a.send(b"hello")))
    start = header_size(version)
    sizes = [("flags", 1), ("sender_keyid", 4), ("recipient_keyid", 4), ("next_dh", 196), ("ctr", 8)]
    sizes += [("encrypted_message", 9), ("mac", 20), ("old_mac_keys", 4)]
    instance = TAG_A if version == 3 else 0
    before = b.inspect()
    for name, size in sizes:
        for cut in (start, start + size - 1):
            answer = b.receive(wrap(whole[:cut]))
            assert answer[0] == Unreadable(instance, Reason.MALFORMED, name, start), name
            assert answer[1:] == [Outgoing(UNREADABLE_ERROR)]
        start += size
    assert start == len(whole)
    assert b.receive(wrap(whole + b"!"))[0] == Unreadable(instance, Reason.MALFORMED, "end", start)
    odd = whole[:-4] + b"\0\0\0\1x"
    assert b.receive(wrap(odd))[0] == Unreadable(instance, Reason.MALFORMED, "old_mac_keys", start - 4)
    at = header_size(version) + 9
    long_mpi = whole[:at] + b"\0\0\0\xc1\0" + whole[at + 4 :]
    assert b.receive(wrap(long_mpi))[0] == Unreadable(instance, Reason.NON_MINIMAL_MPI, "next_dh", at)
    assert b.inspect() == before


def test_padding_and_empty_text() -> None:
    a, b = established()
    assert b.receive(sole(a.send(b"hi", padding=300))) == [TextReceived(b"hi", True, False, TAG_A)]
    assert len(raw(sole(a.send(b"", padding=0)))) == len(raw(sole(a.send(b"")))) + 5
    assert b.receive(sole(a.send(b""))) == []


def test_send_is_refused() -> None:
    for a in (alice(), established()[0]):
        before = a.inspect()
        assert a.send(bytes(MAX_TEXT + 1)) == [Refused("send", Reason.TOO_LONG)]
        assert a.send(b"a\0b") == [Refused("send", Reason.HAS_NUL)]
        for padding in (-1, MAX_PADDING + 1):
            assert a.send(b"a", padding=padding) == [Refused("send", Reason.TOO_LONG)]
        assert a.inspect() == before


def test_heartbeat() -> None:
    a, b = established(heartbeat=60)
    b.set_time(59)
    assert b.receive(sole(a.send(b"1"))) == [TextReceived(b"1", True, False, TAG_A)]
    b.set_time(60)
    text, beat = b.receive(sole(a.send(b"2")))
    assert text == TextReceived(b"2", True, False, TAG_A)
    assert isinstance(beat, Outgoing)
    assert raw(beat.message)[11] == 1
    assert a.receive(beat.message) == []
    assert b.receive(sole(a.send(b"3"))) == [TextReceived(b"3", True, False, TAG_A)]


def test_forward_secrecy() -> None:
    a, b = established()
    old = set(a.secrets().values())
    for i in range(4):
        say(a, b, b"%d" % i)
        say(b, a, b"%d" % i)
    assert not old & set(a.secrets().values())
    a.end()
    assert a.secrets() == {}


# Ending


@pytest.mark.parametrize("version", [2, 3])
def test_end_and_again(version: int) -> None:
    a, b = established(version)
    at_a, at_b = (TAG_B, TAG_A) if version == 3 else (0, 0)
    say(b, a, b"x")
    goodbye, ended = a.end()
    assert ended == Ended(at_a)
    assert isinstance(goodbye, Outgoing)
    assert raw(goodbye.message)[header_size(version)] == 1
    assert raw(goodbye.message)[-24:-20] == (20).to_bytes(4, "big")
    assert b.receive(goodbye.message) == [Finished(at_b)]
    assert state_of(b).message_state is MessageState.FINISHED
    assert state_of(b).fingerprint == a.fingerprint
    assert state_of(a).fingerprint == b""
    assert state_of(a).version == version
    assert b.send(b"too late") == [Refused("send", Reason.WRONG_STATE)]
    assert b.inspect().stored == (b"too late",)
    assert b.receive(b"plain") == [TextReceived(b"plain", False, True, 0)]
    assert b.end() == [Ended(at_b)]
    assert b.end() == []
    from_a, from_b = shuttle(a, b, a.receive(QUERY[version]))
    assert [type(event) for event in from_a] == [Established, TextReceived]
    assert from_a[1] == TextReceived(b"too late", True, False, at_a)
    assert [type(event) for event in from_b] == [Established]
    assert b.inspect().stored == ()


def test_crossing_ends_raise_no_error() -> None:
    a, b = established()
    from_a, from_b = a.end(), b.end()
    assert b.receive(outgoing(from_a)[0]) == [Rejected(Reason.NOT_ENCRYPTED)]
    assert a.receive(outgoing(from_b)[0]) == [Rejected(Reason.NOT_ENCRYPTED)]


def test_keys_to_reveal_outlive_the_session() -> None:
    a, b = established()
    say(a, b, b"x")
    b.receive(outgoing(a.end())[0])
    pending = state_of(b).pending_mac_keys
    assert len(pending) == 1
    b.end()
    shuttle(a, b, a.receive(QUERY[3]))
    assert state_of(b).pending_mac_keys == pending
    assert raw(sole(b.send(b"y"))).endswith(b"\0\0\0\x14" + pending[0])


def test_end_drops_an_smp_run() -> None:
    a, b = established()
    b.receive(sole(a.smp_start(b"s")))
    events = a.end()
    assert events[1:] == [SmpAborted(TAG_B, Reason.SESSION_LEFT), Ended(TAG_B)]
    assert b.receive(outgoing(events)[0]) == [SmpAborted(TAG_A, Reason.SESSION_LEFT), Finished(TAG_A)]


# Stored texts


def test_required_encryption_stores() -> None:
    policy = BOTH | Policy.REQUIRE_ENCRYPTION
    a, b = alice(policy=policy), bob()
    assert sole(a.send(b"old")) == b"?OTRv23?"
    a.set_time(61)
    assert sole(a.send(b"new")) == b"?OTRv23?"
    a.set_time(121)
    assert a.inspect().stored == (b"old", b"new")
    from_a, from_b = shuttle(a, b, a.start())
    assert [type(event) for event in from_a] == [Established, StoredDropped]
    assert from_b[1] == TextReceived(b"new", True, False, TAG_A)
    assert a.receive(b"clear") == [TextReceived(b"clear", False, True, 0)]


def test_bound_text_is_not_for_another() -> None:
    a, b = established()
    b.receive(outgoing(a.end())[0])
    b.send(b"for a only")
    stranger = make("s", key=KEY_B, tag=0x5555)
    _, from_b = shuttle(stranger, b, stranger.receive(QUERY[3]))
    assert from_b[1:] == [StoredDropped(b"for a only")]


# SMP


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("mine", "yours"), [(b"same", b"same"), (b"same", b"other"), (b"", b"")])
@pytest.mark.parametrize("question", [None, b"", b"what?"])
def test_smp(version: int, mine: bytes, yours: bytes, question: bytes | None) -> None:
    a, b = established(version)
    at_a, at_b = (TAG_B, TAG_A) if version == 3 else (0, 0)
    request = b.receive(sole(a.smp_start(mine, question=question)))
    assert request == [SmpRequested(at_b, question)]
    assert state_of(b).smp_question_waiting
    assert state_of(a).smp_state is SmpState.EXPECT2
    answer = b.smp_answer(yours)
    assert state_of(b).smp_state is SmpState.EXPECT3
    from_b, from_a = shuttle(b, a, answer)
    assert from_a == [SmpFinished(at_a, mine == yours)]
    assert from_b == [SmpFinished(at_b, mine == yours)]
    assert state_of(a).smp_state is state_of(b).smp_state is SmpState.EXPECT1
    assert not any(".smp." in name for engine in (a, b) for name in engine.secrets())


def test_smp_refused() -> None:
    a = alice()
    assert a.smp_start(b"x") == [Refused("smp_start", Reason.WRONG_STATE)]
    assert a.smp_answer(b"x") == [Refused("smp_answer", Reason.WRONG_STATE)]
    assert a.smp_abort() == [Refused("smp_abort", Reason.WRONG_STATE)]
    a, _ = established()
    assert a.smp_answer(b"x") == [Refused("smp_answer", Reason.WRONG_STATE)]
    assert a.smp_start(b"x", question=bytes(MAX_QUESTION + 1)) == [Refused("smp_start", Reason.TOO_LONG)]
    assert a.smp_start(b"x", question=b"\0") == [Refused("smp_start", Reason.HAS_NUL)]


def test_smp_abort_and_restart() -> None:
    a, b = established()
    b.receive(sole(a.smp_start(b"x")))
    again = a.smp_start(b"y")
    assert len(again) == 2
    assert b.receive(outgoing(again)[0]) == [SmpAborted(TAG_A, Reason.PEER_ABORTED)]
    assert b.receive(outgoing(again)[1]) == [SmpRequested(TAG_A, None)]
    abort = b.smp_abort()
    assert not state_of(b).smp_question_waiting
    assert a.receive(sole(abort)) == [SmpAborted(TAG_B, Reason.PEER_ABORTED)]
    assert a.receive(sole(b.smp_abort())) == []


def test_smp_question_is_replaced_or_dropped() -> None:
    a, b = established()
    b.receive(sole(a.smp_start(b"x", question=b"1")))
    a.smp_abort()
    assert b.receive(sole(a.smp_start(b"x", question=b"2"))) == [SmpRequested(TAG_A, b"2")]
    assert len(b.smp_start(b"z")) == 1
    assert not state_of(b).smp_question_waiting


def test_smp_both_start() -> None:
    a, b = established()
    from_a, from_b = sole(a.smp_start(b"x")), sole(b.smp_start(b"x"))
    abort, report = b.receive(from_a)
    assert report == SmpAborted(TAG_A, Reason.SMP_UNEXPECTED)
    assert isinstance(abort, Outgoing)
    assert a.receive(from_b)[1] == SmpAborted(TAG_B, Reason.SMP_UNEXPECTED)
    assert a.receive(abort.message) == []


def test_smp_out_of_state_and_malformed() -> None:
    a, b = established()

    def tlv(kind: int, value: bytes) -> Sequence[Event]:
        return b.receive(raw_tlv(a, kind, value))

    for kind in (3, 4, 5):
        assert tlv(kind, b"")[1:] == [SmpAborted(TAG_A, Reason.SMP_UNEXPECTED)]
    one = b"\0\0\0\1\1"
    cases = [b"", b"\0\0\0\5", b"\0\0\0\6", b"\0\0\0\6" + one * 5, b"\0\0\0\6" + one * 6 + b"!"]
    cases.append(b"\0\0\0\6" + one * 5 + b"\0\0\0\2\0\1")
    for value in cases:
        assert tlv(2, value)[1:] == [SmpAborted(TAG_A, Reason.SMP_MALFORMED)]
    assert tlv(7, b"no nul")[1:] == [SmpAborted(TAG_A, Reason.SMP_MALFORMED)]
    assert tlv(2, b"\0\0\0\6" + one * 6)[1:] == [SmpAborted(TAG_A, Reason.SMP_BAD_ELEMENT)]
    two = b"\0\0\0\1\2"
    large = ((P - 1) // 2).to_bytes(192, "big")
    assert tlv(2, b"\0\0\0\6" + two * 2 + b"\0\0\0\xc0" + large + two * 3)[1:] == [
        SmpAborted(TAG_A, Reason.SMP_BAD_ELEMENT)
    ]
    assert tlv(2, b"\0\0\0\6" + two * 6)[1:] == [SmpAborted(TAG_A, Reason.SMP_BAD_PROOF)]
    endless = b"\0\0\xf0\0" + b"\xff" * 0xF000
    began = time.monotonic()
    assert tlv(2, b"\0\0\0\6" + two + endless + two * 4)[1:] == [SmpAborted(TAG_A, Reason.SMP_BAD_PROOF)]
    assert time.monotonic() - began < 0.5
    assert tlv(6, b"value") == []


def raw_tlv(engine: IndependentEngine, kind: int, value: bytes) -> bytes:
    """A data message with any one TLV, which the engine's interface does not offer."""
    return raw_plaintext(engine, b"\0" + kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value)


def raw_plaintext(engine: IndependentEngine, plaintext: bytes) -> bytes:
    party = engine._party
    session = party.encrypted(party.state.focus)
    assert session is not None
    return sole(send_data(party, party.state.focus, session, plaintext).events)


@pytest.mark.parametrize("version", [2, 3])
def test_tlvs(version: int) -> None:
    a, b = established(version)
    instance = TAG_A if version == 3 else 0
    text = TextReceived(b"t", True, False, instance)
    assert b.receive(raw_plaintext(a, b"t\0")) == [text]
    assert b.receive(raw_plaintext(a, b"t\0\0\x63\0\1x\0\0\0\2yz")) == [text]
    assert b.receive(raw_plaintext(a, b"t\0\0\0\0")) == [text, Rejected(Reason.BAD_TLV)]
    assert b.receive(raw_plaintext(a, b"t\0\0\0\0\5abc")) == [text, Rejected(Reason.BAD_TLV)]
    short_use = b.receive(raw_plaintext(a, b"t\0\0\x08\0\3abc"))
    assert short_use == ([text, Rejected(Reason.BAD_TLV)] if version == 3 else [text])
    assert b.receive(raw_plaintext(a, b"t\0\0\1\0\0\0\0\0\5a")) == [text, Finished(instance)]


@pytest.mark.parametrize("message", [2, 3, 4])
def test_smp_messages_changed_in_one_number(message: int) -> None:
    """Every number of every later SMP message is covered by a proof."""
    a, b = established()
    b.receive(sole(a.smp_start(b"s")))
    sender, receiver = b, a
    step = b.smp_answer(b"s")
    for _ in range(message - 2):
        step = receiver.receive(sole(step))
        sender, receiver = receiver, sender
    plain = plaintext_of(receiver, outgoing(step)[0])
    start = receiver.snapshot()
    kind, count, at = plain[2], int.from_bytes(plain[5:9], "big"), 9
    assert (kind, count) == ((message + 1), {2: 11, 3: 8, 4: 3}[message])
    ends = []
    for _ in range(count):
        at += 4 + int.from_bytes(plain[at : at + 4], "big")
        ends.append(at)
    assert at == len(plain)
    sent = sender.snapshot()
    for end in ends:
        changed = bytearray(plain[5:])
        changed[end - 6] ^= 1
        receiver.restore(start)
        sender.restore(sent)
        forged = raw_tlv(sender, kind, bytes(changed))
        answer = receiver.receive(forged)
        assert isinstance(answer[-1], SmpAborted), end
        assert answer[-1].reason is Reason.SMP_BAD_PROOF
        assert state_of(receiver).smp_state is SmpState.EXPECT1


def plaintext_of(receiver: IndependentEngine, message: bytes) -> bytes:
    """What a data message says, by the keys of its receiver, who does not notice."""
    body = raw(message)
    at = header_size(3) + 1
    pair = (int.from_bytes(body[at + 4 : at + 8], "big"), int.from_bytes(body[at : at + 4], "big"))
    at += 8
    at += 4 + int.from_bytes(body[at : at + 4], "big")
    ctr = body[at : at + 8]
    length = int.from_bytes(body[at + 8 : at + 12], "big")
    session = receiver._party.encrypted(receiver.inspect().focus)
    assert session is not None
    _, keys = session.ratchet.with_keys(pair)
    return aes_ctr(keys.receiving_aes, body[at + 12 : at + 12 + length], ctr)


# Extra symmetric key


def test_extra_key() -> None:
    a, b = established()
    sent, mine = a.extra_key(7, b"file")
    assert isinstance(sent, Outgoing)
    (theirs,) = b.receive(sent.message)
    assert isinstance(mine, ExtraKey)
    assert (mine.instance, mine.received, mine.use, mine.data) == (TAG_B, False, 7, b"file")
    assert theirs == replace(mine, instance=TAG_A, received=True)
    assert len(mine.key) == 32


def test_extra_key_refused() -> None:
    assert alice().extra_key(1) == [Refused("extra_key", Reason.WRONG_STATE)]
    assert established(2)[0].extra_key(1 << 40) == [Refused("extra_key", Reason.NOT_IN_VERSION)]
    a, _ = established()
    for use, data in ((-1, b""), (1 << 32, b""), (1, bytes(65532))):
        assert a.extra_key(use, data) == [Refused("extra_key", Reason.TOO_LONG)]
    assert len(a.extra_key(0xFFFFFFFF, bytes(65531))) == 2


# Fragments


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("size", [64, 200, 500])
def test_fragmented_conversation(version: int, size: int) -> None:
    a, b = established(version, size=size)
    pieces = outgoing(a.send(b"x" * 900))
    assert all(len(piece) == size for piece in pieces[:-1])
    assert len(pieces[-1]) <= size
    prefix = b"?OTR|%08x|%08x,00001," % (TAG_A, TAG_B) if version == 3 else b"?OTR,00001,"
    assert pieces[0].startswith(prefix)
    for piece in pieces[:-1]:
        assert b.receive(piece) == []
    sender = TAG_A if version == 3 else 0
    assert dict(b.inspect().fragments) == {sender: (len(pieces) - 1, len(pieces))}
    assert b.receive(pieces[-1]) == [TextReceived(b"x" * 900, True, False, sender)]
    assert dict(b.inspect().fragments) == {}


def frag(k: object, n: object, piece: bytes, sender: int = 0x500, receiver: int = TAG_A) -> bytes:
    return b"?OTR|%x|%x,%s,%s,%s," % (sender, receiver, str(k).encode(), str(n).encode(), piece)


def test_fragment_refusals_leave_the_stored_alone() -> None:
    a = alice()
    assert a.receive(frag(1, 3, b"?OTR")) == []
    before = a.inspect()
    bad = [frag(0, 0, b"x"), frag(0, 3, b"x"), frag(4, 3, b"x"), frag(1, 65536, b"x"), frag(2, 3, b"")]
    bad += [
        frag("000002", 3, b"x"),
        frag("", 3, b"x"),
        frag(" 2", 3, b"x"),
        b"?OTR|",
        b"?OTR,",
        b"?OTR|1",
        b"?OTR,1,2,x",
    ]
    bad += [b"?OTR|000000500|1a2b,2,3,x,", b"?OTR|x|1a2b,2,3,x,", b"?OTR||,2,3,x,", frag(2, 3, b"x")[:-1]]
    for message in bad:
        assert a.receive(message) == [Rejected(Reason.BAD_FRAGMENT)], message
    assert a.receive(frag(0, 0, b"x", sender=0xFF)) == [Rejected(Reason.BAD_SENDER_TAG)]
    assert a.receive(frag(2, 3, b"x", receiver=0xFF)) == [Rejected(Reason.BAD_RECEIVER_TAG)]
    assert a.receive(frag(2, 3, b"x", receiver=TAG_B)) == [Rejected(Reason.OTHER_INSTANCE)]
    assert a.inspect() == before
    assert a.receive(b"before " + frag(2, 3, b"v", receiver=0) + b" after") == []
    assert raw(sole(a.receive(frag(3, 3, b"3?"))))[2] == 2


def test_fragments_out_of_order_and_apart() -> None:
    a = alice()
    assert a.receive(frag(2, 3, b"x")) == [Rejected(Reason.FRAGMENT_OUT_OF_ORDER)]
    a.receive(frag(1, 3, b"x"))
    a.receive(b"?OTR,1,2,x,")
    a.receive(frag(1, 2, b"x", sender=0x501))
    assert dict(a.inspect().fragments) == {0x500: (1, 3), 0: (1, 2), 0x501: (1, 2)}
    assert a.receive(frag(2, 4, b"x")) == [Rejected(Reason.FRAGMENT_OUT_OF_ORDER)]
    assert dict(a.inspect().fragments) == {0: (1, 2), 0x501: (1, 2)}
    assert a.receive(frag(2, 2, b"!", sender=0x501)) == [TextReceived(b"x!", False, False, 0)]
    # A complete message without an encoding forgets all the others.
    assert dict(a.inspect().fragments) == {}


def test_what_forgets_fragments() -> None:
    b = bob()

    def fresh() -> IndependentEngine:
        a = alice()
        a.receive(frag(1, 3, b"x", sender=TAG_B))
        a.receive(frag(1, 3, b"x", sender=0x501))
        a.receive(b"?OTR,1,2,x,")
        return a

    commit3, commit2 = sole(b.receive(QUERY[3])), sole(bob().receive(QUERY[2]))
    other = wrap(raw(commit3)[:7] + (0x999).to_bytes(4, "big") + raw(commit3)[11:])
    cases: list[tuple[bytes, set[int]]] = [
        (b"hello", set()),
        (b"?OTRv2?", set()),
        (b"?OTR Error: x", set()),
        (b"?OTR:!.", set()),
        (wrap(b"\0\4\2"), set()),
        (wrap(b"\0\3\2\0"), set()),
        (other, {TAG_B, 0x501, 0}),
        (wrap(b"\0\3\x0a" + raw(commit3)[3:7] + bytes(4)), {TAG_B, 0x501, 0}),
        (commit3, {0x501, 0}),
        (wrap(raw(commit3)[:11]), {0x501, 0}),
        (commit2, {TAG_B, 0x501}),
        (frag(9, 9, b"x", sender=0x777), {TAG_B, 0x501, 0}),
    ]
    for message, left in cases:
        a = fresh()
        a.receive(message)
        assert set(a.inspect().fragments) == left, message


def test_nested_and_too_large_fragments() -> None:
    a = alice()
    assert a.receive(frag(1, 2, b"?OTR|")) == []
    assert a.receive(frag(2, 2, b"500|")) == [Rejected(Reason.NESTED_FRAGMENT)]
    assert a.receive(frag(1, 1, b"?OTR|")) == [Rejected(Reason.NESTED_FRAGMENT)]
    assert a.receive(frag(1, 2, bytes(MAX_REASSEMBLY + 1))) == [Rejected(Reason.TOO_LARGE)]
    assert a.receive(frag(1, 3, bytes(MAX_REASSEMBLY))) == []
    assert a.receive(frag(2, 3, b"x")) == [Rejected(Reason.TOO_LARGE)]
    assert dict(a.inspect().fragments) == {}


def test_oldest_sender_makes_room_for_fragments() -> None:
    a = alice()
    for sender in range(0x500, 0x500 + MAX_INSTANCES):
        a.receive(frag(1, 3, b"x", sender=sender))
    a.receive(frag(2, 3, b"x", sender=0x500))
    a.receive(frag(1, 3, b"x", sender=0x501))
    a.receive(frag(1, 3, b"x", sender=0x900))
    a.receive(frag(1, 3, b"x", sender=0x901))
    left = set(a.inspect().fragments)
    assert len(left) == MAX_INSTANCES
    assert {0x501, 0x900, 0x901} <= left
    assert not {0x500, 0x502} & left


def test_many_small_fragments_are_cheap() -> None:
    a = alice()
    began = time.monotonic()
    for k in range(1, 65536):
        events = a.receive(frag(k, 65535, b"x"))
    assert events == [TextReceived(b"x" * 65535, False, False, 0)]
    a.receive(frag(1, 65535, b"x"))
    for k in range(2, 65535):
        a.receive(frag(k, 65535, b"x"))
    a.receive(b"forget them")
    assert time.monotonic() - began < 20


# Unencoded text


def test_whitespace_tags() -> None:
    policy = BOTH | Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE
    a, b = alice(policy=policy), bob(policy=policy)
    tagged = sole(a.send(b"hello"))
    assert tagged == b"hello" + TAG_BASE + TAG_V2 + TAG_V3
    shown, commit = b.receive(tagged)
    assert shown == TextReceived(b"hello", False, False, 0)
    assert isinstance(commit, Outgoing)
    assert b.inspect().heard_plaintext
    assert sole(b.send(b"plain")) == b"plain"
    shuttle(b, a, [commit])
    assert a.receive(tagged)[0] == TextReceived(b"hello", False, True, 0)
    b.end()
    assert sole(b.send(b"again")) == b"again" + TAG_BASE + TAG_V2 + TAG_V3


@pytest.mark.parametrize(
    ("text", "shown", "version"),
    [
        (b"a" + TAG_BASE + TAG_V2 + b"b", b"ab", 2),
        (TAG_BASE + TAG_V1 + TAG_V3 + TAG_V2 + b"   ", b"   ", 3),
        (TAG_BASE + b" " * 8 + b"x", b"x", None),
        (TAG_BASE + TAG_V1, b"", None),
        (TAG_BASE + b"x" + TAG_V2, TAG_BASE + b"x" + TAG_V2, None),
        (TAG_BASE + b"x" + TAG_BASE + TAG_V2, TAG_BASE + b"x", 2),
        (b"", b"", None),
    ],
)
def test_whitespace_forms(text: bytes, shown: bytes, version: int | None) -> None:
    events = alice(policy=BOTH | Policy.WHITESPACE_START_AKE).receive(text)
    assert events[0] == TextReceived(shown, False, False, 0)
    assert [raw(message)[1] for message in outgoing(events)] == ([] if version is None else [version])
    assert len(alice().receive(text)) == 1


def test_disabled() -> None:
    a = alice(policy=Policy.REQUIRE_ENCRYPTION | Policy.SEND_WHITESPACE_TAG | Policy.ERROR_START_AKE)
    for message in (b"?OTRv23?", b"?OTR Error: x", b"?OTR:AAMC.", b"?OTR,1,2,x,", TAG_BASE + TAG_V2):
        assert a.receive(message) == [TextReceived(message, False, True, 0)]
    assert sole(a.send(b"as it is")) == b"as it is"
    assert a.start() == [Refused("start", Reason.NOT_IN_VERSION)]


def test_errors_and_start() -> None:
    assert alice().receive(b"!?OTR Error: no?OTR Error:!") == [ErrorReceived(b" no?OTR Error:!")]
    a = alice(policy=BOTH | Policy.ERROR_START_AKE)
    assert a.receive(b"?OTR Error:") == [ErrorReceived(b""), Outgoing(b"?OTRv23?")]
    assert sole(alice(policy=ONLY[2]).start()) == b"?OTRv2?"
    assert sole(alice(policy=ONLY[3]).start()) == b"?OTRv3?"


def test_markers_in_their_order() -> None:
    a = alice()
    assert a.receive(b"?OTR:AA== ?OTR,1,1,x,") == [TextReceived(b"x", False, False, 0)]
    assert a.receive(b"?OTR Error: ?OTR:AA==") == [Rejected(Reason.BAD_ARMOUR)]
    assert a.receive(b"?OTRv3? ?OTR Error: x") == [ErrorReceived(b" x")]


# The header


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", Rejected(Reason.MALFORMED, "version", 0)),
        (b"\0", Rejected(Reason.MALFORMED, "version", 0)),
        (b"\0\1", Rejected(Reason.UNKNOWN_VERSION)),
        (b"\0\4\2", Rejected(Reason.UNKNOWN_VERSION)),
        (b"\0\3", Rejected(Reason.MALFORMED, "type", 2)),
        (b"\0\2", Rejected(Reason.MALFORMED, "type", 2)),
        (b"\0\2\x63", Rejected(Reason.UNKNOWN_TYPE)),
        (b"\0\3\2\0\0", Rejected(Reason.MALFORMED, "sender_tag", 3)),
        (b"\0\3\2\0\0\0\xff", Rejected(Reason.BAD_SENDER_TAG)),
        (b"\0\3\2\0\0\1\0", Rejected(Reason.MALFORMED, "receiver_tag", 7)),
        (b"\0\3\2\0\0\1\0\0\0\0\1", Rejected(Reason.BAD_RECEIVER_TAG)),
        (b"\0\3\x63\0\0\1\0\0\0\x77\1", Rejected(Reason.OTHER_INSTANCE)),
        (b"\0\3\x0a\0\0\1\0\0\0\0\0", Rejected(Reason.OTHER_INSTANCE)),
        (b"\0\3\x63\0\0\1\0\0\0\x1a\x2b", Rejected(Reason.UNKNOWN_TYPE)),
        (b"\0\3\2\0\0\1\0\0\0\0\0", Rejected(Reason.MALFORMED, "encrypted_gx", 11)),
        (b"\0\2\2\0\0\0\0\0\0\0\1x", Rejected(Reason.MALFORMED, "hashed_gx", 7)),
        (b"\0\2\x0a\0\0\0\2\0\1", Rejected(Reason.NON_MINIMAL_MPI, "gy", 3)),
        (b"\0\2\x0a\0\0\0\1\5!", Rejected(Reason.MALFORMED, "end", 8)),
        (b"\0\2\x11\0\0\0\1\5", Rejected(Reason.MALFORMED, "revealed_key", 3)),
        (b"\0\2\x12\0\0\0\1\5", Rejected(Reason.MALFORMED, "mac", 8)),
    ],
)
def test_header_and_bodies(body: bytes, expected: Event) -> None:
    assert alice().receive(wrap(body)) == [expected]


@pytest.mark.parametrize(
    "text", [b"", b"AAM", b"AAM=", b"A===", b"====", b"AA==AAAA", b"AA\n==", b"AA-_", b"AAMC=", b"="]
)
def test_armour(text: bytes) -> None:
    events = alice().receive(b"?OTR:" + text + b".")
    valid = text in (b"", b"AAM=")
    assert isinstance(events[0], Rejected)
    assert (events[0].reason is not Reason.BAD_ARMOUR) is valid
    assert alice().receive(b"?OTR:" + text) == [Rejected(Reason.BAD_ARMOUR)]


def test_armour_ends_at_the_first_period() -> None:
    a, b = established()
    message = sole(a.send(b"x"))
    assert b.receive(b"see: " + message + b"?OTR:.") == [TextReceived(b"x", True, False, TAG_A)]


# Rubbish


def stages(version: int) -> list[tuple[IndependentEngine, bytes]]:
    """Every kind of message, each with an engine that waits for it."""
    a, b = alice(), bob()
    found: list[tuple[IndependentEngine, bytes]] = []

    def step(engine: IndependentEngine, message: bytes, others: Sequence[IndependentEngine]) -> Sequence[Event]:
        key, tag = (KEY_A, TAG_A) if engine is a else (KEY_B, TAG_B)
        twin = make("a" if engine is a else "b", key=key, tag=tag)
        twin.restore(engine.snapshot())
        found.append((twin, message))
        return engine.receive(message)

    events = a.receive(QUERY[version])
    turn = 0
    while outgoing(events):
        receiver = (b, a)[turn % 2]
        events = step(receiver, outgoing(events)[0], (a, b))
        turn += 1
    step(b, sole(a.send(b"text")), (a, b))
    step(a, sole(b.send(b"text", padding=20)), (a, b))
    step(b, sole(a.smp_start(b"s", question=b"q")), (a, b))
    smp = b.smp_answer(b"s")
    step(a, sole(smp), (a, b))
    return found


def authenticated_end(body: bytes, version: int) -> int:
    """Where the MAC of a Data Message ends."""
    at = header_size(version) + 9
    at += 4 + int.from_bytes(body[at : at + 4], "big") + 8
    return at + 4 + int.from_bytes(body[at : at + 4], "big") + 20


@pytest.mark.parametrize("version", [2, 3])
def test_bit_flips_and_truncations(version: int) -> None:
    chance = random.Random(version)
    for engine, message in stages(version):
        body = raw(message)
        start, before = engine.snapshot(), engine.inspect()
        kind = body[2]
        end = authenticated_end(body, version) if kind == 3 else 0
        for _ in range(60):
            broken = bytearray(body)
            at = chance.randrange(len(body))
            broken[at] ^= 1 << chance.randrange(8)
            events = engine.receive(wrap(bytes(broken)))
            # A commit and a D-H Key are not authenticated; old MAC keys are not either.
            if kind in (0x11, 0x12) or (kind == 3 and header_size(version) <= at < end):
                assert engine.inspect() == before, (kind, at, events)
            engine.restore(start)
        for cut in {0, 1, 2, 3, 10, 11, len(body) - 1, *(chance.randrange(len(body)) for _ in range(30))}:
            events = engine.receive(wrap(body[:cut]))
            assert isinstance(events[0], Rejected | Unreadable)
            assert engine.inspect() == before
            engine.restore(start)
        assert events


def test_random_bytes() -> None:
    chance = random.Random(1)
    a, b = established()
    markers = [
        b"?OTR:",
        b"?OTR|",
        b"?OTR,",
        b"?OTR Error:",
        b"?OTRv",
        b"?OTR?",
        TAG_BASE,
        b".",
        b",",
        b"|",
        b"1a2b",
        b"?",
    ]
    for _ in range(3000):
        message = b"".join(
            chance.choice([chance.choice(markers), chance.randbytes(chance.randrange(9))]) for _ in range(9)
        )
        a.receive(message)
        a.receive(wrap(chance.choice([b"\0\2", b"\0\3"]) + chance.randbytes(chance.randrange(60))))
    assert state_of(a, TAG_B).message_state is MessageState.ENCRYPTED
    assert say(b, a, b"alive")[0] == TextReceived(b"alive", True, False, TAG_B)


@pytest.mark.parametrize(
    "message",
    [
        b"?OTR:" * 200_000,
        b"?OTRv" * 200_000,
        b"?OTR?v" * 200_000,
        b"?OTR|" * 200_000,
        b"?OTR|500|1a2b,1,2," + b"x" * 3_000_000,
        TAG_BASE * 60_000 + b"x",
        b" \t" * 500_000,
        b"?OTR:" + b"A" * 4_000_000 + b".",
        b"?OTR:" + b"A" * 4_000_001 + b".",
    ],
)
def test_large_input_is_quick(message: bytes) -> None:
    began = time.monotonic()
    alice().receive(message)
    assert time.monotonic() - began < 1


def test_large_numbers_are_quick() -> None:
    a = alice()
    a.receive(QUERY[2])
    began = time.monotonic()
    huge = b"\xff" * 1_000_000
    answer = a.receive(wrap(b"\0\2\x0a" + len(huge).to_bytes(4, "big") + huge))
    assert answer == [Rejected(Reason.BAD_GROUP_ELEMENT)]
    assert time.monotonic() - began < 1


# Configuration, time, snapshots


def test_config_is_checked() -> None:
    bad: list[dict[str, object]] = [{"tag": 0xFF}, {"tag": 1 << 32}, {"size": 63}, {"heartbeat": -1}]
    bad.append({"key": DsaPrivateKey(replace(KEY_A.public, g=1), KEY_A.x)})
    bad.append({"key": DsaPrivateKey(KEY_A.public, 0)})
    for kwargs in bad:
        with pytest.raises(OtrError):
            alice(**kwargs)


def test_tag_is_drawn() -> None:
    class Low:
        def draw(self, label: str, index: int, size: int) -> bytes:
            assert (label, size) == ("instance_tag", 4)
            return (0xFE + index).to_bytes(4, "big")

    assert IndependentEngine(PartyConfig(KEY_A), Low()).instance_tag == 0x100
    assert IndependentEngine(PartyConfig(KEY_A)).instance_tag >= 0x100


def test_draws_are_by_label() -> None:
    drawn: list[tuple[str, int, int]] = []

    class Recording(SeededEntropy):
        def draw(self, label: str, index: int, size: int) -> bytes:
            drawn.append((label, index, size))
            return super().draw(label, index, size)

    a = IndependentEngine(PartyConfig(KEY_A, instance_tag=TAG_A), Recording(b"a"))
    b = bob()
    shuttle(a, b, a.receive(QUERY[3]))
    assert sorted(drawn) == [("ake.r", 0, 16), ("ake.x", 0, 40), ("dh.x", 0, 40), ("dsa.k", 0, 28)]
    drawn.clear()
    shuttle(b, a, b.receive(QUERY[3]))
    assert sorted(drawn) == [("ake.y", 0, 40), ("dh.x", 1, 40), ("dsa.k", 1, 28)]
    drawn.clear()
    b.receive(sole(a.smp_start(b"s")))
    assert sorted(drawn) == [(f"smp.{label}", 0, 192) for label in ("a2", "a3", "r2", "r3")]
    drawn.clear()
    shuttle(b, a, b.smp_answer(b"s"))
    smp = [entry for entry in drawn if entry[0].startswith("smp.")]
    assert sorted(smp) == [(f"smp.{label}", 0, 192) for label in ("r4", "r5", "r6", "r7")]


def test_time() -> None:
    a = alice()
    a.set_time(5)
    a.set_time(5)
    with pytest.raises(OtrError):
        a.set_time(4)


def test_policy_change_leaves_the_session() -> None:
    a, b = established()
    a.set_policy(ONLY[2])
    assert say(b, a, b"x") == [TextReceived(b"x", True, False, TAG_B)]
    assert sole(a.start()) == b"?OTRv2?"


def talk(a: IndependentEngine, b: IndependentEngine) -> list[Event]:
    events: list[Event] = []
    for i in range(3):
        events += say(a, b, b"%d" % i) + say(b, a, b"%d" % i)
    events += b.receive(sole(a.smp_start(b"s", question=b"?")))
    for report in shuttle(b, a, b.smp_answer(b"s")):
        events += report
    return events


def test_snapshot_and_restore() -> None:
    a, b = established()
    a.receive(frag(1, 2, b"x", sender=0x800))
    points = a.snapshot(), b.snapshot()
    views = a.inspect(), b.inspect()
    first = talk(a, b)
    after = a.inspect(), b.inspect()
    assert after != views
    others = make("a"), bob()
    for ends in ((a, b), others, (a, b)):
        for engine, point in zip(ends, points, strict=True):
            engine.restore(point)
        assert (ends[0].inspect(), ends[1].inspect()) == views
        assert talk(*ends) == first
        assert (ends[0].inspect(), ends[1].inspect()) == after
    with pytest.raises(OtrError):
        a.restore(object())


def test_snapshot_is_cheap() -> None:
    a, b = established()
    talk(a, b)

    def each(action: Callable[[], object], count: int = 2000) -> float:
        began = time.perf_counter()
        for _ in range(count):
            action()
        return (time.perf_counter() - began) / count

    point = a.snapshot()
    assert each(a.snapshot) < 0.001
    assert each(lambda: a.restore(point)) < 0.001


def test_generator() -> None:
    assert power(G, (P - 1) // 2) == 1
