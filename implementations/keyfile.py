"""Long-term DSA keys in libotr's private key file format, for exchanging keys with existing clients.

The file is one S-expression in the syntax of libgcrypt:

    (privkeys (account (name "alice@example.org") (protocol prpl-jabber)
               (private-key (dsa (p #00AB..#) (q #..#) (g #..#) (y #..#) (x #..#)))) ...)

The reader accepts every notation that libgcrypt has for an atom (token, "quoted", #hexadecimal#, |base64|, and
length:verbatim), elements in any order, and any white space. Errors give the line and column. It checks that a key is
consistent (y = g^x mod p), because a typo in the file would otherwise show up much later, as a signature that nobody
accepts. The engines don't use this module; they are given keys.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import dsa

from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey
from otterproof.implementations.inputs import read_input

#: The deepest nesting of lists that the reader accepts; the format needs five.
MAX_DEPTH = 16

#: In bytes: the largest key file accepted, enough for a thousand keys.
MAX_BYTES = 4 << 20

_P_BITS = (1024, 2048, 3072)
_Q_BITS = 160
_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


class KeyFileError(ValueError):
    """A key file that can't be read, or keys that can't be written to one.

    line and column count from 1, the column in bytes; both are 0 when the error has no place in a file.
    """

    def __init__(self, problem: str, source: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(f"{source}, line {line}, column {column}: {problem}" if line else problem)
        self.problem = problem
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Account:
    """One entry of a key file. In name and protocol, bytes that are not UTF-8 are kept as lone surrogates."""

    name: str
    protocol: str
    key: DsaPrivateKey


# --------------------------------------------------------------------------------------------------------------------
# S-expressions
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Atom:
    value: bytes
    at: int


@dataclass(frozen=True, slots=True)
class _List:
    at: int
    items: list[_Node] = field(default_factory=list)


_Node: TypeAlias = _Atom | _List

_SPACE = re.compile(rb"[ \t\r\n\v\f]*")
_TOKEN = re.compile(rb"[A-Za-z0-9\-./_:*+=]+")
_VERBATIM = re.compile(rb"(0|[1-9][0-9]{0,6}):")
_HEX = re.compile(rb"#([0-9A-Fa-f \t\r\n\v\f]*)#")
_BASE64 = re.compile(rb"\|([A-Za-z0-9+/= \t\r\n\v\f]*)\|")
_QUOTED = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_ESCAPE = re.compile(rb"""\\(?:x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|(\r\n|\n\r|[btvnfr"'\\\r\n])|.)""", re.DOTALL)
# A backslash before a line end joins the lines.
_ESCAPED = {b"b": b"\b", b"t": b"\t", b"v": b"\v", b"n": b"\n", b"f": b"\f", b"r": b"\r"}
_ESCAPED |= dict.fromkeys((b"\r", b"\n", b"\r\n", b"\n\r"), b"")


class _Reader:
    """Turns bytes into one tree of lists and atoms, each with the offset at which it starts."""

    def __init__(self, data: bytes, source: str) -> None:
        self._data = data
        self._source = source

    def error(self, at: int, problem: str) -> KeyFileError:
        before = self._data[:at]
        return KeyFileError(problem, self._source, before.count(b"\n") + 1, at - before.rfind(b"\n"))

    def tree(self) -> _List:
        open_lists: list[_List] = []
        at = self._skip_space(0)
        if not self._data.startswith(b"(", at):
            raise self.error(at, 'no private key file: it must begin with "(privkeys"')
        while True:
            at = self._skip_space(at)
            if at == len(self._data):
                raise self.error(open_lists[-1].at, 'the list that starts here has no closing ")"')
            if self._data.startswith(b"(", at):
                if len(open_lists) == MAX_DEPTH:
                    raise self.error(at, f"more than {MAX_DEPTH} lists within each other")
                opened = _List(at)
                if open_lists:
                    open_lists[-1].items.append(opened)
                open_lists.append(opened)
                at += 1
            elif self._data.startswith(b")", at):
                closed = open_lists.pop()
                at += 1
                if not open_lists:
                    break
            else:
                atom, at = self._atom(at)
                open_lists[-1].items.append(atom)
        # Accept a trailing line end of a text editor, and the trailing NUL of libgcrypt.
        rest = at + len(self._data[at:]) - len(self._data[at:].lstrip(b" \t\r\n\v\f\0"))
        if rest < len(self._data):
            raise self.error(rest, "something follows the end of the key list")
        return closed

    def _skip_space(self, at: int) -> int:
        match = _SPACE.match(self._data, at)
        return match.end() if match else at

    def _atom(self, at: int) -> tuple[_Atom, int]:
        """The atom that starts at `at`, and where it ends."""
        if match := _VERBATIM.match(self._data, at):
            end = match.end() + int(match[1])
            if end > len(self._data):
                raise self.error(at, f"{match[1].decode()} bytes are announced here, but the file ends before")
            return _Atom(self._data[match.end() : end], at), end
        if match := _TOKEN.match(self._data, at):
            return _Atom(match[0], at), match.end()
        if match := _HEX.match(self._data, at):
            digits = b"".join(match[1].split())
            if len(digits) % 2:
                raise self.error(at, "an odd number of hexadecimal digits")
            return _Atom(binascii.unhexlify(digits), at), match.end()
        if match := _BASE64.match(self._data, at):
            try:
                return _Atom(base64.b64decode(b"".join(match[1].split()), validate=True), at), match.end()
            except binascii.Error as error:
                raise self.error(at, f"bad base64: {error}") from None
        if match := _QUOTED.match(self._data, at):
            return _Atom(_ESCAPE.sub(lambda escape: self._unescape(escape, match.start(1)), match[1]), at), match.end()
        kinds = {b'"': "quoted string", b"#": "hexadecimal string", b"|": "base64 string"}
        start = self._data[at : at + 1]
        if start in kinds:
            raise self.error(at, f"a {kinds[start]} starts here that does not end, or has a wrong character in it")
        raise self.error(at, f"unexpected byte 0x{start.hex()}")

    def _unescape(self, escape: re.Match[bytes], offset: int) -> bytes:
        if escape[1] or escape[2]:
            return bytes([int(escape[1], 16) if escape[1] else int(escape[2], 8)])
        if escape[3] is None:
            raise self.error(
                offset + escape.start(), f"unknown escape {escape[0].decode('latin-1')} in a quoted string"
            )
        return _ESCAPED.get(escape[3], escape[3])


# --------------------------------------------------------------------------------------------------------------------
# Reading
# --------------------------------------------------------------------------------------------------------------------


class _Interpreter:
    """Finds accounts and keys in the tree."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def _named(self, node: _Node, name: str) -> list[_Node]:
        """The elements of a list after its name, which must be `name`."""
        if isinstance(node, _Atom) or not node.items or node.items[0] != _Atom(name.encode(), node.items[0].at):
            raise self._reader.error(node.at, f'expected a list "({name} ...)"')
        return node.items[1:]

    def _parts(self, nodes: list[_Node], names: Sequence[str], parent: _Node) -> dict[str, _List]:
        """The lists in `nodes` by name: exactly one for each of `names`, in any order."""
        found: dict[str, _List] = {}
        for node in nodes:
            head = node.items[0] if isinstance(node, _List) and node.items else None
            name = head.value.decode("latin-1") if isinstance(head, _Atom) else ""
            if not isinstance(node, _List) or name not in names:
                raise self._reader.error(node.at, f"expected one of the lists {', '.join(names)}")
            if name in found:
                raise self._reader.error(node.at, f"a second ({name} ...)")
            found[name] = node
        for name in names:
            if name not in found:
                raise self._reader.error(parent.at, f"({name} ...) is missing in the list that starts here")
        return found

    def _value(self, node: _List) -> bytes:
        """The single atom after the list's name."""
        if len(node.items) != 2 or not isinstance(node.items[1], _Atom):
            raise self._reader.error(node.at, "expected exactly one value in this list")
        return node.items[1].value

    def accounts(self, tree: _List) -> tuple[Account, ...]:
        accounts: dict[tuple[str, str], Account] = {}
        for node in self._named(tree, "privkeys"):
            account = self._account(node)
            if (account.name, account.protocol) in accounts:
                raise self._reader.error(node.at, f"a second key for account {account.name!r} ({account.protocol})")
            accounts[account.name, account.protocol] = account
        return tuple(accounts.values())

    def _account(self, node: _Node) -> Account:
        parts = self._parts(self._named(node, "account"), ("name", "protocol", "private-key"), node)
        name, protocol = (self._value(parts[part]).decode(errors="surrogateescape") for part in ("name", "protocol"))
        inside = self._named(parts["private-key"], "private-key")
        if len(inside) != 1:
            raise self._reader.error(parts["private-key"].at, 'expected one list "(dsa ...)" in the private key')
        numbers = self._parts(self._named(inside[0], "dsa"), ("p", "q", "g", "y", "x"), inside[0])
        p, q, g, y, x = (int.from_bytes(self._value(numbers[letter]), "big") for letter in "pqgyx")
        key = DsaPrivateKey(DsaPublicKey(p, q, g, y), x)
        try:
            check_key(key)
        except KeyFileError as error:
            raise self._reader.error(inside[0].at, f"account {name!r}: {error.problem}") from None
        return Account(name, protocol, key)


def check_key(key: DsaPrivateKey) -> None:
    """KeyFileError unless the sizes are those that OTR allows, q is prime, g has order q, and y = g^x mod p.

    With other numbers a signature may be impossible, and retrying until one succeeds would never end. If g and p share
    the factor q, for example, every r is 0.
    """
    p, q, g, y = key.public.p, key.public.q, key.public.g, key.public.y
    if p.bit_length() not in _P_BITS or q.bit_length() != _Q_BITS:
        sizes = f"{p.bit_length()} and {q.bit_length()}"
        raise KeyFileError(f"p and q of the DSA key have {sizes} bits; they must have 1024, 2048 or 3072 and {_Q_BITS}")
    if not (1 < g < p and 1 < y < p and 0 < key.x < q):
        raise KeyFileError("g, y or x of the DSA key is out of range")
    if not _is_prime(q) or pow(g, q, p) != 1:
        raise KeyFileError("q of the DSA key is not prime, or g does not have order q")
    if pow(g, key.x, p) != y:
        raise KeyFileError("the two halves of the DSA key don't belong together: y is not g^x mod p")


def _is_prime(number: int) -> bool:
    """The Miller-Rabin test with fixed bases, for the numbers of a DSA key.

    Composite numbers that pass with known bases can be constructed. But their factors are so large that no engine meets
    them by chance, which is what matters here.
    """
    if any(number % base == 0 for base in _BASES):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in _BASES:
        power = pow(base, odd, number)
        if power not in (1, number - 1) and not any(
            (power := power * power % number) == number - 1 for _ in range(twos - 1)
        ):
            return False
    return True


def parse_keys(data: bytes, source: str = "key file") -> tuple[Account, ...]:
    """The accounts of a key file, in file order. KeyFileError has line and column, and calls the file `source`."""
    reader = _Reader(data, source)
    return _Interpreter(reader).accounts(reader.tree())


def load_keys(path: Path) -> tuple[Account, ...]:
    """Like parse_keys. InputError when the file can't be read."""
    return parse_keys(read_input(path, limit=MAX_BYTES, what="a key file"), str(path))


# --------------------------------------------------------------------------------------------------------------------
# Writing
# --------------------------------------------------------------------------------------------------------------------


def _format_string(text: str, what: str) -> str:
    value = text.encode(errors="surrogateescape")
    if not value or 0 in value:
        raise KeyFileError(f"the {what} {text!r} can't be written: it is empty or has a NUL in it")
    if re.fullmatch(rb"[A-Za-z\-./_*+=][A-Za-z0-9\-./_*+=]*", value) and what == "protocol":
        return value.decode()
    if all(0x20 <= byte < 0x7F for byte in value):
        escaped = value.decode().replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return f"#{value.hex().upper()}#"


def _format_number(letter: str, value: int) -> str:
    # libgcrypt prints numbers as signed: if the top bit is set, a zero byte goes in front.
    return f"({letter} #{value.to_bytes(value.bit_length() // 8 + 1, 'big').hex().upper()}#)"


def format_keys(accounts: Iterable[Account]) -> bytes:
    """A key file with these accounts. KeyFileError for a key or name that can't be written, or a duplicate account."""
    lines, seen = ["(privkeys"], set()
    for account in accounts:
        if (account.name, account.protocol) in seen:
            raise KeyFileError(f"two keys for account {account.name!r} ({account.protocol})")
        seen.add((account.name, account.protocol))
        check_key(account.key)
        name, protocol = _format_string(account.name, "name"), _format_string(account.protocol, "protocol")
        lines += [" (account", f"  (name {name})", f"  (protocol {protocol})", "  (private-key", "   (dsa"]
        lines += [f"    {_format_number(letter, getattr(account.key.public, letter))}" for letter in "pqgy"]
        lines += [f"    {_format_number('x', account.key.x)}", "   )", "  )", " )"]
    return "\n".join([*lines, ")", ""]).encode()


def save_keys(path: Path, accounts: Iterable[Account]) -> None:
    """Write a key file that only its owner can read, replacing an existing one atomically. OSError, KeyFileError."""
    data = format_keys(accounts)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def generate_key() -> DsaPrivateKey:
    """A new key with p of 1024 and q of 160 bits, as OTR clients use, from the operating system's randomness."""
    numbers = dsa.generate_private_key(key_size=1024).private_numbers()
    parameters = numbers.public_numbers.parameter_numbers
    key = DsaPrivateKey(DsaPublicKey(parameters.p, parameters.q, parameters.g, numbers.public_numbers.y), numbers.x)
    check_key(key)
    return key
