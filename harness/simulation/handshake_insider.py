"""The insider in a handshake: in place of its client's message, it sends one that is right except for one thing.

It finds the keys that it needs by trying: the secrets that the client shows, with the D-H values that have crossed the
network. Whether a message must be refused is decided from the message itself, so an insider may change a message as
often as it likes. [otterproof.harness.simulation.insider]
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from otterproof.harness.simulation.moves import Craft
from otterproof.harness.targets.party import Party, ShowsSecrets, shows_secrets, state_of
from otterproof.harness.wire import Kind, Message, build, crypto, parse, parse_once
from otterproof.harness.wire.craft_handshake import (
    COMMIT_PARTS,
    FOR_COMMIT,
    OWN_KEY,
    SIGNED_PARTS,
    OpenCommit,
    OwnKey,
    altered_commit,
    altered_dh_key,
    altered_signed,
    for_commit,
    opened,
)
from otterproof.harness.wire.layers import Layer, parse_signature_block
from otterproof.harness.wire.layouts import DH_GENERATOR
from otterproof.harness.wire.numbers import dsa_verifies, fingerprint, mpi, power
from otterproof.harness.wire.signed import SignedMessage
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey, RatchetSnapshot

#: The sizes in bytes that a D-H exponent can have, with leading zeros or without.
_EXPONENT = range(32, 41)

#: How many D-H values of others are tried, the latest first.
_TRIED = 4

#: The sizes in bits of p and of q in keys of our engines. [choice keys.dsa-ranges]
_P, _Q = (1024, 2048, 3072), 160


@dataclass(frozen=True, slots=True)
class Refusal:
    """The check that a receiver fails if it takes a message for genuine.

    strictly: the text leaves this open, and only the engines of this project must refuse it.
    """

    check: str
    strictly: bool = False


@dataclass(frozen=True, slots=True)
class CraftedHandshake:
    """A message of an insider in a handshake. name, instead_of: the names of this message and of the client's own.

    commit, signed: what it is made from, if it is a commit or a signed message. ssid, keyid, fingerprint: of the
    session that a signed message leads to, of its sender's D-H key, and of the public key in it, as far as they can be
    read. in_session: whether that D-H key has that id in an existing session.
    """

    raw: bytes
    name: bytes
    instead_of: bytes
    sender: str
    commit: OpenCommit | None = None
    signed: SignedMessage | None = None
    ssid: bytes = b""
    keyid: int = 0
    in_session: bool = False
    fingerprint: bytes = b""

    @property
    def refusal(self) -> Refusal | None:
        """Why it must be refused; worked out when it is asked for, as most messages are refused anyway."""
        return refusal(self.signed) if self.signed is not None else None

    @property
    def keyids(self) -> tuple[int, ...]:
        """The ids of keys that the receiver may send to afterwards: if it knows this key, it may know the next one."""
        return (self.keyid, self.keyid + 1) if self.in_session else (self.keyid,)

    def after(self, earlier: object) -> CraftedHandshake:
        """The same, if it was made from an earlier message of an insider."""
        return replace(self, instead_of=earlier.instead_of) if isinstance(earlier, CraftedHandshake) else self


def name_of(message: Message) -> bytes:
    """What identifies a message: if it has a MAC, what the MAC proves; else all of it."""
    return message.authenticated or message.proof or hashlib.sha256(message.body).digest()


@dataclass(frozen=True, slots=True)
class Known:
    """What an insider knows besides its client's secrets.

    keys: the long-term keys of parties, and of strangers. crafted: what insiders have made of messages, by name. sent:
    the messages that were sent, each with its sender; the rest is not looked at.
    """

    keys: Mapping[str, DsaPrivateKey]
    crafted: Mapping[bytes, object]
    sent: Sequence[tuple[str, bytes, object]]

    def dh_values(self, sender: str) -> Iterator[int]:
        """The g^y that others have sent, without duplicates, the latest first."""
        seen: set[int] = set()
        for who, raw, _ in reversed(self.sent):
            message = parse_once(raw)
            if who == sender or message.kind is not Kind.DH_KEY or not message.has("gy"):
                continue
            value = message.number("gy")
            if value not in seen:
                seen.add(value)
                yield value

    def commits(self, sender: str) -> Iterator[OpenCommit]:
        """The commits that insiders made in the name of a sender, the latest first."""
        for who, raw, _ in reversed(self.sent):
            one = self.crafted.get(name_of(parse_once(raw))) if who == sender else None
            if isinstance(one, CraftedHandshake) and one.commit is not None:
                yield one.commit


def crafted_handshake(
    message: Message, move: Craft, senders: Iterable[tuple[str, Party]], known: Known
) -> CraftedHandshake | None:
    """What an insider makes of a handshake message; None if it can't. senders: the parties that may have sent it."""
    name = name_of(message)
    earlier = known.crafted.get(name)
    for sender, party in senders:
        if not shows_secrets(party):
            continue
        made: CraftedHandshake | None = None
        base = CraftedHandshake(b"", b"", name, sender)
        mine = earlier if isinstance(earlier, CraftedHandshake) and earlier.sender == sender else base
        if message.kind is Kind.DH_COMMIT and move.part in (*COMMIT_PARTS, OWN_KEY):
            commit = mine.commit or _opened(message, party)
            changed = _other_commit(commit, party, move) if commit is not None else None
            made = _made(base, changed.message, commit=changed) if changed is not None else None
        elif message.kind is Kind.DH_KEY and move.part == "gy":
            raw = altered_dh_key(build(message), move.value)
            made = _made(base, parse_once(raw)) if raw is not None else None
        elif message.proof is not None and move.part in (*SIGNED_PARTS, FOR_COMMIT):
            signed = mine.signed or _signed(message, sender, party, move.to, known)
            result = _altered(signed, sender, party, move, known) if signed is not None else None
            made = _of_signed(base, result, _own_keys(party)) if result is not None else None
        if made is not None:
            return made
    return None


