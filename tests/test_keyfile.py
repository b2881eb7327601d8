"""Key files: written files can be read, here and by libotr; files by libotr can be read; mistakes are located."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.harness.testkit.keys import KEY_FILE, NAMES, PROTOCOL, published_key
from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.keyfile import (
    MAX_DEPTH,
    Account,
    KeyFileError,
    check_key,
    format_keys,
    generate_key,
    load_keys,
    parse_keys,
    save_keys,
)

NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)

# Runs in its own process, because libgcrypt is set up once per process and aborts the process on errors. Arguments: key
# file, and for each account its name and protocol in hexadecimal; prints the fingerprints. With an empty line on
# standard input, libotr first makes a key for a further account and rewrites the file.
LIBOTR = """
import ctypes, sys
try:
    otr, gcrypt = ctypes.CDLL("libotr.so.5"), ctypes.CDLL("libgcrypt.so.20")
except OSError as error:
    sys.exit(f"missing: {error}")
state, call = ctypes.c_void_p, otr.otrl_privkey_fingerprint_raw
otr.otrl_userstate_create.restype = call.restype = ctypes.c_void_p
call.argtypes = [state, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p]
otr.otrl_privkey_read.argtypes = [state, ctypes.c_char_p]
otr.otrl_privkey_generate.argtypes = [state, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p]
gcrypt.gcry_control(44, 0)  # GCRYCTL_ENABLE_QUICK_RANDOM: the key made here is thrown away
if otr.otrl_init(4, 1, 1):
    sys.exit("otrl_init failed")
users, path = otr.otrl_userstate_create(), sys.argv[1].encode()
if sys.stdin.readline():
    if otr.otrl_privkey_read(users, path) or otr.otrl_privkey_generate(users, path, b"made by libotr", b"prpl-x"):
        sys.exit("otrl_privkey_generate failed")
    users = otr.otrl_userstate_create()
if code := otr.otrl_privkey_read(users, path):
    sys.exit(f"otrl_privkey_read: error {code & 0xffff}")
for account in sys.argv[2:]:
    digest = ctypes.create_string_buffer(20)
    name, protocol = (bytes.fromhex(part) for part in account.split(","))
    print(digest.raw.hex() if call(users, digest, name, protocol) else "unknown")
