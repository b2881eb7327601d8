"""Courier: Off-the-Record conversations for a chat bot, on top of python-potr.

python-potr was written for PyCrypto. Its successor PyCryptodome differs in two places: the counter of AES in CTR mode,
and DSA signatures of a number. Both are adapted here. Courier speaks version 2 of the protocol.
"""

import random
from collections.abc import Callable
from types import SimpleNamespace

import potr.compatcrypto.pycrypto as backend
from Crypto.Cipher import AES
from potr.context import (
    FRAGMENT_SEND_ALL,
    Account,
    Context,
    ErrorReceived,
    NotEncryptedError,
    NotOTRMessage,
    UnencryptedMessage,
)
from potr.crypt import InvalidParameterError

__version__ = "0.3"

#: What an encrypted message of version 2 begins with.
ENCRYPTED = b"?OTR:AAID"

#: The source of random numbers. Tests replace it.
numbers: Callable[[], random.Random] = random.SystemRandom


class Refused(Exception):
    """What the user asked for needs an encrypted conversation."""


class Unreadable(Exception):
    """An encrypted message can't be read. The user is told."""


class Chat(Context):
    """A conversation. transmit: called with each outgoing message. changed: called with each new state."""

    def __init__(self, me: str, friend: str, key: tuple[int, ...], transmit: Callable, changed: Callable) -> None:
        account = _Account(me, "courier", 0, backend.DSAKey(key, private=True))
        super().__init__(account, friend)
        self.inject = lambda message, appdata=None: transmit(message)
        self.changed = changed

    def getPolicy(self, name: str) -> bool:
        return name == "ALLOW_V2"

    def setState(self, state: int) -> None:
        super().setState(state)
        self.changed(state)

    def hear(self, message: bytes) -> tuple[bytes | None, bool]:
        """Receive a message. Returns the text to show, or None, and whether it was encrypted. Raises Unreadable."""
        try:
            return self.receiveMessage(message)[0], True
        except (NotOTRMessage, UnencryptedMessage) as error:
            return error.args[0], False
        except ErrorReceived:
            return None, False
        except (NotEncryptedError, InvalidParameterError) as error:
            if message.startswith(ENCRYPTED):
                raise Unreadable(str(error)) from error
            return None, False  # a handshake message: not the user's concern

    def say(self, text: bytes) -> None:
        """Send a text; "?OTRv2?" requests encryption. Raises Refused if the friend has ended the last conversation."""
        try:
            left = self.sendMessage(FRAGMENT_SEND_ALL, text)
        except NotEncryptedError as error:
            raise Refused(str(error)) from error
        if left is not None:
            self.inject(left)


class _Account(Account):
    """potr's account, without its files on disk."""

    def saveTrusts(self) -> None:
        pass


def _counting_aes(key: bytes, mode: int, counter: Callable[[], bytes]) -> object:
    return AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=int.from_bytes(counter()))


class _Dsa:
    """A DSA key that signs and verifies a number."""

    def __init__(self, values: tuple[int, ...]) -> None:
        self.y, self.g, self.p, self.q, *self.x = values

    def publickey(self) -> "_Dsa":
        return _Dsa((self.y, self.g, self.p, self.q))

    def sign(self, data: bytes, k: int) -> tuple[int, int]:
        r = pow(self.g, k, self.p) % self.q
        return r, pow(k, -1, self.q) * (int.from_bytes(data) + self.x[0] * r) % self.q

    def verify(self, data: bytes, signature: tuple[int, int]) -> bool:
        r, s = signature
        if not (0 < r < self.q and 0 < s < self.q):
            return False
        inverse = pow(s, -1, self.q)
        left = pow(self.g, int.from_bytes(data) * inverse % self.q, self.p)
        return left * pow(self.y, r * inverse % self.q, self.p) % self.p % self.q == r


backend.Cipher = SimpleNamespace(AES=SimpleNamespace(MODE_CTR=AES.MODE_CTR, new=_counting_aes))
backend.DSA = SimpleNamespace(construct=_Dsa)
backend.Crypto = SimpleNamespace(
    Random=SimpleNamespace(
        random=SimpleNamespace(
            getrandbits=lambda bits: numbers().getrandbits(bits),
            randrange=lambda start, stop: numbers().randrange(start, stop),
        )
    )
)