def _other_commit(commit: OpenCommit, party: ShowsSecrets, move: Craft) -> OpenCommit | None:
    if move.part != OWN_KEY:
        return altered_commit(commit, move.part, move.number, move.value)
    keys = _own_keys(party)
    return commit.to(mpi(keys[move.number % len(keys)][1])) if keys else None


def _altered(
    signed: SignedMessage, sender: str, party: ShowsSecrets, move: Craft, known: Known
) -> SignedMessage | None:
    if move.part != FOR_COMMIT:
        return altered_signed(signed, move.part, move.number, move.value)
    commit = next(known.commits(sender), None)
    if commit is None or signed.primed:
        return None
    keyid = next((keyid for keyid, public in _own_keys(party) if public == commit.gx), None)
    exponent = None if keyid is None else exponent_of(party, commit.gx)
    own = None if keyid is None or exponent is None else OwnKey(keyid, exponent)
    made = for_commit(signed, commit, move.number, own)
    return None if made is None or made.message.body == signed.message.body else made


def _made(base: CraftedHandshake, message: Message, commit: OpenCommit | None = None) -> CraftedHandshake:
    return replace(base, raw=build(message), name=name_of(message), commit=commit)


def _of_signed(base: CraftedHandshake, signed: SignedMessage, own: Collection[tuple[int, int]]) -> CraftedHandshake:
    layer = parse_signature_block(signed.block)
    there = {one.name: one.value for one in layer.fields}
    keyid = there.get("keyid")
    key = _key_in(layer)
    return replace(
        _made(base, signed.message),
        signed=signed,
        ssid=signed.keys.ssid,
        keyid=keyid if isinstance(keyid, int) else 0,
        in_session=(keyid, signed.ours) in own,
        fingerprint=fingerprint(key) if key is not None else b"",
    )


# ---- what is found by trying


def _ratchets(party: ShowsSecrets) -> Sequence[RatchetSnapshot]:
    state = state_of(party)
    return [one.ratchet for one in state.sessions if one.ratchet is not None] if state is not None else []


def _own_keys(party: ShowsSecrets) -> Sequence[tuple[int, int]]:
    """The key ids and D-H keys of a party in its sessions; in each session the previous one comes first."""
    return [item for ratchet in _ratchets(party) for item in sorted(ratchet.our_keys.items())]


def _exponents(party: ShowsSecrets, keyid: int = 0) -> Sequence[int]:
    """The secrets of a party that can be D-H exponents; first those whose names end with a key id."""
    found = [(name, int.from_bytes(one)) for name, one in party.secrets().items() if len(one) in _EXPONENT]
    if keyid:
        found.sort(key=lambda one: not one[0].endswith(f" {keyid}"))
    return list(dict.fromkeys(number for _, number in found))


def exponent_of(party: ShowsSecrets, public: int, keyid: int = 0) -> int | None:
    """The exponent of a D-H key of a party; None if the party does not hold it. keyid: the key's id, 0 if unknown."""
    return next((one for one in _exponents(party, keyid) if power(DH_GENERATOR, one) == public), None)


def _opened(message: Message, party: ShowsSecrets) -> OpenCommit | None:
    """A commit of a party whose secrets are known, with the key that opens it."""
    return next((one for key in party.secrets().values() if (one := opened(message, key)) is not None), None)


def _signed(message: Message, sender: str, party: ShowsSecrets, to: str, known: Known) -> SignedMessage | None:
    """A signed message of a party whose secrets and long-term key are known, with its keys."""
    if sender not in known.keys:
        return None
    primed, exponents = message.kind is Kind.SIGNATURE, _exponents(party)
    values = list(islice(known.dh_values(sender), _TRIED))
    if primed and state_of(party) is not None:
        values = [key for ratchet in _ratchets(party) for key in ratchet.their_keys.values()]
    others = tuple(key for name, key in known.keys.items() if name not in (sender, to))
    others += (known.keys[to],) if to in known.keys else ()
    for theirs in values:
        for exponent in exponents:
            ours = power(DH_GENERATOR, exponent)
            keys = crypto.handshake_keys(power(theirs, exponent))
            made = SignedMessage(message, keys, primed, ours, theirs, known.keys[sender], others)
            if _mac_is_right(made, made.own[2]):
                return made
    return None


