"""How fast the engines are, as ratios: to the bare cryptography that the protocol demands, and to other engines.

Both sides of a ratio are measured in turns in the same run, in many short rounds, and the ratio is that of the medians:
a machine that is slow for a while is slow for both. The bare cryptography is not estimated. The primitives that a
message or a handshake needs are counted below, and timed with the libraries that the reference engine uses.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.utils import CryptographyDeprecationWarning

from otterproof.harness.runs.bench_cases import in_process, through_driver
from otterproof.harness.simulation.exchange import exchange
from otterproof.harness.targets.driver import THIRD_PARTIES, DriverTarget, TargetMissing
from otterproof.harness.targets.driver.third_party import ENGINE_DRIVERS
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import DH_PRIME
from otterproof.implementations.contract import OutgoingMessage, PartyConfig, Policy
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine

with warnings.catch_warnings():  # looking the names up warns of their removal in a later release
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    from cryptography.hazmat.primitives.asymmetric.dh import DHParameterNumbers, DHPrivateNumbers, DHPublicNumbers

TEXT = b"A message of ordinary length, as people write them."


#: Cases of `fuzz` in a round. They differ a lot in how much cryptography they need.
_CASES = 24


@dataclass(frozen=True, slots=True)
class Primitives:
    """How many of each primitive are needed, by both parties together.

    dh: exponentiations, each with another base, as the library does them: making a public key from a number, and the
    exchange. dh_keys: how many of the exponents are new, so that the library's private key has to be made.
    """

    dh: int = 0
    dh_keys: int = 0
    aes: int = 0
    hmac: int = 0
    hashes: int = 0
    dsa_sign: int = 0
    dsa_verify: int = 0


#: One data message that changes keys, from `send` to the end of `receive`: the secret of the new key pair on each
#: side, and one new D-H key; encryption and decryption; the MAC and its check; on each side two h1 and two hashes for
#: MAC keys.
RATCHETING_MESSAGE = Primitives(dh=3, dh_keys=1, aes=2, hmac=2, hashes=8)

#: A handshake: g^x, g^y, the secret twice, and each side's next D-H key; gx, X_B and X_A encrypted and decrypted; M_B
#: and M_A and their MACs, each made and checked; SHA-256 of gx twice; on each side six h2, the first session keys, a
#: signature made and checked, and the fingerprint of the other's key.
HANDSHAKE = Primitives(dh=6, dh_keys=4, aes=6, hmac=8, hashes=24, dsa_sign=2, dsa_verify=2)


def _once(count: int, call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count


def bare(needs: Primitives) -> Callable[[], None]:
    """A function that does the cryptography of `needs` and nothing else."""
    group = DHParameterNumbers(DH_PRIME, 2)
    generator = DHPublicNumbers(2, group)
    private = DHPrivateNumbers(int.from_bytes(os.urandom(40)), generator).private_key()
    exponent, base = int.from_bytes(os.urandom(40)), int.from_bytes(private.exchange(generator.public_key()))
    key = published_key("alice")
    p, q, g = key.public.p, key.public.q, key.public.g
    verifier = dsa.DSAPublicNumbers(key.public.y, dsa.DSAParameterNumbers(p, q, g)).public_key()
    nonce = int.from_bytes(os.urandom(20)) % q
    r = pow(g, nonce, p) % q
    signature = encode_dss_signature(r, pow(nonce, -1, q) * (key.x * r) % q)
    digest, message = bytes(20), bytes(300)

    def run() -> None:
        for _ in range(needs.dh_keys):
            DHPrivateNumbers(exponent, generator).private_key()
        for _ in range(needs.dh):
            private.exchange(DHPublicNumbers(base, group).public_key())
        for _ in range(needs.aes):
            Cipher(AES(bytes(16)), CTR(bytes(16))).encryptor().update(TEXT)
        for _ in range(needs.hmac):
            hmac.digest(bytes(20), message, "sha1")
        for _ in range(needs.hashes):
            hashlib.sha1(message).digest()
        for _ in range(needs.dsa_sign):
            pow(g, nonce, p)
        for _ in range(needs.dsa_verify):
            verifier.verify(signature, digest, Prehashed(SHA1()))

    return run


def _engines(seed: bytes) -> tuple[ReferenceEngine, ReferenceEngine]:
    alice, bob = (
        ReferenceEngine(PartyConfig(published_key(name), Policy.ALLOW_V3), SeededEntropy(seed).child(name))
        for name in ("alice", "bob")
    )
    return alice, bob


def _shake_hands(alice: ReferenceEngine, bob: ReferenceEngine) -> None:
    exchange({"alice": alice, "bob": bob}, "alice", alice.start())


def ratcheting(rounds: int, batch: int) -> tuple[list[float], list[float]]:
    """Seconds per ratcheting message: (bare cryptography, reference engine), one pair per round."""
    alice, bob = _engines(b"bench")
    _shake_hands(alice, bob)
    crypto = bare(RATCHETING_MESSAGE)

    def round_trip() -> None:
        for sender, receiver in ((alice, bob), (bob, alice)):
            (event,) = sender.send(TEXT)
            if isinstance(event, OutgoingMessage):
                receiver.receive(event.message)

    pairs = [(_once(batch, crypto), _once(batch // 2, round_trip) / 2) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def handshakes(rounds: int, batch: int) -> tuple[list[float], list[float]]:
    """Seconds per handshake: (bare cryptography, reference engine), one pair per round."""
    crypto = bare(HANDSHAKE)
    pairs = []
    for number in range(rounds):
        engines = [_engines(b"bench %d %d" % (number, index)) for index in range(batch)]
        parties = iter(engines)
        pairs.append((_once(batch, crypto), _once(batch, lambda: _shake_hands(*next(parties)))))  # noqa: B023
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def snapshots(rounds: int) -> list[float]:
    """Seconds for taking a snapshot of an encrypted engine and restoring it."""
    alice, bob = _engines(b"bench")
    _shake_hands(alice, bob)
    return [_once(100, lambda: alice.restore(alice.snapshot())) for _ in range(rounds)]


def driver_calls(name: str, rounds: int) -> list[float]:
    """Seconds for a call that does nothing (setting a time that has not changed) to the driver of an engine."""
    target = DriverTarget(name, ENGINE_DRIVERS[name])
    try:
        party = target.party("bench", PartyConfig(published_key("alice")), b"bench")
        return [_once(100, lambda: party.set_time(0)) for _ in range(rounds)]
    finally:
        target.close()


def libotr_messages(rounds: int, batch: int) -> list[float]:
    """Seconds per ratcheting message of libotr, with both sides in its own process. TargetMissing."""
    target = DriverTarget("libotr", THIRD_PARTIES["libotr"].ready())
    try:
        parties = {
            name: target.party(name, PartyConfig(published_key(name), Policy.ALLOW_V3), b"bench")
            for name in ("alice", "bob")
        }
        exchange(parties, "alice", parties["alice"].start())
        told = {"party": "alice", "other": "bob", "text": TEXT.decode(), "messages": batch}
        return [float(target.call("bench", told)["seconds"]) / batch for _ in range(rounds)]
    finally:
        target.close()


def ratio(pairs: tuple[list[float], list[float]]) -> float:
    """The median of the second figures, divided by that of the first."""
    return statistics.median(pairs[1]) / statistics.median(pairs[0])


def ratio_of_all(pairs: tuple[list[float], list[float]]) -> float:
    """The sum of the second figures, divided by that of the first: for rounds that do different things."""
    return sum(pairs[1]) / sum(pairs[0])


# ---- what the figures mean


class Bound(Enum):
    """On which side of its limit a figure should be."""

    MOST = "max"
    LEAST = "min"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a figure means. unit: "" for a ratio. limit: None if the figure only explains others."""

    text: str
    unit: str = ""
    bound: Bound = Bound.MOST
    limit: float | None = None


