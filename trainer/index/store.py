"""The cache file: an SQLite database that can be thrown away at any time, and is, when it cannot be read.

Several processes may use one file: readers see what was last written whole, writers wait for each other, and a writer
whose beginning is out of date writes nothing (`Store.writing`).

    chain       one row: which market the file belongs to
    blocks      hashes that tell whether the chain is still the same: of blocks with logs, and of ends of readings
    events      every log, without its long values
    tails       samples, models and predictions, once
    challenges  each challenge after its last event, packed, so that thousands are listed at once
    credits     what each owner may withdraw
    books       each token's sums
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from trainer.errors import ChainError, DataError
from trainer.files import in_turn
from trainer.index.source import Block, Log

VERSION = 2
"""Of the tables, and of what is written into them: a file of another version is built anew."""
WAIT = 60
"""Seconds to wait for another process that writes."""
TABLES = """
CREATE TABLE chain (
    id INTEGER PRIMARY KEY CHECK (id = 1), market TEXT NOT NULL, start INTEGER NOT NULL, chain_id TEXT
);
CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, timestamp INTEGER NOT NULL);
CREATE TABLE events (
    block INTEGER NOT NULL, position INTEGER NOT NULL, challenge INTEGER, name TEXT NOT NULL,
    "transaction" BLOB NOT NULL, topics BLOB NOT NULL, head BLOB NOT NULL,
    PRIMARY KEY (block, position)
) WITHOUT ROWID;
CREATE INDEX events_of ON events (challenge, name, block, position);
CREATE TABLE tails (
    block INTEGER NOT NULL, position INTEGER NOT NULL, tail BLOB NOT NULL, UNIQUE (block, position)
);
CREATE TABLE challenges (id INTEGER PRIMARY KEY, state TEXT NOT NULL, details TEXT NOT NULL);
CREATE TABLE credits (
    token TEXT NOT NULL, owner TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (token, owner)
) WITHOUT ROWID;
CREATE TABLE books (
    token TEXT PRIMARY KEY, escrowed TEXT NOT NULL, credited TEXT NOT NULL, burned TEXT NOT NULL
) WITHOUT ROWID;
"""
UNUSABLE = {
    sqlite3.SQLITE_ERROR,  # a table or column is missing
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,  # the file is too short
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
}


class Unusable(Exception):
    """The cache cannot be read; `Store.replace` makes another."""


class Row(NamedTuple):
    """One event as it is kept; `tail` is None where it was not asked for."""

    block: int
    timestamp: int
    position: int
    challenge: int | None
    transaction: bytes
    topics: tuple[bytes, ...]
    head: bytes
    tail: bytes | None


class Store:
    """One cache file, of one market from one block on."""

    def __init__(self, path: Path, market: str, start: int, note: Callable[[str], None]) -> None:
        """Open the file, or make it.

        market: the address, with checksum.
        start:  the first block that may hold a log.
        note:   is told, in a sentence, when a file is thrown away.

        Raises `DataError` where no file can be, and `ChainError` if the file is another market's.
        """
        self.path, self.market, self.start, self.note = path, market, start, note
        self.connection: sqlite3.Connection
        self._open()

    # ── the file ──

    def _open(self) -> None:
        with self._locked():
            try:
                self._connect()
            except Unusable as error:
                self._discard(str(error))
                self._connect()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone in opening and replacing the file."""
        lock = self.path.with_name(self.path.name + ".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.touch()
        except OSError as error:
            raise DataError(f"{self.path}: no cache can be kept there ({error.strerror}); choose another") from error
        with in_turn(lock):
            yield

    def _connect(self) -> None:
        with self._told():
            self.connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
        try:
            with self._told():
                self._prepare()
        except BaseException:
            self.connection.close()
            raise
        self.inode = self.path.stat().st_ino

    def _prepare(self) -> None:
        run = self.connection.execute
        version = run("PRAGMA user_version").fetchone()[0]
        if version == 0 and not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            run("PRAGMA journal_mode = WAL")
            with self._transaction():
                for statement in TABLES.split(";")[:-1]:
                    run(statement)
                run("INSERT INTO chain VALUES (1, ?, ?, NULL)", (self.market, self.start))
                run(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise Unusable(f"it has version {version}, not {VERSION}")
        # a process that is killed loses nothing so; a machine that loses power, the last blocks at most
        run("PRAGMA synchronous = NORMAL")
        row = run("SELECT market, start FROM chain").fetchone()
        if row is None:
            raise Unusable("it names no market")
        if row[0] != self.market:
            raise ChainError(f"{self.path} is the cache of market {row[0]}; choose another file for {self.market}")
        if row[1] > self.start:
            raise Unusable(f"it begins with block {row[1]}, not {self.start}")
        self.start = row[1]

    def _discard(self, why: str) -> None:
        self.note(f"{self.path} is thrown away and built anew: {why}")
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def replace(self, why: str) -> None:
        """Throw the file away, unless another process just did, and begin another."""
        self.close()
        with self._locked():
            with suppress(FileNotFoundError):
                if self.path.stat().st_ino == self.inode:
                    self._discard(why)
            self._connect()

    def check_place(self) -> None:
        """Raise `Unusable` if the file is another one by now, or gone: what is written here nobody would read."""
        try:
            same = self.path.stat().st_ino == self.inode
        except OSError:
            same = False
        if not same:
            raise Unusable("another process has replaced it")

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        with suppress(sqlite3.Error):
            self.connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of SQLite as `Unusable`, or as what a user can do about them."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None) or 0
            if code & 255 in UNUSABLE or "UTF-8" in str(error):
                raise Unusable(str(error)) from error
            if code & 255 == sqlite3.SQLITE_BUSY:
                remedy = f"another process has been writing for {WAIT} seconds; end it, or try again"
            else:
                remedy = "make room, or choose another file for the cache"
            raise DataError(f"{self.path}: {error}; {remedy}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            # some errors have rolled back already
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def moment(self) -> Iterator[None]:
        """All that is read inside is of one moment, whatever others write meanwhile."""
        connection = self.connection
        with self._told():
            connection.execute("BEGIN")
        try:
            yield
        finally:
            # a file that was replaced inside was closed, and a closed one cannot be asked
            with suppress(sqlite3.ProgrammingError):
                connection.execute("COMMIT")

    @contextmanager
    def writing(self, base: Block | None) -> Iterator[bool]:
        """A transaction, all or nothing; whether the last block is still `base`, so that it may go on from there."""
        with self._told(), self._transaction():
            self.check_place()
            if self.connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                raise Unusable("another version has replaced it")
            yield self._last() == base

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._told():
            return self.connection.execute(statement, values).fetchall()

    # ── the chain ──

    def chain_id(self) -> int | None:
        """The chain's id, once known."""
        text = self._run("SELECT chain_id FROM chain")[0][0]
        return None if text is None else int(text)

    def set_chain_id(self, chain_id: int) -> None:
        self._run("UPDATE chain SET chain_id = ?", str(chain_id))

    def last(self) -> Block | None:
        """The block up to which everything is here; None before the first reading."""
        with self._told():
            return self._last()

    def _last(self) -> Block | None:
        row = self.connection.execute("SELECT * FROM blocks ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else Block(*row)

    def numbers(self) -> list[int]:
        """Blocks whose hashes are known, from the newest on."""
        return [number for (number,) in self._run("SELECT number FROM blocks ORDER BY number DESC")]

    def known(self, number: int) -> Block | None:
        """A block whose hash is known."""
        rows = self._run("SELECT * FROM blocks WHERE number = ?", number)
        return Block(*rows[0]) if rows else None

    # ── inside `writing` ──

    def add_blocks(self, blocks: Sequence[Block]) -> None:
        """Remember blocks in ascending order, the last one read at the end."""
        self.connection.executemany("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", blocks)

    def forget_blocks(self, first: int, last: int) -> None:
        """Forget the hashes of blocks without logs, the last excluded: a fork below costs a longer reading instead."""
        self.connection.execute(
            "DELETE FROM blocks WHERE number >= ? AND number < ?"
            " AND NOT EXISTS (SELECT 1 FROM events WHERE block = number)",
            (first, last),
        )

    def add_event(self, log: Log, challenge: int | None, name: str, head: bytes, tail: bytes) -> None:
        """Keep a log."""
        run, place = self.connection.execute, (log.block, log.index)
        run(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*place, challenge, name, log.transaction, b"".join(log.topics), head),
        )
        if tail:
            run("INSERT INTO tails VALUES (?, ?, ?)", (*place, tail))

    def cut(self, last: int) -> None:
        """Forget blocks and logs above a block."""
        for table, column in (("tails", "block"), ("events", "block"), ("blocks", "number")):
            self.connection.execute(f"DELETE FROM {table} WHERE {column} > ?", (last,))

    def clear(self) -> None:
        """Forget everything but whose cache it is."""
        for table in ("blocks", "events", "tails", "challenges", "credits", "books"):
            self.connection.execute(f"DELETE FROM {table}")

    def save_challenge(self, id: int, state: str, details: str) -> None:
        self.connection.execute("INSERT OR REPLACE INTO challenges VALUES (?, ?, ?)", (id, state, details))

    def drop_challenge(self, id: int) -> None:
        self.connection.execute("DELETE FROM challenges WHERE id = ?", (id,))

    def save_credit(self, token: str, owner: str, amount: int) -> None:
        self.connection.execute("INSERT OR REPLACE INTO credits VALUES (?, ?, ?)", (token, owner, str(amount)))
        if not amount:
            self.connection.execute("DELETE FROM credits WHERE token = ? AND owner = ?", (token, owner))

    def save_books(self, token: str, sums: Sequence[int]) -> None:
        self.connection.execute("INSERT OR REPLACE INTO books VALUES (?, ?, ?, ?)", (token, *map(str, sums)))
        if not any(sums):
            self.connection.execute("DELETE FROM books WHERE token = ?", (token,))

    # ── what is known ──

    def challenge(self, id: int) -> tuple[str, str] | None:
        """State and details of a challenge."""
        rows = self._run("SELECT state, details FROM challenges WHERE id = ?", id)
        return rows[0] if rows else None

    def challenges(self) -> list[tuple[int, str, str]]:
        """Every challenge's id, state and details, in order."""
        return self._run("SELECT id, state, details FROM challenges ORDER BY id")

    def credit(self, token: str, owner: str) -> int:
        """What an owner may withdraw."""
        rows = self._run("SELECT amount FROM credits WHERE token = ? AND owner = ?", token, owner)
        return int(rows[0][0]) if rows else 0

    def credits(self, token: str) -> dict[str, int]:
        """What each owner may withdraw, where that is anything."""
        rows = self._run("SELECT owner, amount FROM credits WHERE token = ? ORDER BY owner", token)
        return {owner: int(amount) for owner, amount in rows}

    def books(self, token: str) -> tuple[int, int, int]:
        """Sums escrowed, credited and burned."""
        rows = self._run("SELECT escrowed, credited, burned FROM books WHERE token = ?", token)
        escrowed, credited, burned = map(int, rows[0]) if rows else (0, 0, 0)
        return escrowed, credited, burned

    def events(
        self,
        *,
        challenge: int | None = None,
        name: str | None = None,
        above: int | None = None,
        whole: Sequence[str] = (),
        newest: bool = False,
    ) -> list[Row]:
        """Events in the order of the chain.

        challenge, name, above: only that challenge's, those of that name, those in blocks above that one.
        whole:                  names of events whose tails are read, too.
        newest:                 only the last one.
        """
        wanted = {"challenge = ?": challenge, "name = ?": name, "events.block > ?": above}
        given = {clause: value for clause, value in wanted.items() if value is not None}
        names = ", ".join("?" * len(whole))
        rows = self._run(
            f"""
            SELECT events.block, timestamp, events.position, challenge, "transaction", topics, head,
                CASE WHEN name IN ({names}) THEN
                    coalesce((SELECT tail FROM tails WHERE block = events.block AND position = events.position), x'')
                END
            FROM events JOIN blocks ON number = events.block
            WHERE {" AND ".join(given) or "1"}
            ORDER BY events.block {"DESC" * newest}, events.position {"DESC" * newest}
            LIMIT {1 if newest else -1}
            """,
            *whole,
            *given.values(),
        )
        return [
            Row(block, time, at, id, transaction, tuple(topics[i : i + 32] for i in range(0, len(topics), 32)), *rest)
            for block, time, at, id, transaction, topics, *rest in rows
        ]
