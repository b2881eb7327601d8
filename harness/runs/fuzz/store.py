"""The database of a campaign: SQLite, with one transaction for each state that is saved.

A campaign that is killed has the last saved state, as a whole. Only changes are saved, so a campaign with many findings
is as fast as one without.

The file may come from anybody. It is opened only if it and all that SQLite would read beside it are plain files of
bounded size, and read only if its schema is exactly the one written here, without anybody else's trigger, view or
index. Its content then passes the same checks as any other value from outside. [state.py] A file that fails is refused
and left as it is.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from otterproof.harness.runs.fuzz.identity import difference
from otterproof.harness.runs.fuzz.state import VERSION, CampaignError, State, as_json, state_of
from otterproof.harness.support.inputs import LIMITS, parse_json
from otterproof.harness.support.outputs import OutputError, write_whole
from otterproof.harness.support.printable import printable

#: The database in the folder of a campaign, and the ends of the names of the files that SQLite has beside it.
STATE = "campaign.sqlite"
BESIDE = ("-wal", "-shm", "-journal")

#: How far SQLite waits for the disk: FULL also survives a power failure.
SYNCHRONOUS = "FULL"

#: The file of a campaign of an earlier version.
_EARLIER = "campaign.json"

_SCHEMA = {
    "campaign": "CREATE TABLE campaign (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "finding": "CREATE TABLE finding (name TEXT PRIMARY KEY, number INTEGER, value TEXT NOT NULL) WITHOUT ROWID",
    "seen": "CREATE TABLE seen (area TEXT, name TEXT, first INTEGER NOT NULL, PRIMARY KEY (area, name)) WITHOUT ROWID",
}

#: The fields of a campaign that have tables of their own.
_OWN_TABLES = ("findings", "seen")

#: Where the file's header says that it has a write-ahead log. [sqlite.org/fileformat.html, 1.3.3]
_LOGGED = slice(18, 20)


class Store:
    """A campaign's database, open. target, seed: of the campaign. version: of the target, when it was last saved."""

    def __init__(self, connection: sqlite3.Connection, path: Path, target: str, seed: str) -> None:
        self._connection = connection
        self._path = path
        self._target = target
        self._seed = seed
        self._saved: dict[str, Any] = {}
        self._file = path.stat()
        self.version = ""
        #: Whether it was found without a campaign, and nothing has been saved in it.
        self.unused = False

    def load(self) -> State:
        """The last saved state. CampaignError, which says what is wrong."""
        try:
            written = self._read()
            state = state_of(written)
        except (sqlite3.Error, ValueError) as error:
            raise _unusable(self._path, str(error)) from error
        if (written["target"], written["seed"]) != (self._target, self._seed):
            told = difference((written["target"], written["seed"]), (self._target, self._seed))
            raise CampaignError(f"{printable(str(self._path.parent))} has {told}")
        self.version = written["target_version"]
        self.unused = state == State()
        self._saved = {} if self.unused else written
        return state

    def _read(self) -> dict[str, Any]:
        asked = self._connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
        if asked != [("table", name, sql) for name, sql in sorted(_SCHEMA.items())]:
            raise ValueError("its tables are not those of a campaign of this version of Otterproof")
        written: dict[str, Any] = {}
        for name, value in self._connection.execute("SELECT name, value FROM campaign"):
            written[str(name)] = _parsed(value)
        if not written:
            return as_json(State(), self._target, "", self._seed)  # killed before anything was saved
        if written.get("version") != VERSION:
            raise ValueError(f"it has version {written.get('version')!r:.40}, and this Otterproof knows only {VERSION}")
        findings = self._connection.execute("SELECT value FROM finding ORDER BY number, name")
        written["findings"] = [_parsed(value) for (value,) in findings]
        seen = self._connection.execute("SELECT area, name, first FROM seen ORDER BY first, area, name")
        written["seen"] = [list(row) for row in seen]
        return written

    @property
    def is_there(self) -> bool:
        """Whether the database still is the file of its name."""
        try:
            return os.path.samestat(self._file, self._path.stat())
        except FileNotFoundError:
            return False

    def save(self, state: State, version: str) -> None:
        """Save a state. version: of the target. OutputError.

        SQLite would go on writing to a file that has been removed, and all would be lost when it is closed.
        """
        if not self.is_there:
            why = "it was removed or replaced while the campaign ran, and what was stored is lost"
            error = FileNotFoundError(errno.ENOENT, why)
            raise OutputError(printable(str(self._path)), error, "begin the campaign again")
        written = as_json(state, self._target, version, self._seed)
        old = self._saved
        was = {one["name"]: one for one in old.get("findings", ())}
        with writing(self._path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            for name, value in written.items():
                if name not in _OWN_TABLES and (name not in old or old[name] != value):
                    connection.execute("INSERT OR REPLACE INTO campaign VALUES (?, ?)", (name, _text(value)))
            for number, one in enumerate(written["findings"]):
                if was.pop(one["name"], None) != one:
                    row = (one["name"], number, _text(one))
                    connection.execute("INSERT OR REPLACE INTO finding VALUES (?, ?, ?)", row)
            connection.executemany("DELETE FROM finding WHERE name = ?", [(name,) for name in was])
            new = written["seen"][len(old.get("seen", ())) :]
            connection.executemany("INSERT INTO seen VALUES (?, ?, ?)", new)
        self.version = version
        self._saved = written
        self.unused = self.unused and state == State()


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _parsed(value: object) -> Any:
    if not isinstance(value, str):
        raise ValueError("a value is not text")
    return parse_json(value, whole=True)


def _unusable(path: Path, why: str) -> CampaignError:
    return CampaignError(
        f"{printable(str(path))} can't be used: {printable(why)[:300]}; name another folder with --out"
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, errors of SQLite become OutputErrors."""
    try:
        yield
    except sqlite3.Error as error:
        raise OutputError(printable(str(path)), OSError(0, printable(str(error)))) from error


@contextmanager
def opened_store(folder: Path, target: str, seed: str) -> Iterator[tuple[Store, State]]:
    """The database of the campaign in a folder, and its last state; the first state if there is no campaign yet.

    CampaignError when the folder has another campaign, or a database that can't be used; OutputError.
    """
    path = folder / STATE
    if not exists(folder):
        write_whole(path, _empty())
    _check_files(folder)
    with writing(path):
        connection = sqlite3.connect(f"file:{_quoted(path)}?mode=rw", uri=True, isolation_level=None)
    store = None
    try:
        _prepare(connection, path)
        store = Store(connection, path, target, seed)
        yield store, store.load()
    finally:
        connection.close()
        if store is not None and store.unused and store.is_there:
            with suppress(OSError):
                path.unlink()


def read_state(folder: Path, target: str, seed: str) -> State:
    """The state of the campaign in a folder that nobody is using. Errors as for `opened_store`."""
    with opened_store(folder, target, seed) as (_, state):
        return state


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set up a connection that trusts nothing in the file, and keeps others away from it."""
    try:
        for setting in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "locking_mode = EXCLUSIVE"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise _unusable(path, str(error)) from error


def exists(folder: Path) -> bool:
    """Whether there is a campaign in a folder. CampaignError for one of an earlier version."""
    if (folder / STATE).exists() or (folder / STATE).is_symlink():
        return True
    if (folder / _EARLIER).exists():
        raise CampaignError(
            f"{printable(str(folder))} has a campaign of an earlier version of Otterproof, which can't be resumed; "
            "name another folder with --out"
        )
    return False


def _check_files(folder: Path) -> None:
    """CampaignError unless SQLite would read plain files of bounded size, and no rollback journal."""
    for name in (STATE, *(STATE + end for end in BESIDE)):
        path = folder / name
        if not path.exists() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file():
            raise _unusable(path, "it is a link, or no regular file")
        if path.stat().st_size > LIMITS["campaign"]:
            raise _unusable(path, f"it has more than {LIMITS['campaign']} bytes")
        if name.endswith("-journal"):
            raise _unusable(path, "a campaign leaves no such file, and what it says would be done to other files")


def _quoted(path: Path) -> str:
    """A path for a URI, where ? and # have a meaning."""
    return str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _empty() -> bytes:
    """A database without a campaign, so that one appears in its folder whole or not at all."""
    connection = sqlite3.connect(":memory:")
    try:
        for sql in _SCHEMA.values():
            connection.execute(sql)
        connection.commit()
        image = bytearray(connection.serialize())
    finally:
        connection.close()
    image[_LOGGED] = b"\x02\x02"
    return bytes(image)