#: Every figure. The limits leave room for a busy machine; docs/explanation/measuring.md has what idle ones measure.
FIGURES: Mapping[str, Meaning] = {
    "ratchet_vs_crypto": Meaning("time of a message that changes keys, over that of the cryptography in it", limit=1.6),
    "ake_vs_crypto": Meaning("time of a handshake, over that of the cryptography in it", limit=1.3),
    "ratchet_vs_libotr": Meaning("messages that change keys in a second, over libotr's", bound=Bound.LEAST, limit=2.0),
    "snapshot": Meaning("copying the state of an engine in a session, and going back to it", "us", limit=10),
    "driver_call": Meaning(
        "a call of a driver that does nothing, through the process that guards it", "us", limit=2000
    ),
    "fuzz_vs_crypto": Meaning("a case of `fuzz` in process, over the cryptography in it", limit=1.5),
    "fuzz_driver_vs_crypto": Meaning("a case of `fuzz` through a driver, over the cryptography in it", limit=2.0),
    "detection_ratio": Meaning("programs until a fault is noticed, median, over those of single acts", limit=0.5),
    "detection_share": Meaning("faults that are noticed within a minute of a processor", bound=Bound.LEAST, limit=0.95),
    "ratcheting_message": Meaning("a message that changes keys, sent and received", "ms"),
    "ratcheting_message_crypto": Meaning("the cryptography in it", "ms"),
    "libotr_ratcheting_message": Meaning("the same message, by libotr", "ms"),
    "fuzz_case": Meaning("a case of `fuzz` in process", "ms"),
    "fuzz_driver_case": Meaning("a case of `fuzz` through a driver", "ms"),
    "handshake": Meaning("a handshake, both sides", "ms"),
    "handshake_crypto": Meaning("the cryptography in it", "ms"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure. value: in the unit of its meaning."""

    name: str
    value: float

    @property
    def meaning(self) -> Meaning:
        """What it means."""
        return FIGURES[self.name]

    @property
    def within(self) -> bool | None:
        """Whether it is on the right side of its limit; None if it has no limit."""
        meaning = self.meaning
        if meaning.limit is None:
            return None
        return self.value <= meaning.limit if meaning.bound is Bound.MOST else self.value >= meaning.limit


#: How many of each unit make a second.
_IN_A_SECOND = {"ms": 1e3, "us": 1e6}

#: The first figure of each measurement, in the order in which `measure` makes them.
MEASUREMENTS = (
    "ratchet_vs_crypto",
    "ake_vs_crypto",
    "snapshot",
    "driver_call",
    "fuzz_vs_crypto",
    "fuzz_driver_vs_crypto",
    "ratchet_vs_libotr",
)


def measure(rounds: int = 15) -> Iterator[tuple[Figure, ...]]:
    """Measure everything; yields the figures of each measurement when it is done. Without libotr, its are left out."""

    def timed(name: str, seconds: list[float]) -> Figure:
        return Figure(name, statistics.median(seconds) * _IN_A_SECOND[FIGURES[name].unit])

    pairs = ratcheting(rounds, 40)
    ours = statistics.median(pairs[1])
    yield (
        Figure("ratchet_vs_crypto", ratio(pairs)),
        timed("ratcheting_message", pairs[1]),
        timed("ratcheting_message_crypto", pairs[0]),
    )
    pairs = handshakes(rounds, 8)
    yield (
        Figure("ake_vs_crypto", ratio(pairs)),
        timed("handshake", pairs[1]),
        timed("handshake_crypto", pairs[0]),
    )
    yield (timed("snapshot", snapshots(rounds)),)
    slowest = max((driver_calls(name, rounds) for name in ENGINE_DRIVERS), key=statistics.median)
    yield (timed("driver_call", slowest),)
    pairs = in_process(max(1, rounds * 2 // 3), _CASES)
    yield (Figure("fuzz_vs_crypto", ratio_of_all(pairs)), timed("fuzz_case", pairs[1]))
    pairs = through_driver(max(1, rounds * 2 // 3), _CASES)
    yield (Figure("fuzz_driver_vs_crypto", ratio_of_all(pairs)), timed("fuzz_driver_case", pairs[1]))
    try:
        libotr = libotr_messages(rounds, 20)
    except TargetMissing:
        return
    yield (
        Figure("ratchet_vs_libotr", statistics.median(libotr) / ours),
        timed("libotr_ratcheting_message", libotr),
    )
