"""Encrypted sessions in which Data Messages are looked at."""

from __future__ import annotations

from otterproof.harness.vectorgen.client_scene import Scene


def encrypted(scene: Scene) -> None:
    scene.begin()


def talked(scene: Scene) -> None:
    """ENCRYPTED, and each side has used a second key."""
    scene.begin()
    scene.hear(b"one")
    scene.say(b"two")
    scene.hear(b"three")
    scene.say(b"four")