"""


def libotr(path: Path, accounts: list[Account], *, make: bool = False) -> list[str]:
    """The fingerprints that libotr finds for the accounts; skips the test without libotr."""
    named = [f"{one.name.encode().hex()},{one.protocol.encode().hex()}" for one in accounts]
    command = [sys.executable, "-c", LIBOTR, str(path), *named]
    done = subprocess.run(command, input="\n" if make else "", capture_output=True, text=True, timeout=120, check=False)
    if done.returncode and done.stderr.startswith("missing:"):
        pytest.skip(f"libotr is not there (Debian: libotr5): {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def fingerprint(key: DsaPrivateKey) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for number in (key.public.p, key.public.q, key.public.g, key.public.y):
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


@given(st.lists(st.tuples(NAME, NAME, st.sampled_from(NAMES)), max_size=3, unique_by=lambda entry: entry[:2]))
def test_what_is_written_can_be_read(entries: list[tuple[str, str, str]]) -> None:
    accounts = tuple(Account(name, protocol, published_key(owner)) for name, protocol, owner in entries)
    assert parse_keys(format_keys(accounts)) == accounts


def test_files_are_for_their_owner_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    accounts = (Account("alice", "prpl-jabber", published_key("alice")),)
    save_keys(path, ())
    assert load_keys(path) == ()
    save_keys(path, accounts)
    assert load_keys(path) == accounts
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyFileError):
        save_keys(path, (Account("", "prpl-jabber", published_key("alice")),))
    assert load_keys(path) == accounts
    assert list(tmp_path.iterdir()) == [path]


def test_libotr_reads_what_is_written(tmp_path: Path) -> None:
    names = ["alice", 'a "quoted" \\ name', "5 is a digit", "Zoë\n\x01", "(privkeys", "#41#", "|", " "]
    accounts = [
        Account(name, "prpl-jabber", published_key(owner)) for name, owner in zip(names, NAMES * 2, strict=True)
    ]
    accounts.append(Account("alice", "1 other protocol", published_key("bob")))
    save_keys(tmp_path / "keys", accounts)
    assert libotr(tmp_path / "keys", accounts) == [fingerprint(account.key) for account in accounts]


def test_what_libotr_writes_can_be_read(tmp_path: Path) -> None:
    names = ["alice", 'a "quoted" \\ name', "5 is a digit", "Zoë\n\x01", "\t\x7f"]
    accounts = [Account(name, "prpl-jabber", published_key("alice")) for name in names]
    save_keys(tmp_path / "keys", accounts)
    made = Account("made by libotr", "prpl-x", published_key("alice"))
    found = libotr(tmp_path / "keys", [*accounts, made], make=True)
    loaded = load_keys(tmp_path / "keys")
    assert {account for account in loaded if account.name != made.name} == set(accounts)
    assert [fingerprint(account.key) for account in loaded if account.name == made.name] == found[-1:]


def test_the_test_keys_are_there_and_differ() -> None:
    assert tuple(account.name for account in load_keys(KEY_FILE)) == NAMES
    assert {account.protocol for account in load_keys(KEY_FILE)} == {PROTOCOL}
    assert len({published_key(name) for name in NAMES}) == len(NAMES)
    assert published_key("alice") is published_key("alice")
    # Fingerprints occur in recorded transcripts and vectors.
    assert fingerprint(published_key("alice")) == "5b4d237256cd3bfa58e8784b00c5e19645fe237f"
    with pytest.raises(KeyError, match="no test key for 'eve'; there are keys for alice, bob, carol, mallory"):
        published_key("eve")


def test_new_keys_are_good_and_differ() -> None:
    first, second = generate_key(), generate_key()
    check_key(first)
    assert first != second


NUMBERS = published_key("alice").public, published_key("alice").x


def file_with(name: str = '"alice"', **numbers: str) -> bytes:
    """A key file of alice's with other atoms."""
    atoms = {letter: _even(getattr(NUMBERS[0], letter)) for letter in "pqgy"} | {"x": _even(NUMBERS[1])} | numbers
    lists = " ".join(f"({letter} {atom})" for letter, atom in atoms.items() if atom)
    return f"(privkeys (account (name {name})\n(protocol prpl-x) (private-key (dsa {lists}))))".encode()


def _even(number: int) -> str:
    return f"#{number.to_bytes((number.bit_length() + 7) // 8, 'big').hex()}#"


@pytest.mark.parametrize(
    ("atom", "name"),
    [
        ('"alice"', "alice"),
        ("alice", "alice"),
        ("#616c 6963\n65#", "alice"),
        ("|YWxpY2U=|", "alice"),
        ("5:alice", "alice"),
        ("2:((", "(("),
        ("12345", "12345"),
        (r'"\"\\\'\x41\102\n\r\t\b\v\f"', "\"\\'AB\n\r\t\b\v\f"),
        ('"a\\\nb\\\r\nc"', "abc"),
        ('"ü"', "ü"),
        (r'"\xff"', "\udcff"),
    ],
)
def test_every_kind_of_atom_is_read(atom: str, name: str) -> None:
    (account,) = parse_keys(file_with(atom))
    assert account == Account(name, "prpl-x", published_key("alice"))


def test_order_white_space_and_a_closing_nul_do_not_matter() -> None:
    (account,) = parse_keys(file_with())
    turned = b"\t(privkeys(account\n(private-key" + file_with().split(b"(private-key", 1)[1][:-2]
    turned += b"(protocol\r\nprpl-x)(name\v alice)))\n\0"
    assert parse_keys(turned) == (account,)


