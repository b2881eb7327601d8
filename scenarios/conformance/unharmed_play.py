"""What must not disturb a session: messages that anyone can send, and the target's own user asking for a session.

Each disturbance is a function that delivers it to the target. Some go through a handshake whose last message is wrong,
so that the session is not replaced. The target's answers are judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from otterproof.harness import wire
from otterproof.harness.testkit.context import TargetSession
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.wire import DH_GENERATOR, TAG_BASE, TAG_VERSIONS, Kind
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import power
from otterproof.scenarios.conformance.handshake_play import LATER, key_exchange_1

#: Disturbs the target in its session with the insider.
Disturbance: TypeAlias = Callable[[TargetSession, Insider], None]

#: A signature with a wrong MAC.
WRONG = SignatureOptions(mac=bytes(20))

#: The tag of a client that has no session.
OTHER_TAG = 0x4D4D4D4D


def _plain(message: bytes) -> Disturbance:
    """Deliver a fixed message, which does not depend on the session."""
    return lambda target, insider: _receive(target, message)


def _receive(target: TargetSession, message: bytes) -> None:
    target.receive(message)


def _peer(target: TargetSession, insider: Insider) -> Insider:
    """The insider's client with fresh D-H keys."""
    return _another(target, insider, insider.tag)


def _another(target: TargetSession, insider: Insider, tag: int, version: int | None = None) -> Insider:
    """A client of the insider's account with fresh D-H keys."""
    seed = b"disturbs %d %d" % (tag, len(target.log))
    client = Insider(insider.key, insider.target_tag, version=version or target.version, tag=tag, seed=seed)
    client.assume_session()
    return client


def _query_of_other_version(target: TargetSession, insider: Insider) -> None:
    target.receive(b"?OTRv%d?" % (5 - target.version))


def _query(target: TargetSession, insider: Insider) -> None:
    target.tick(LATER)
    target.query()


def _query_and_dh_key(target: TargetSession, insider: Insider) -> None:
    """A handshake that the target begins, with a wrong Signature Message at its end."""
    target.tick(LATER)
    commits = target.query().messages(Kind.DH_COMMIT)
    peer = _peer(target, insider)
    reveals = target.receive(peer.dh_key()).messages(Kind.REVEAL_SIGNATURE)
    target.receive(peer.dh_key())
    if commits and reveals:
        gx = peer.decommit(wire.build(commits[0]), wire.build(reveals[0]))
        target.receive(peer.signature(gx, WRONG))


def _commit(target: TargetSession, insider: Insider) -> None:
    target.receive(_peer(target, insider).commit())


def _commit_and_reveal_signature(target: TargetSession, insider: Insider) -> None:
    """A handshake that the insider begins, with a wrong Reveal Signature Message at its end."""
    peer = _peer(target, insider)
    dh_keys = target.receive(peer.commit()).messages(Kind.DH_KEY)
    target.receive(peer.commit())
    if dh_keys:
        target.receive(peer.reveal_signature(wire.build(dh_keys[0]), WRONG))


def _commit_of_other_version(target: TargetSession, insider: Insider) -> None:
    target.receive(_another(target, insider, insider.tag, 5 - target.version).commit())


def _stray_handshake_messages(target: TargetSession, insider: Insider) -> None:
    """A Reveal Signature and a Signature Message of a handshake between two others."""
    peer = _peer(target, insider)
    far = power(DH_GENERATOR, peer.draw(40))
    target.receive(peer.signature(far))
    target.receive(peer.reveal_signature(_peer(target, insider).dh_key()))


def _pieces(target: TargetSession, insider: Insider, tag: int) -> list[bytes]:
    message = insider.data(b"never whole", under=(1, 1), ctr=1)
    return wire.fragment(message, 150, target.version, (tag, insider.target_tag))


def _first_fragment(target: TargetSession, insider: Insider) -> None:
    target.receive(_pieces(target, insider, insider.tag)[0])


def _fragments_out_of_order(target: TargetSession, insider: Insider) -> None:
    pieces = _pieces(target, insider, insider.tag)
    for piece in (pieces[0], pieces[2], pieces[1]):
        target.receive(piece)


def _fragment_of_another_client(target: TargetSession, insider: Insider) -> None:
    target.receive(_pieces(target, insider, OTHER_TAG)[0])


