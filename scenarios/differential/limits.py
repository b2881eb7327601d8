"""Limits: values for a party's configuration and its users' requests, just inside and just outside the contract's
limits.

Both engines must accept and refuse the same values. Limits of the protocol are judged elsewhere, for any target; here
the two engines are compared with each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from otterproof.harness.testkit.context import TARGET_TAG, check
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import SMP_ORDER
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    MAX_EXTRA_KEY_DATA,
    MAX_INSTANCES,
    MAX_PADDING,
    MAX_QUESTION,
    MAX_REASSEMBLY,
    MAX_TEXT,
    MIN_INSTANCE_TAG,
    MIN_MESSAGE_SIZE,
    DsaPrivateKey,
    Engine,
    OtrError,
    PartyConfig,
    Policy,
)
from otterproof.implementations.entropy import SeededEntropy
from otterproof.scenarios.differential.comparison import BOTH, Comparison, differential

_KEY = published_key("alice")
_P, _Q, _G, _Y = (getattr(_KEY.public, name) for name in "pqgy")


def _key(x: int = _KEY.x, **parameters: int) -> DsaPrivateKey:
    return DsaPrivateKey(replace(_KEY.public, **parameters), x)


#: Values of a configuration, other settings being valid, and whether they are refused.
CONFIGS: tuple[tuple[dict[str, Any], bool], ...] = (
    *(({"instance_tag": tag}, True) for tag in (-1, 0, 1, MIN_INSTANCE_TAG - 1, 1 << 32)),
    *(({"instance_tag": tag}, False) for tag in (MIN_INSTANCE_TAG, MIN_INSTANCE_TAG + 1, 0x80000000, 0xFFFFFFFF)),
    *(({"max_message_size": size}, True) for size in (-1, 0, 1, MIN_MESSAGE_SIZE - 1)),
    *(({"max_message_size": size}, False) for size in (None, MIN_MESSAGE_SIZE, MIN_MESSAGE_SIZE + 1, 1 << 30)),
    *(({"heartbeat_interval": seconds}, True) for seconds in (-2, -1)),
    *(({"heartbeat_interval": seconds}, False) for seconds in (None, 0, 1, 1 << 40)),
    *(({"key": _key(x)}, True) for x in (-1, 0, _Q, _Q + 1)),
    *(({"key": _key(x)}, False) for x in (1, 2, _Q - 1)),
    *(({"key": _key(p=1 << bits - 1)}, bits not in (1024, 2048, 3072)) for bits in (512, 1024, 2048, 3071, 3072, 4096)),
    *(({"key": _key(p=p)}, True) for p in (_P >> 1, _P << 1, (1 << 1023) - 1, 1 << 1025)),
    *(({"key": _key(q=q)}, True) for q in (_Q >> 1, _Q << 1, (1 << 159) - 1, 1 << 160)),
    *(({"key": _key(**{name: value})}, True) for name in ("g", "y") for value in (-1, 0, 1, _P, _P + 1)),
    *(({"key": _key(**{name: value})}, False) for name in ("g", "y") for value in (2, _P - 1)),
)


@differential("!INSTANCE-OWN-1", "!INSTANCE-OWN-2", "!KEYS-PARAMS-1", "!FRAGMENT-SEND-12", versions=(3,))
def party_settings(comparison: Comparison) -> None:
    """An engine makes a party from every value that is in range, and refuses all others."""
    comparison.record(PartyConfig(_KEY, BOTH, TARGET_TAG))  # a transcript can't hold those that are refused
    for given, refused in CONFIGS:
        config = replace(PartyConfig(_KEY, BOTH, TARGET_TAG), **given)
        for name, engine in comparison.engines().items():
            seen = _refuses(partial(engine, config, SeededEntropy(b"limits")))
            check_id = "limits.bad-configuration-accepted" if refused else "limits.good-configuration-refused"
            case = f"{name}: {shown(given)}"
            check(check_id, seen == refused, expected=_refused(refused), got=_refused(seen), case=case)


def _refused(refused: bool) -> str:
    return "refused" if refused else "accepted"


def _refuses(act: Callable[[], object]) -> bool:
    """Whether the engine reports an error of its caller."""
    try:
        act()
    except OtrError:
        return True
    return False


@differential("!TLV-EXTRA-2", "!TLV-FORM-3", "!TLV-SMP-5", "!USER-SEND-1")
def sizes_of_user_input(comparison: Comparison) -> None:
    """The target agrees with the reference engine on accepting texts, padding, questions and extra keys up to the
    largest size, and on refusing larger and negative ones.
    """
    conversation = comparison.conversation()
    conversation.start()
    asked: list[tuple[str, dict[str, Any]]] = [
        *(("send", {"text": b"x" * size}) for size in (MAX_TEXT - 1, MAX_TEXT, MAX_TEXT + 1)),
        *(("send", {"text": b"x", "padding": size}) for size in (-1, 0, 1, MAX_PADDING, MAX_PADDING + 1)),
        *(("smp_start", {"secret": b"s", "question": b"q" * size}) for size in (0, MAX_QUESTION, MAX_QUESTION + 1)),
        *(("extra_key", {"use": use}) for use in (-1, 0, 31, 32, 33, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1)),
        *(
            ("extra_key", {"use": 5, "data": bytes(size)})
            for size in (0, MAX_EXTRA_KEY_DATA - 1, MAX_EXTRA_KEY_DATA, MAX_EXTRA_KEY_DATA + 1, MAX_EXTRA_KEY_DATA + 9)
        ),
    ]
    for action, arguments in asked:
        moment = conversation.target.snapshot()
        conversation.act("target", action, **arguments)
        conversation.drop_all()
        conversation.target.restore(moment)


@differential("!FRAGMENT-BOUND-1", "!FRAGMENT-BOUND-2", "!FRAGMENT-RECV-12")
def stored_fragments(comparison: Comparison) -> None:
    """The target agrees with the reference engine on fragments at and beyond the limits of count, size and senders."""
    target = comparison.target()
    for k, n in (
        (1, 65534),
        (2, 65534),
        (1, 65535),
        (2, 65535),
        (65535, 65535),
        (1, 65536),
        (65536, 65536),
        (1, 99999),
    ):
        target.receive(_piece(comparison, k, n, b"piece"))
    for last in (0, 1, 2):
        target.receive(_piece(comparison, 1, 3, b"x" * (MAX_REASSEMBLY - 1)))
        target.receive(_piece(comparison, 2, 3, b"x" * last))
        target.receive(_piece(comparison, 3, 3, b""))
    both = b"?OTR|2b2b|1a1a,1,1,in version 3,", b"?OTR,1,1,in version 2,"
    for message in (both[0] + both[1], both[1] + both[0]):
        target.receive(message)  # the first counts
    for sender in range(MIN_INSTANCE_TAG, MIN_INSTANCE_TAG + MAX_INSTANCES + 2):
        target.receive(_piece(comparison, 1, 2, b"piece", sender))
    for sender in range(MIN_INSTANCE_TAG, MIN_INSTANCE_TAG + MAX_INSTANCES + 2):
        target.receive(_piece(comparison, 2, 2, b"?OTR Error: whole", sender))


def _piece(comparison: Comparison, k: int, n: int, piece: bytes, sender: int = 0x2B2B) -> bytes:
    if comparison.version == 2:
        return b"?OTR,%d,%d,%s," % (k, n, piece)
    return b"?OTR|%x|%x,%d,%d,%s," % (sender, TARGET_TAG, k, n, piece)


@differential("!USER-STORED-1", "!USER-STORED-3")
def age_of_stored_texts(comparison: Comparison) -> None:
    """The target agrees with the reference engine on how old a stored text may be when it is sent. Both refuse a time
    that goes back.
    """
    for then in (0, 1000):
        for after in (0, 59, 60, 61, 599, 600, 601, 86400):
            conversation = comparison.conversation(BOTH | Policy.REQUIRE_ENCRYPTION)
            conversation.set_time(then)
            conversation.act("target", "send", text=b"typed too early")
            conversation.set_time(then + after)
            conversation.settle()
            conversation.act_and_settle("peer", "send", text=b"hello")
    config = PartyConfig(_KEY, BOTH, TARGET_TAG)
    comparison.record(config)
    for name, engine in comparison.engines().items():
        _time_never_goes_back(name, engine(config, SeededEntropy(b"limits")))


@differential("KEYMGMT-ROTATE-1", "KEYMGMT-SEND-1", versions=(3,))
def key_ids_beyond_one_byte(comparison: Comparison) -> None:
    """The target agrees with the reference engine on changing keys when key ids have outgrown one byte."""
    conversation = comparison.conversation()
    conversation.start()
    conversation.exchange_texts(260)


@differential("!SMPMATH-RANGE-1")
def unusual_smp_exponents(comparison: Comparison) -> None:
    """The target agrees with the reference engine when its own SMP exponents are 0, the order, or above it."""
    for exponent in (0, SMP_ORDER, 2 * SMP_ORDER + 1):
        for label in ("smp.a2", "smp.b3", "smp.r2", "smp.r7"):
            conversation = comparison.conversation(tape={(label, 0): exponent.to_bytes(192)})
            conversation.start()
            asks, answers = ("peer", "target") if label.startswith("smp.b") else ("target", "peer")
            conversation.act_and_settle(asks, "smp_start", secret=b"secret")
            conversation.act_and_settle(answers, "smp_answer", secret=b"secret")


def _time_never_goes_back(name: str, party: Engine) -> None:
    now = 0
    for time in (0, 1000, 999, 1000, 1001, 0, 1 << 40):
        seen = _refuses(partial(party.set_time, time))
        check_id = "limits.earlier-time-accepted" if time < now else "limits.later-time-refused"
        case = f"{name}: set_time({time}) after {now}"
        check(check_id, seen == (time < now), expected=_refused(time < now), got=_refused(seen), case=case)
        now = max(now, time)
