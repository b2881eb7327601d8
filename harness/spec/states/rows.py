"""The state tables: the inputs, and the rows that say what each of them does. Every statement comes from the texts.

Where the texts leave a choice, the row names the reading and allows what its supported readings allow. The claims are
the requirements that the row's cells judge, positively or, with "!", negatively. A fragment is not an input of its own;
the reassembled message is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from otterproof.harness.spec.states.table import Cell, Input, Row, Sent, Setting, Shown, find, product
from otterproof.implementations.contract import AuthState, MessageState

P, E, F = MessageState.PLAINTEXT, MessageState.ENCRYPTED, MessageState.FINISHED
NONE, DHKEY, REVEALSIG, SIG = AuthState
USUAL, OFF, OTHER = Setting.USUAL, Setting.OFF, Setting.OTHER_VERSION
HANDSHAKE = (USUAL, OTHER)

_CLEAR = "Receiving plaintext without the whitespace tag"
_COMMIT, _KEY = "Receiving a D-H Commit Message", "Receiving a D-H Key Message"
_REVEAL, _SIGNATURE = "Receiving a Reveal Signature Message", "Receiving a Signature Message"
_DATA = "Receiving a Data Message"

INPUTS = (
    Input("plaintext", "plaintext", _CLEAR, (USUAL, Setting.REQUIRE, OFF)),
    Input(
        "tagged_plaintext",
        "plaintext with a tag for the version",
        "Receiving plaintext with the whitespace tag",
        (USUAL, Setting.REQUIRE, Setting.TAG_STARTS, OFF),
    ),
    Input("query", "query for the version", "Receiving a Query Message", (USUAL, OTHER, OFF)),
    Input("error", "Error Message", "Receiving an Error Message", (USUAL, Setting.ERROR_STARTS, OFF)),
    Input("commit", "D-H Commit", _COMMIT, (USUAL, OTHER, OFF)),
    Input("commit_lower", "D-H Commit with a lower hash than ours", _COMMIT, HANDSHAKE),
    Input("commit_higher", "D-H Commit with a higher hash than ours", _COMMIT, HANDSHAKE),
    Input("commit_equal", "our own D-H Commit's hash, in a D-H Commit", _COMMIT, HANDSHAKE),
    Input("dh_key", "D-H Key", _KEY, HANDSHAKE),
    Input("dh_key_same", "the same D-H Key again", _KEY, HANDSHAKE),
    Input("dh_key_other", "another D-H Key", _KEY, HANDSHAKE),
    Input("reveal", "Reveal Signature that is right", _REVEAL, HANDSHAKE),
    Input("reveal_wrong", "Reveal Signature with a wrong MAC", _REVEAL, HANDSHAKE),
    Input("reveal_stray", "Reveal Signature that nobody asked for", _REVEAL, HANDSHAKE),
    Input("signature", "Signature that is right", _SIGNATURE, HANDSHAKE),
    Input("signature_wrong", "Signature with a wrong MAC", _SIGNATURE, HANDSHAKE),
    Input("signature_stray", "Signature that nobody asked for", _SIGNATURE, HANDSHAKE),
    Input("key_exchange", "version 1 Key Exchange", "Receiving a Version 1 Key Exchange Message", versions=(2,)),
    Input("data", "Data Message", _DATA, (USUAL, OFF)),
    Input("data_replayed", "Data Message that came before", _DATA),
    Input("data_forged", "Data Message with a wrong MAC", _DATA),
    Input("data_unknown_key", "Data Message with an unknown key id", _DATA),
    Input("data_ignorable", "Data Message that can't be read, with IGNORE_UNREADABLE", _DATA),
    Input("data_end", "Data Message with a type 1 TLV", _DATA),
    Input("start", "the user asks to start", "User requests to start an OTR conversation", (USUAL, OFF)),
    Input(
        "send",
        "the user types a text",
        "User types a message to be sent",
        (USUAL, Setting.REQUIRE, Setting.SEND_TAG, OFF),
    ),
    Input("end", "the user asks to end", "User requests to end an OTR conversation", (USUAL, OFF)),
)

_NAMES = tuple(one.name for one in INPUTS)
_COMMITS = ("commit", "commit_lower", "commit_higher", "commit_equal")
_KEYS = ("dh_key", "dh_key_same", "dh_key_other")
_REVEALS = ("reveal", "reveal_wrong", "reveal_stray")
_SIGNATURES = ("signature", "signature_wrong", "signature_stray")

_ANY = (P, E, F)
_AUTHS = (NONE, DHKEY, REVEALSIG, SIG)


def _set(value: Any) -> frozenset[Any]:
    return frozenset(value if isinstance(value, tuple | set | frozenset) else (value,))


def _row(inputs: str | Iterable[str], messages: Any, auths: Any, settings: Any = USUAL, **said: Any) -> Row:
    names = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    return Row(names, _set(messages), _set(auths), _set(settings), **said)


def _but(*auths: AuthState) -> frozenset[AuthState]:
    return frozenset(_AUTHS) - set(auths)


_ALONE = "There is nothing to compare the hash with: only in AWAITING_DHKEY a D-H Commit of our own is waiting."
_SECOND = "Which D-H Key it is matters only where one was taken already, in AWAITING_SIG."
_NO_KEYS = "Without keys all Data Messages are alike."

ROWS = (
    # ---- OTR is off -------------------------------------------------------------------------------------------------
    _row(
        [name for name in _NAMES if name not in ("start", "send", "end")],
        P,
        NONE,
        OFF,
        shows=Shown.AS_IT_CAME,
        claims=("POLICY-OFF-1", "!POLICY-OFF-1"),
    ),
    _row("send", P, NONE, OFF, sends=(Sent.TEXT,), claims=("POLICY-OFF-1",)),
    _row(("start", "end"), P, NONE, OFF, shows=Shown.ANY, claims=("!POLICY-OFF-1",)),
    _row(_NAMES, P, _but(NONE), OFF, impossible="A client that is not to use OTR begins no handshake."),
    _row(_NAMES, (E, F), _AUTHS, OFF, impossible="A client that is not to use OTR has no session."),
    # ---- unencoded messages -----------------------------------------------------------------------------------------
    _row("plaintext", P, _AUTHS, shows=Shown.CLEAR, claims=("STATE-CLEAR-1", "STATE-CLEAR-3", "!STATE-CLEAR-2")),
    _row("plaintext", P, _AUTHS, Setting.REQUIRE, shows=Shown.WARNED, claims=("STATE-CLEAR-2", "!STATE-CLEAR-3")),
    _row(
        "plaintext",
        (E, F),
        _AUTHS,
        (USUAL, Setting.REQUIRE),
        shows=Shown.WARNED,
        claims=("STATE-CLEAR-4", "STATE-CLEAR-5", "STATE-CLEAR-6"),
    ),
    _row("tagged_plaintext", P, _AUTHS, shows=Shown.CLEAR, claims=("TAG-SHOW-1", "TAG-START-5", "!POLICY-START-1")),
    _row("tagged_plaintext", P, _AUTHS, Setting.REQUIRE, shows=Shown.WARNED, claims=("TAG-SHOW-2", "TAG-START-5")),
    _row(
        "tagged_plaintext",
        (E, F),
        _AUTHS,
        (USUAL, Setting.REQUIRE),
        shows=Shown.WARNED,
        claims=("TAG-SHOW-3", "TAG-SHOW-4", "TAG-START-5"),
    ),
    _row(
        "tagged_plaintext",
        P,
        _AUTHS,
        Setting.TAG_STARTS,
        sends=(Sent.COMMIT,),
        shows=Shown.CLEAR,
        auth=DHKEY,
        claims=("TAG-START-1", "TAG-START-3", "TAG-START-4", "TAG-START-6", "POLICY-START-1"),
    ),
    _row(
        "tagged_plaintext",
        (E, F),
        _AUTHS,
        Setting.TAG_STARTS,
        sends=(Sent.COMMIT,),
        shows=Shown.WARNED,
        auth=DHKEY,
        claims=("TAG-START-1", "TAG-START-3", "TAG-START-4", "TAG-START-6", "POLICY-START-1"),
    ),
    _row(
        "query",
        _ANY,
        _AUTHS,
        sends=(Sent.COMMIT,),
        shows=Shown.ANY,
        auth=DHKEY,
        claims=(
            "QUERY-ANSWER-2",
            "QUERY-ANSWER-4",
            "QUERY-ANSWER-5",
            "QUERY-ANSWER-7",
            "QUERY-ANSWER-8",
            "STATE-AUTH-2",
            "STATE-ENCRYPTED-3",
        ),
    ),
    _row(
        "query",
        _ANY,
        _AUTHS,
        OTHER,
        shows=Shown.ANY,
        claims=("QUERY-ANSWER-6", "!QUERY-ANSWER-2", "!QUERY-ANSWER-4", "!POLICY-V2-1", "!POLICY-V3-1"),
    ),
    _row("error", _ANY, _AUTHS, shows=Shown.ERROR, claims=("ERROR-SHOW-1", "ERROR-START-2", "ERROR-STATE-1")),
    _row(
        "error",
        _ANY,
        _AUTHS,
        Setting.ERROR_STARTS,
        sends=(Sent.QUERY,),
        shows=Shown.ERROR,
        claims=("ERROR-START-1", "ERROR-STATE-1", "POLICY-ERROR-1"),
    ),
    # ---- D-H Commit -------------------------------------------------------------------------------------------------
    _row(_COMMITS[1:], _ANY, _but(DHKEY), HANDSHAKE, impossible=_ALONE),
    _row("commit", _ANY, DHKEY, HANDSHAKE, impossible="Its hash is lower than ours, higher, or the same; see there."),
    _row("commit", _ANY, _but(DHKEY), OTHER, claims=("!COMMIT-POLICY-1", "!COMMIT-POLICY-2", "!COMMIT-NONE-1")),
    _row(_COMMITS[1:], _ANY, DHKEY, OTHER, claims=("!COMMIT-POLICY-1", "!COMMIT-POLICY-2", "!COMMIT-DHKEY-3")),
    _row(
        "commit",
        _ANY,
        NONE,
        sends=(Sent.DH_KEY,),
        auth=REVEALSIG,
        claims=("COMMIT-NONE-1", "COMMIT-NONE-2", "COMMIT-LIVE-1", "STATE-AUTH-1", "STATE-AUTH-3", "STATE-ENCRYPTED-3"),
    ),
    _row(
        "commit_lower",
        _ANY,
        DHKEY,
        sends=(Sent.COMMIT_AGAIN,),
        reading="COMMIT-RESEND",
        claims=("COMMIT-DHKEY-1", "COMMIT-DHKEY-2", "COMMIT-DHKEY-3", "COMMIT-DHKEY-4", "COMMIT-DHKEY-8"),
    ),
    _row(
        ("commit_higher", "commit_equal"),
        _ANY,
        DHKEY,
        sends=(Sent.DH_KEY,),
        auth=REVEALSIG,
        reading="COMMIT-EQUAL",
        claims=("!COMMIT-DHKEY-1", "!COMMIT-DHKEY-2", "!COMMIT-DHKEY-4", "COMMIT-DHKEY-5", "COMMIT-DHKEY-6"),
    ),
    _row(
        "commit",
        _ANY,
        REVEALSIG,
        sends=(Sent.DH_KEY_AGAIN,),
        claims=("COMMIT-REVEALSIG-1", "COMMIT-REVEALSIG-2", "COMMIT-REVEALSIG-3"),
    ),
    _row(
        "commit",
        _ANY,
        SIG,
        sends=(Sent.DH_KEY,),
        auth=REVEALSIG,
        claims=("COMMIT-SIG-1", "COMMIT-SIG-2", "!STATE-AUTH-4"),
    ),
    # ---- D-H Key ----------------------------------------------------------------------------------------------------
    _row(_KEYS[1:], _ANY, _but(SIG), HANDSHAKE, impossible=_SECOND),
    _row("dh_key", _ANY, SIG, HANDSHAKE, impossible="It is the same as before, or another; see there."),
    _row("dh_key", _ANY, _but(SIG), OTHER, claims=("!DHKEY-POLICY-1", "!DHKEY-POLICY-2", "!DHKEY-DHKEY-1")),
    _row(_KEYS[1:], _ANY, SIG, OTHER, claims=("!DHKEY-POLICY-1", "!DHKEY-POLICY-2", "!DHKEY-SIG-1")),
    _row("dh_key", _ANY, NONE, claims=("DHKEY-NONE-1", "!STATE-AUTH-1", "!STATE-AUTH-2")),
    _row("dh_key", _ANY, REVEALSIG, claims=("DHKEY-REVEALSIG-1", "!STATE-AUTH-2")),
    _row(
        "dh_key",
        _ANY,
        DHKEY,
        sends=(Sent.REVEAL,),
        auth=SIG,
        claims=("DHKEY-DHKEY-1", "DHKEY-DHKEY-2", "STATE-AUTH-2", "STATE-AUTH-4", "STATE-ENCRYPTED-3", "!DHKEY-NONE-1"),
    ),
    _row("dh_key_same", _ANY, SIG, sends=(Sent.REVEAL_AGAIN,), claims=("DHKEY-SIG-1", "!DHKEY-SIG-2")),
    _row("dh_key_other", _ANY, SIG, claims=("DHKEY-SIG-2", "!DHKEY-SIG-1", "!DHKEY-DHKEY-2")),
    # ---- Reveal Signature -------------------------------------------------------------------------------------------
    _row(
        _REVEALS[:2], _ANY, _but(REVEALSIG), HANDSHAKE, impossible="No handshake is under way that it could belong to."
    ),
    _row("reveal_stray", _ANY, REVEALSIG, HANDSHAKE, impossible="Here one is asked for; it is right or wrong."),
    _row(_REVEALS[:2], _ANY, REVEALSIG, OTHER, claims=("!REVEAL-POLICY-1", "!REVEAL-POLICY-2", "!REVEAL-ACCEPT-2")),
    _row("reveal_stray", _ANY, _but(REVEALSIG), OTHER, claims=("!REVEAL-POLICY-1", "!REVEAL-POLICY-2")),
    _row(
        "reveal",
        _ANY,
        REVEALSIG,
        sends=(Sent.SIGNATURE,),
        shows=Shown.ESTABLISHED,
        message=E,
        auth=NONE,
        claims=(
            "REVEAL-ACCEPT-2",
            "REVEAL-ACCEPT-3",
            "REVEAL-ACCEPT-4",
            "STATE-AUTH-3",
            "STATE-AUTH-6",
            "STATE-AUTH-7",
        ),
    ),
    _row(
        "reveal_wrong",
        _ANY,
        REVEALSIG,
        reading="AKE-FAIL-STATE",
        auth=REVEALSIG,
        or_auth=NONE,
        claims=("REVEAL-REJECT-1", "!REVEAL-ACCEPT-1", "!REVEAL-ACCEPT-2", "!STATE-AUTH-6", "!STATE-AUTH-7"),
    ),
    _row("reveal_stray", _ANY, NONE, claims=("REVEAL-NONE-1", "REVEAL-IGNORED-1", "!STATE-AUTH-1", "!STATE-AUTH-3")),
    _row("reveal_stray", _ANY, DHKEY, claims=("REVEAL-DHKEY-1", "REVEAL-IGNORED-1", "!STATE-AUTH-3")),
    _row("reveal_stray", _ANY, SIG, claims=("REVEAL-AWAITSIG-1", "REVEAL-IGNORED-1", "!STATE-AUTH-3")),
    # ---- Signature --------------------------------------------------------------------------------------------------
    _row(_SIGNATURES[:2], _ANY, _but(SIG), HANDSHAKE, impossible="No handshake is under way that it could belong to."),
    _row("signature_stray", _ANY, SIG, HANDSHAKE, impossible="Here one is asked for; it is right or wrong."),
    _row(_SIGNATURES[:2], _ANY, SIG, OTHER, claims=("!SIG-POLICY-1", "!SIG-POLICY-2", "!SIG-ACCEPT-3")),
    _row("signature_stray", _ANY, _but(SIG), OTHER, claims=("!SIG-POLICY-1", "!SIG-POLICY-2")),
    _row(
        "signature",
        _ANY,
        SIG,
        shows=Shown.ESTABLISHED,
        message=E,
        auth=NONE,
        claims=("SIG-ACCEPT-2", "SIG-ACCEPT-3", "STATE-AUTH-4", "STATE-AUTH-6", "STATE-AUTH-7"),
    ),
    _row(
        "signature_wrong",
        _ANY,
        SIG,
        reading="AKE-FAIL-STATE",
        auth=SIG,
        or_auth=NONE,
        claims=("SIG-REJECT-1", "!SIG-ACCEPT-1", "!SIG-ACCEPT-3", "!STATE-AUTH-6", "!STATE-AUTH-7"),
    ),
    _row("signature_stray", _ANY, NONE, claims=("SIG-NONE-1", "!STATE-AUTH-1", "!STATE-AUTH-4")),
    _row("signature_stray", _ANY, DHKEY, claims=("SIG-DHKEY-1", "!STATE-AUTH-4")),
    _row("signature_stray", _ANY, REVEALSIG, claims=("SIG-REVEALSIG-1", "!STATE-AUTH-4")),
    # ---- other encoded messages -------------------------------------------------------------------------------------
    _row("key_exchange", _ANY, _AUTHS, claims=("AKE-V1-1",)),
    _row("data", E, _AUTHS, shows=Shown.SECURE, claims=("DATA-RECV-2", "DATA-RECV-1", "STATE-ENCRYPTED-3")),
    _row(
        ("data_replayed", "data_forged", "data_unknown_key"),
        E,
        _AUTHS,
        sends=(Sent.ERROR,),
        shows=Shown.UNREADABLE,
        claims=("!DATA-RECV-1", "!DATA-RECV-2", "DATA-RECV-7", "DATA-RECV-10", "DATA-RECV-12"),
    ),
    _row("data_ignorable", E, _AUTHS, claims=("DATA-FLAGS-4", "!DATA-RECV-7")),
    _row(
        "data_end",
        E,
        _AUTHS,
        shows=Shown.FINISHED,
        message=F,
        reading="END-HANDSHAKE",
        or_auth=NONE,
        claims=("STATE-ENDED-1", "STATE-ENDED-2", "STATE-FINISHED-2"),
    ),
    _row(
        "data",
        (P, F),
        _AUTHS,
        sends=(Sent.ERROR,),
        shows=Shown.UNREADABLE,
        reading="DATA-UNREADABLE-REPLY",
        claims=("DATA-RECV-8", "DATA-RECV-9", "STATE-ENDED-3"),
    ),
    _row(
        "data_ignorable",
        (P, F),
        _AUTHS,
        shows=Shown.ANY,
        reading="DATA-IGNORE-FLAG",
        or_sends=(Sent.ERROR,),
        claims=("DATA-FLAGS-4", "!DATA-RECV-8"),
    ),
    _row(("data_replayed", "data_forged", "data_unknown_key", "data_end"), (P, F), _AUTHS, impossible=_NO_KEYS),
    # ---- the user ---------------------------------------------------------------------------------------------------
    _row("start", _ANY, _AUTHS, sends=(Sent.QUERY,), claims=("USER-START-1", "USER-START-2")),
    _row("send", P, _AUTHS, sends=(Sent.TEXT,), claims=("USER-SEND-2", "STATE-PLAINTEXT-2", "!POLICY-TAG-1")),
    _row("send", P, _AUTHS, Setting.REQUIRE, sends=(Sent.QUERY,), claims=("USER-SEND-1", "POLICY-REQUIRE-1")),
    _row("send", P, _AUTHS, Setting.SEND_TAG, sends=(Sent.TAGGED,), claims=("USER-SEND-3", "POLICY-TAG-1")),
    _row(
        "send",
        E,
        _AUTHS,
        (USUAL, Setting.REQUIRE, Setting.SEND_TAG),
        sends=(Sent.DATA,),
        claims=("USER-SEND-6", "STATE-ENCRYPTED-1", "STATE-ENCRYPTED-3", "!USER-SEND-5"),
    ),
    _row(
        "send",
        F,
        _AUTHS,
        (USUAL, Setting.REQUIRE, Setting.SEND_TAG),
        shows=Shown.REFUSED,
        claims=("USER-SEND-8", "USER-SEND-10", "STATE-FINISHED-1", "!USER-SEND-5"),
    ),
    _row("end", P, _AUTHS, claims=("USER-END-1", "!USER-END-2")),
    _row(
        "end",
        E,
        _AUTHS,
        sends=(Sent.DATA_END,),
        message=P,
        reading="END-HANDSHAKE",
        or_auth=NONE,
        claims=("USER-END-2", "USER-END-3", "STATE-PLAINTEXT-3"),
    ),
    _row(
        "end",
        F,
        _AUTHS,
        message=P,
        reading="END-HANDSHAKE",
        or_auth=NONE,
        claims=("USER-END-4", "!USER-END-2", "STATE-PLAINTEXT-3"),
    ),
)


@cache
def filled() -> Mapping[Cell, Row]:
    """The row of every cell. LookupError if a cell has no row or several."""
    return {cell: find(ROWS, cell) for cell in product(INPUTS)}


def possible() -> list[Cell]:
    """All cells that can occur."""
    return [cell for cell, row in filled().items() if not row.impossible]