def _mac_is_right(signed: SignedMessage, m2: bytes) -> bool:
    mac = hmac.digest(m2, signed.message.raw("encrypted_signature"), "sha256")[:20]
    return mac == signed.message.data("mac")


# ---- what must be refused


def refusal(signed: SignedMessage) -> Refusal | None:
    """Why a signed message must not be taken for genuine; None if it may be."""
    kind = "signature-message" if signed.primed else "reveal-signature"
    if not _mac_is_right(signed, signed.own[2]):
        turned = replace(signed, primed=False)
        if signed.primed and _mac_is_right(turned, turned.own[2]) and _verifies(turned):
            return Refusal("handshake.other-direction-accepted")
        return Refusal(f"handshake.{kind}-mac-not-verified")
    layer = parse_signature_block(signed.block)
    if layer.problems:
        return _malformed(signed, layer)
    key = _key_in(layer)
    if key is None or layer.value("pubkey_type") != 0:
        return Refusal("encoding.other-key-type-accepted")
    if layer.value("keyid") == 0:
        return Refusal("handshake.key-id-0-accepted")
    if key.q.bit_length() > _Q:
        return Refusal("encoding.long-q-accepted")
    r, s = int.from_bytes(signed.block[-40:-20]), int.from_bytes(signed.block[-20:])
    if not (0 < r < key.q and 0 < s < key.q):
        return Refusal("encoding.signature-out-of-range-accepted")
    if not _verifies(signed):
        if any(_verifies(one) for one in _put_right(signed)):
            return Refusal("handshake.malformed-signature-block-accepted")
        m = signed.m()
        again = (hashlib.sha256(m).digest(), hashlib.sha1(m).digest(), m[:20])
        if any(_signs(key, one, signed.block[-40:]) for one in again):
            return Refusal("handshake.signed-hash-of-m-accepted")
        return Refusal(f"handshake.{kind}-dsa-not-verified")
    usual = key.p.bit_length() in _P and key.q.bit_length() == _Q and 1 < key.g < key.p and 1 < key.y < key.p
    return None if usual else Refusal("encoding.absurd-key-accepted", strictly=True)


def _malformed(signed: SignedMessage, layer: Layer) -> Refusal | None:
    """Why a malformed block must be refused; None if the text leaves that open."""
    c, _, m2 = signed.own
    encrypted = signed.message.data("encrypted_signature")
    others = (
        encrypted,
        crypto.aes_ctr(signed.opposite[0], bytes(8), encrypted),
        crypto.aes_ctr(c, (1).to_bytes(8), encrypted),
        crypto.aes_ctr(m2[:16], bytes(8), encrypted),
    )
    if any(not parse_signature_block(block).problems for block in others):
        return Refusal("handshake.wrong-encryption-accepted")
    codes = {one.code for one in layer.problems}
    if codes & {"missing", "short"}:
        cut = any(one.field == "signature" and one.code == "short" for one in layer.problems)
        return Refusal(
            "encoding.signature-wrong-size-accepted" if cut else "handshake.malformed-signature-block-accepted"
        )
    return Refusal("handshake.malformed-signature-block-accepted", strictly=True) if codes == {"trailing"} else None


def _put_right(signed: SignedMessage) -> Iterator[SignedMessage]:
    """The message with its key id in the right place, if it was behind the signature or first in the block."""
    block = signed.block
    for right in (block[:-44] + block[-4:] + block[-44:-4], block[4:-40] + block[:4] + block[-40:]):
        yield replace(signed, message=parse(signed.with_block(right)))


def _key_in(layer: Layer) -> DsaPublicKey | None:
    """The public key in a block, if it is complete."""
    there = {one.name: one.value for one in layer.fields}
    numbers = [value for name in ("p", "q", "g", "y") if isinstance(value := there.get(name), int)]
    return DsaPublicKey(*numbers) if len(numbers) == 4 else None


def _verifies(signed: SignedMessage) -> bool:
    """Whether the signature in a complete block is right for the rest of it."""
    layer = parse_signature_block(signed.block)
    key = None if layer.problems else _key_in(layer)
    if key is None:
        return False
    return _signs(key, signed.m(), signed.block[-40:])


def _signs(key: DsaPublicKey, value: bytes, signature: bytes) -> bool:
    """Whether r and s are a signature under a key, which may be absurd."""
    try:
        return key.p > 0 and key.q > 0 and dsa_verifies(key, value, signature)
    except ValueError:
        return False  # s has no inverse