@pytest.mark.parametrize(
    ("data", "line", "column", "problem"),
    [
        (b"", 1, 1, "no private key file"),
        (b"\n  x", 2, 3, "no private key file"),
        (b"(privkeys", 1, 1, "has no closing"),
        (b"(privkeys\n (account (name x)", 2, 2, "has no closing"),
        (b"(privkeys) x", 1, 12, "something follows"),
        (b"(keys)", 1, 1, 'expected a list "(privkeys ...)"'),
        (b"()", 1, 1, 'expected a list "(privkeys ...)"'),
        (b"((privkeys))", 1, 1, 'expected a list "(privkeys ...)"'),
        (b"(privkeys account)", 1, 11, 'expected a list "(account ...)"'),
        (b"(privkeys\n(account (name x) (name y)))", 2, 19, "a second (name ...)"),
        (b"(privkeys (account (name x)))", 1, 11, "(protocol ...) is missing"),
        (b"(privkeys (account (nom x)))", 1, 20, "expected one of the lists name, protocol, private-key"),
        (b"(privkeys (account x))", 1, 20, "expected one of the lists"),
        (b"(privkeys (account ()))", 1, 20, "expected one of the lists"),
        (file_with("x y"), 1, 20, "expected exactly one value"),
        (file_with("(x)"), 1, 20, "expected exactly one value"),
        (b'(privkeys "x', 1, 11, "a quoted string starts here"),
        (b"(privkeys #0g#)", 1, 11, "a hexadecimal string starts here"),
        (b"(privkeys #012#)", 1, 11, "odd number of hexadecimal digits"),
        (b"(privkeys |a|)", 1, 11, "bad base64"),
        (b"(privkeys |a)", 1, 11, "a base64 string starts here"),
        (b"(privkeys 999:a)", 1, 11, "999 bytes are announced"),
        (b'(privkeys "a\\q")', 1, 13, "unknown escape \\q"),
        (b"(privkeys [x])", 1, 11, "unexpected byte 0x5b"),
        (b"(privkeys \xff)", 1, 11, "unexpected byte 0xff"),
        (b"(" * (MAX_DEPTH + 1), 1, MAX_DEPTH + 1, "lists within each other"),
        (file_with(x=""), 2, 32, "(x ...) is missing"),
        (file_with(x="#01#"), 2, 32, "account 'alice': the two halves of the DSA key don't belong together"),
        (file_with(x="#00#"), 2, 32, "account 'alice': g, y or x of the DSA key is out of range"),
        (file_with(g="#01#"), 2, 32, "out of range"),
        (file_with(p="#0101#"), 2, 32, "p and q of the DSA key have 9 and 160 bits"),
        (file_with(p="#" + "ff" * 100_000 + "#"), 2, 32, "have 800000 and 160 bits"),
        (file_with()[:-1] + file_with()[len("(privkeys ") :], 2, len(file_with().split(b"\n")[1]), "a second key for"),
        (file_with().replace(b"(dsa", b"(rsa"), 2, 32, 'expected a list "(dsa ...)"'),
        (file_with().replace(b"(private-key ", b"(private-key x "), 2, 19, 'expected one list "(dsa ...)"'),
    ],
)
def test_mistakes_are_named_with_their_place(data: bytes, line: int, column: int, problem: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        parse_keys(data, "my.keys")
    assert problem in caught.value.problem
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value) == f"my.keys, line {line}, column {column}: {caught.value.problem}"


@pytest.mark.slow
@given(st.data())
def test_no_bytes_lead_to_another_error(data: st.DataObject) -> None:
    good = file_with()
    start = data.draw(st.integers(0, len(good)))
    broken = good[:start] + data.draw(st.binary(max_size=4)) + good[data.draw(st.integers(start, len(good))) :]
    try:
        accounts = parse_keys(broken)
    except KeyFileError:
        assert broken != good
    else:
        assert parse_keys(format_keys(accounts)) == accounts
    if start < len(good.rstrip()):
        with pytest.raises(KeyFileError):
            parse_keys(good[:start])


def test_what_can_not_be_written_is_refused() -> None:
    key = published_key("alice")
    for name in ("", "a\0b"):
        with pytest.raises(KeyFileError, match="can't be written"):
            format_keys([Account(name, "x", key)])
    with pytest.raises(KeyFileError, match="two keys for account 'a'"):
        format_keys([Account("a", "x", key), Account("a", "x", published_key("bob"))])
    with pytest.raises(KeyFileError, match="don't belong together"):
        format_keys([Account("a", "x", replace(key, x=key.x - 1))])
