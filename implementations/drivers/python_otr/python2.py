"""Loads python-otr, which is Python 2, into Python 3. It translates the source in memory; the files stay unchanged.

In Python 2 a string is bytes. Here it is a string of the characters U+0000 to U+00FF, one for each byte, so that the
library's string operations (slicing, joining, comparing, formatting) keep their meaning. Modules that convert strings
(struct, hashes, ciphers, base64, hexadecimal) are wrapped to take and return such strings. Also translated or replaced:

- syntax: `except A, b:`, octal numbers, `__metaclass__`;
- methods: `x.isdigit()` accepts only 0 to 9, `x.encode("utf-8")` returns a string;
- names: long, basestring, StandardError; `bytes` is the string type;
- dependencies: there are substitutes for two packages of which the library uses little (notifications, a null object,
  some decorators), and for a part of `cryptography` that no longer exists (HMAC through a backend);
- randomness: random numbers come from the given source, and so does the nonce of a DSA signature, which `cryptography`
  would draw itself. `cryptography` still checks the keys and signatures that are received.
"""

from __future__ import annotations

import ast
import binascii
import builtins
import hashlib
import hmac
import re
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC

from otterproof.implementations.contract import DsaPrivateKey


class Random(Protocol):
    def getrandbits(self, bits: int) -> int: ...
    def randrange(self, start: int, stop: int) -> int: ...


def to_bytes(text: str) -> bytes:
    return text.encode("latin-1")


def to_text(data: bytes) -> str:
    return data.decode("latin-1")


# --------------------------------------------------------------------------------------------------------------------
# The source
# --------------------------------------------------------------------------------------------------------------------