def _forgery(target: TargetSession, insider: Insider) -> None:
    """A text and an end, both with a wrong MAC, with counters above all later ones."""
    target.receive(insider.data(b"forged", mac=bytes(20), ctr=1 << 40))
    target.receive(insider.data(tlvs=[tlv(1)], mac=bytes(20), ctr=1 << 41))


def _unknown_keys(target: TargetSession, insider: Insider) -> None:
    target.receive(insider.data(b"under unknown keys", recipient_keyid=99, ctr=1))
    target.receive(insider.data(b"under unknown keys", sender_keyid=99, ctr=1, flags=1))


def _replay(target: TargetSession, insider: Insider) -> None:
    """The insider's last Data Message, once more."""
    received = [step.args["message"] for step in target.log if step.action == "receive"]
    ours = [raw for raw in received if isinstance(raw, bytes) and wire.parse(raw).kind is Kind.DATA]
    target.receive(ours[-1])


def _data_of_other_version(target: TargetSession, insider: Insider) -> None:
    target.receive(_another(target, insider, insider.tag, 5 - target.version).data(b"of the other version"))


def _data_of_another_client(target: TargetSession, insider: Insider) -> None:
    """A text and an end from a client that has no session."""
    client = _another(target, insider, OTHER_TAG)
    target.receive(client.data(b"from another client"))
    target.receive(client.data(tlvs=[tlv(1)]))


def _for_another_client(target: TargetSession, insider: Insider) -> None:
    client = _another(target, insider, insider.tag)
    client.target_tag = OTHER_TAG
    for message in (client.commit(receiver=OTHER_TAG), client.dh_key(), client.data(tlvs=[tlv(1)])):
        target.receive(message)


def _handshake_of_another_client(target: TargetSession, insider: Insider) -> None:
    client = _another(target, insider, OTHER_TAG)
    dh_keys = target.receive(client.commit()).messages(Kind.DH_KEY)
    if dh_keys:
        target.receive(client.reveal_signature(wire.build(dh_keys[0]), WRONG))


def _key_exchange(target: TargetSession, insider: Insider) -> None:
    target.receive(key_exchange_1(_peer(target, insider)))


def _unknown_types(target: TargetSession, insider: Insider) -> None:
    """Encoded messages of unknown versions and types, a truncated one, and one that is not base64."""
    commit = wire.parse(_peer(target, insider).commit())
    for field, value in (("version", 4), ("version", 1), ("type", 0x42)):
        target.receive(wire.build(commit.with_value(field, value)))
    target.receive(wire.armour(commit.body[:3]))
    target.receive(b"?OTR:not base64.")


def _own_query(target: TargetSession, insider: Insider) -> None:
    target.user("start")


#: Disturbances for sessions of both versions, by name.
IN_ALL_VERSIONS: Mapping[str, Disturbance] = {
    "text in the clear": _plain(b"hello in the clear"),
    "an Error Message": _plain(b"?OTR Error: it went wrong"),
    "a tag": _plain(b"hello" + TAG_BASE + TAG_VERSIONS[2] + TAG_VERSIONS[3]),
    "a query of the other version": _query_of_other_version,
    "a query of an unknown version": _plain(b"?OTRv4?"),
    "a query of version 1": _plain(b"?OTR?"),
    "the first of several fragments": _first_fragment,
    "fragments out of order": _fragments_out_of_order,
    "forged Data Messages": _forgery,
    "Data Messages with unknown key ids": _unknown_keys,
    "a Data Message that was received before": _replay,
    "a Data Message of the other version": _data_of_other_version,
    "messages of unknown versions and types": _unknown_types,
    "a D-H Commit of the other version": _commit_of_other_version,
    "the user's own query": _own_query,
    "a D-H Commit": _commit,
    "a handshake that the peer begins and that fails": _commit_and_reveal_signature,
    "a query": _query,
    "a handshake that the target begins and that fails": _query_and_dh_key,
    "a Reveal Signature and a Signature of another handshake": _stray_handshake_messages,
}

#: Disturbances for sessions of one version.
OF_VERSION: Mapping[int, Mapping[str, Disturbance]] = {
    2: {"a Key Exchange Message of version 1": _key_exchange},
    3: {
        "a fragment of another client's": _fragment_of_another_client,
        "Data Messages of another client's": _data_of_another_client,
        "messages for another client": _for_another_client,
        "a handshake with another client that fails": _handshake_of_another_client,
    },
}


def disturbances(version: int) -> Mapping[str, Disturbance]:
    """All disturbances that must not harm a session of a version."""
    return {**IN_ALL_VERSIONS, **OF_VERSION[version]}
