"""Comparison of the state that the model predicts with the state that an engine shows.

Values for which the model has names (public keys, ssids, fingerprints, MAC keys) are bound in the book on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otterproof.harness.judges.model.book import NameTable
from otterproof.harness.judges.model.expect import Mismatch, bind, check_mac_keys, expect_equal
from otterproof.harness.judges.model.names import Dh, Name
from otterproof.harness.judges.model.state import Ratchet, Session, State
from otterproof.implementations.contract import PartySnapshot, RatchetSnapshot, SessionSnapshot


def match_snapshot(state: State, snapshot: PartySnapshot, names: NameTable) -> None:
    """Mismatch at the first place where the two differ, named by its path in the snapshot."""
    expect_equal("snapshot.instance_tag", state.instance_tag, snapshot.instance_tag)
    expect_equal("snapshot.focus", state.focus, snapshot.focus)
    expect_equal("snapshot.announced", state.announced is not None, snapshot.announced)
    expect_equal("snapshot.heard_plaintext", state.heard_plaintext, snapshot.heard_plaintext)
    expect_equal("snapshot.stored", tuple(one.text for one in state.stored), snapshot.stored)
    fragments = {sender: (pieces.k, pieces.n) for sender, pieces in state.fragments.items()}
    expect_equal("snapshot.fragments", fragments, dict(snapshot.fragments))
    expect_equal("snapshot.sessions", sorted(state.sessions), [session.instance for session in snapshot.sessions])
    for session in snapshot.sessions:
        _match_session(f"snapshot.sessions[{session.instance}]", state.sessions[session.instance], session, names)


def _match_session(place: str, session: Session, shown: SessionSnapshot, names: NameTable) -> None:
    expect_equal(f"{place}.version", session.version, shown.version)
    expect_equal(f"{place}.message_state", session.message_state, shown.message_state)
    expect_equal(f"{place}.auth_state", session.auth.state, shown.auth_state)
    expect_equal(f"{place}.smp_state", session.smp.state, shown.smp_state)
    expect_equal(f"{place}.smp_question_waiting", session.smp.question is not None, shown.smp_question_waiting)
    _match_name(f"{place}.ssid", session.ssid, shown.ssid, names)
    _match_name(f"{place}.fingerprint", session.identity, shown.fingerprint, names)
    check_mac_keys(f"{place}.pending_mac_keys", session.pending, shown.pending_mac_keys, names)
    if session.ratchet is None or shown.ratchet is None:
        expect_equal(f"{place}.ratchet", session.ratchet, shown.ratchet)
    else:
        _match_ratchet(f"{place}.ratchet", session.ratchet, shown.ratchet, names)


def _match_name(place: str, name: Name | None, shown: bytes, names: NameTable) -> None:
    """Compare a value, which must be empty if there is no name."""
    if name is None:
        expect_equal(place, b"", shown)
    elif not shown:
        raise Mismatch(place, name, shown)
    else:
        bind(names, place, name, shown)


def _match_ratchet(place: str, ratchet: Ratchet, shown: RatchetSnapshot, names: NameTable) -> None:
    expect_equal(f"{place}.our_keyid", ratchet.our_keyid, shown.our_keyid)
    expect_equal(f"{place}.their_keyid", ratchet.their_keyid, shown.their_keyid)
    _match_keys(f"{place}.our_keys", ratchet.ours, shown.our_keys, names)
    _match_keys(f"{place}.their_keys", ratchet.theirs, shown.their_keys, names)
    expect_equal(f"{place}.sent", ratchet.sent, dict(shown.sent))
    expect_equal(f"{place}.received", ratchet.received, dict(shown.received))
    expect_equal(f"{place}.verified", ratchet.verified, shown.verified)


def _match_keys(place: str, names: Mapping[int, Dh], shown: Mapping[int, int], book: NameTable) -> None:
    expect_equal(f"{place} (ids)", _ids(names), _ids(shown))
    for keyid, name in names.items():
        bind(book, f"{place}[{keyid}]", name, shown[keyid])


def _ids(keys: Mapping[int, object]) -> Sequence[int]:
    return sorted(keys)