def _is_digit(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _encode(text: str, codec: str) -> str:
    return to_text(text.encode(codec))


class _Translation(ast.NodeTransformer):
    """Rewrites code that is valid in Python 3 but means something else there."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        for statement in list(node.body):
            match statement:
                case ast.Assign(targets=[ast.Name(id="__metaclass__")], value=metaclass):
                    node.keywords.append(ast.keyword("metaclass", metaclass))
                    node.body[node.body.index(statement)] = ast.copy_location(ast.Pass(), statement)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Attribute(value=text, attr="isdigit"), args=[]):
                return ast.copy_location(ast.Call(ast.Name("_is_digit", ast.Load()), [text], []), node)
            case ast.Call(func=ast.Attribute(value=text, attr="encode"), args=[ast.Constant() as codec]):
                return ast.copy_location(ast.Call(ast.Name("_encode", ast.Load()), [text, codec], []), node)
        return node


def translated(source: str) -> ast.Module:
    """The Python 3 syntax tree of a Python 2 module."""
    source = re.sub(r"except (\w+), (\w+):", r"except \1 as \2:", source)
    source = re.sub(r"(?<![\w.\\])0([0-7]+)(?![\w.])", r"0o\1", source)
    tree = ast.parse(source)
    _Translation().visit(tree)
    return ast.fix_missing_locations(tree)


class Library:
    """The modules of the library, by name: `Library(folder, random).module("otr.protocol").OTRState`."""

    def __init__(self, folder: Path, random: Callable[[], Random]) -> None:
        """random: returns the source of randomness of the acting party."""
        self._folder = folder
        self._modules: dict[str, SimpleNamespace] = _stand_ins(random)
        self.dsa = self._modules["cryptography.hazmat.primitives.asymmetric"].dsa
        self.notifications = NotificationCenter()
        self._builtins = vars(builtins) | {
            "__import__": self._import,
            "_encode": _encode,
            "_is_digit": _is_digit,
            "StandardError": Exception,
            "basestring": str,
            "bytes": str,
            "long": int,
        }

    def module(self, name: str) -> Any:
        if name not in self._modules:
            path = self._folder.joinpath(*name.split("."))
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            namespace: dict[str, Any] = {"__name__": name, "__builtins__": self._builtins}
            exec(compile(translated(path.read_text()), str(path), "exec"), namespace)
            self._modules[name] = SimpleNamespace(**namespace)
        return self._modules[name]

    def _import(self, name: str, scope: Any = None, local: Any = None, names: Any = (), level: int = 0) -> Any:
        """Replaces __import__. The library only imports names from modules, so returning the module is enough."""
        if name in self._modules or name.partition(".")[0] == "otr":
            return self.module(name)
        return __import__(name, scope, local, names, level)


# --------------------------------------------------------------------------------------------------------------------
# Strings in, strings out
# --------------------------------------------------------------------------------------------------------------------


class _Struct:
    def __init__(self, form: str) -> None:
        self._struct = struct.Struct(form)
        self.format, self.size = form, self._struct.size

    def pack(self, *values: Any) -> str:
        return to_text(self._struct.pack(*values))

    def unpack_from(self, text: str, offset: int = 0) -> tuple[Any, ...]:
        values = self._struct.unpack_from(to_bytes(text), offset)
        return tuple(to_text(value) if isinstance(value, bytes) else value for value in values)


class _Hash:
    """hashlib.sha1 and sha256."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, text: str = "") -> Any:
        done = hashlib.new(self.name, to_bytes(text))
        return SimpleNamespace(digest=lambda: to_text(done.digest()))


def _hmac(key: str, text: str, kind: _Hash) -> Any:
    done = hmac.new(to_bytes(key), to_bytes(text), kind.name)
    return SimpleNamespace(digest=lambda: to_text(done.digest()))


class _HmacContext:
    """An HMAC in progress, as backends of `cryptography` used to return it."""

    def __init__(self, under_way: HMAC) -> None:
        self._hmac = under_way

    def update(self, text: str) -> None:
        self._hmac.update(to_bytes(text))

    def copy(self) -> _HmacContext:
        return _HmacContext(self._hmac.copy())

    def finalize(self) -> str:
        return to_text(self._hmac.finalize())


class _Backend:
    def create_hmac_ctx(self, key: str, algorithm: hashes.HashAlgorithm) -> _HmacContext:
        return _HmacContext(HMAC(to_bytes(key), algorithm))


class _Cipher:
    def __init__(self, algorithm: Any, mode: Any, backend: object) -> None:
        self._cipher = Cipher(algorithm, mode)

    def encryptor(self) -> Any:
        return self._strings(self._cipher.encryptor())

    def decryptor(self) -> Any:
        return self._strings(self._cipher.decryptor())

    @staticmethod
    def _strings(context: Any) -> Any:
        return SimpleNamespace(
            update=lambda text: to_text(context.update(to_bytes(text))), finalize=lambda: to_text(context.finalize())
        )


class PublicKey:
    """A DSA public key of `cryptography`, which verifies the signatures."""

    def __init__(self, key: dsa.DSAPublicKey) -> None:
        self._key = key
        self.key_size = key.key_size
        self.public_numbers, self.parameters = key.public_numbers, key.parameters

    def verify(self, signature: bytes, digest: str, algorithm: Prehashed) -> None:
        self._key.verify(signature, to_bytes(digest), algorithm)


def _public_numbers(y: int, parameter_numbers: dsa.DSAParameterNumbers) -> Any:
    numbers = dsa.DSAPublicNumbers(y, parameter_numbers)
    return SimpleNamespace(public_key=lambda backend: PublicKey(numbers.public_key()))


class PrivateKey:
    """A DSA private key with the interface of `cryptography`; its nonces come from the given source."""

    def __init__(self, key: DsaPrivateKey, random: Random) -> None:
        public = key.public
        self._numbers = dsa.DSAPublicNumbers(public.y, dsa.DSAParameterNumbers(public.p, public.q, public.g))
        self._x, self._random = key.x, random
        self.key_size = public.p.bit_length()

    def private_numbers(self) -> dsa.DSAPrivateNumbers:
        return dsa.DSAPrivateNumbers(self._x, self._numbers)

    def parameters(self) -> Any:
        return self.public_key().parameters()

    def public_key(self) -> PublicKey:
        return PublicKey(self._numbers.public_key())

    def sign(self, digest: str, algorithm: Prehashed) -> bytes:
        group = self._numbers.parameter_numbers
        k = self._random.randrange(1, group.q)
        r = pow(group.g, k, group.p) % group.q
        s = pow(k, -1, group.q) * (int.from_bytes(to_bytes(digest)) + self._x * r) % group.q
        return encode_dss_signature(r, s)


# --------------------------------------------------------------------------------------------------------------------
# Small dependencies
# --------------------------------------------------------------------------------------------------------------------


class NotificationCenter:
    """Notifies the observers of a sender immediately. The observers are stored in the sender."""

    def add_observer(self, observer: Any, sender: object) -> None:
        vars(sender).setdefault("_observers", []).append(observer)

    def remove_observer(self, observer: Any, sender: object) -> None:
        vars(sender)["_observers"].remove(observer)

    def post_notification(self, name: str, sender: object, data: SimpleNamespace) -> None:
        for observer in tuple(vars(sender).get("_observers", ())):
            observer.handle_notification(SimpleNamespace(name=name, sender=sender, data=data, center=self))


class _NullType:
    """Accepts every call and attribute, does nothing, and is false."""

    def __call__(self, *args: object, **named: object) -> _NullType:
        return self

    def __getattr__(self, name: str) -> _NullType:
        return self

    def __setattr__(self, name: str, value: object) -> None: ...

    def __bool__(self) -> bool:
        return False


class _MarkerType(type):
    def __call__(cls, *args: object, **named: object) -> Any:
        return cls


class _ClassProperty:
    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __get__(self, instance: object, owner: object) -> Any:
        return self._function(owner)


class _WeakMap(WeakKeyDictionary[Any, Any]):
    def __init__(self, factory: Callable[[], Any]) -> None:
        super().__init__()
        self._factory = factory

    def __getitem__(self, key: Any) -> Any:
        return self.setdefault(key, self._factory()) if key not in self else super().__getitem__(key)


def _same(function: Any) -> Any:
    return function


def _stand_ins(random: Callable[[], Random]) -> dict[str, SimpleNamespace]:
    """The substitute modules, by name."""
    primitives = "cryptography.hazmat.primitives"
    modules: dict[str, dict[str, Any]] = {
        "application.notification": {
            "NotificationCenter": NotificationCenter,
            "NotificationData": SimpleNamespace,
            "IObserver": None,
        },
        "application.python": {"Null": _NullType()},
        "application.python.decorator": {"decorator": _same, "preserve_signature": lambda function: _same},
        "application.python.descriptor": {"classproperty": _ClassProperty},
        "application.python.types": {"MarkerType": _MarkerType},
        "application.python.weakref": {"defaultweakobjectmap": _WeakMap},
        "application.system": {"openfile": open},
        "zope.interface": {"implements": lambda *interfaces: None},
        "binascii": {
            "a2b_hex": lambda text: to_text(binascii.a2b_hex(to_bytes(text))),
            "b2a_hex": lambda text: to_text(binascii.b2a_hex(to_bytes(text))),
            "a2b_base64": lambda text: to_text(binascii.a2b_base64(to_bytes(text))),
            "b2a_base64": lambda text: to_text(binascii.b2a_base64(to_bytes(text))),
        },
        "hashlib": {"sha1": _Hash("sha1"), "sha256": _Hash("sha256")},
        "hmac": {"HMAC": _hmac},
        "random": {"getrandbits": lambda bits: random().getrandbits(bits)},
        "struct": {"Struct": _Struct, "pack": lambda form, *values: _Struct(form).pack(*values)},
        "cryptography.hazmat.backends": {"default_backend": _Backend},
        f"{primitives}.asymmetric": {
            "dsa": SimpleNamespace(
                DSAPrivateKey=PrivateKey,
                DSAPublicKey=PublicKey,
                DSAPublicNumbers=_public_numbers,
                DSAParameterNumbers=dsa.DSAParameterNumbers,
            )
        },
        f"{primitives}.ciphers": {
            "Cipher": _Cipher,
            "algorithms": SimpleNamespace(AES=lambda key: algorithms.AES(to_bytes(key))),
            "modes": SimpleNamespace(CTR=lambda nonce: modes.CTR(to_bytes(nonce))),
        },
    }
    return {name: SimpleNamespace(**names) for name, names in modules.items()}
