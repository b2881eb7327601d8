"""How each state of SMP is reached with an insider on the other side."""

from __future__ import annotations

from typing import Any

from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.smp_peer import SmpPeer, secret_number, smp_value
from otterproof.harness.vectorgen.client_scene import Scene
from otterproof.harness.vectorgen.kinds.smp_functions import Numbers
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import fingerprint

SECRET = b"secret"


def liar_of(scene: Scene, initiator: bool, secret: bytes = SECRET) -> SmpPeer:
    """The insider's part of a run; initiator: whether the insider began it."""
    mine = fingerprint(scene.insider.key.public)
    theirs = fingerprint(published_key("alice").public)
    first, second = (mine, theirs) if initiator else (theirs, mine)
    return SmpPeer(secret_number(first, second, scene.insider.ssid, secret))


def value_of(kind: int, numbers: Numbers, **more: Any) -> bytes:
    return smp_value(kind, numbers, **more)


def asked(scene: Scene) -> None:
    """The insider has sent message 1; the client's user is being asked."""
    scene.begin()
    scene.memory["liar"] = liar_of(scene, True)
    scene.memory["first"] = scene.memory["liar"].message_1()
    scene.hear(b"", tlvs=[tlv(2, value_of(2, scene.memory["first"]))])


def answered(scene: Scene) -> None:
    """The client's user has answered with the same secret: EXPECT3; the numbers of message 3 are ready."""
    asked(scene)
    scene.do("smp_answer", secret=SECRET)
    second = scene.insider.smp_numbers(scene.sent(), 3)
    scene.memory["next"] = scene.memory["liar"].message_3(second)


def begun(scene: Scene) -> None:
    """The client's user has begun: EXPECT2; the numbers of message 2 are ready."""
    scene.begin()
    scene.do("smp_start", secret=SECRET)
    scene.memory["liar"] = liar_of(scene, False)
    scene.memory["next"] = scene.memory["liar"].message_2(scene.insider.smp_numbers(scene.sent(), 2))


def third(scene: Scene) -> None:
    """The client has sent message 3: EXPECT4; the numbers of message 4 are ready."""
    begun(scene)
    scene.hear(b"", tlvs=[tlv(3, value_of(3, scene.memory["next"]))])
    scene.memory["next"] = scene.memory["liar"].message_4(scene.insider.smp_numbers(scene.sent(), 4))


def ready(scene: Scene) -> None:
    """ENCRYPTED; the numbers of message 1 are ready."""
    scene.begin()
    scene.memory["next"] = liar_of(scene, True).message_1()
