"""World state: typed tables over one ordered byte map."""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar

from careledger.ledger.errors import CorruptStore, KeyTooLong, Malformed, Refusal
from careledger.ledger.record import Record, decode_trusted, encode

Row = TypeVar("Row", bound=Record)
Changes = Mapping[bytes, bytes | None]
"""Key to new value; `None` deletes."""

Component = str | bytes | int
KeyTypes = tuple[type[str] | type[bytes] | type[int], ...]

MAX_KEY_BYTES = 255
"""LMDB stops at 511: refused here, so that one long id cannot halt every node."""


class Reader(Protocol):
    """The ordered byte map beneath a view."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value at `key`, if there is one."""
        ...

    def scan(self, prefix: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with `prefix` and their values, in key order."""
        ...


def decode_row(row: bytes, type_: type[Row]) -> Row:
    """The row that this node wrote.

    Raises:
        CorruptStore: it wrote something else; that is no fault of whoever's command reads it.
    """
    try:
        return decode_trusted(row, type_)
    except Exception as error:
        raise CorruptStore(f"not a row: {type_.__name__}") from error


_decode_again: Any = lru_cache(maxsize=1 << 14)(decode_row)  # Any: the cache drops the row's type
"""Rows are immutable, and the rows of signers and keys are read over and over."""


@dataclass(frozen=True)
class Table(Generic[Row]):
    """Rows of one type, keyed by one or more components; the first is the row's owner.

    Keys sort as their components do: name, 00, then text and bytes with 00 escaped as 00 FF and
    ended by 00 01, integers as eight bytes big-endian. `spec/state.md` has the vectors.
    """

    name: str
    row: type[Row]
    key: KeyTypes

    def at(self, *key: Component) -> bytes:
        """The state key of the row `key`.

        Raises:
            KeyTooLong: over 255 bytes.
        """
        if len(key) != len(self.key):
            raise TypeError(self.name, len(key))
        return _encode_key(self.name, self.key, *key)

    def prefix(self, *key: Component) -> bytes:
        """What the state keys of all rows begin with whose first components are `key`."""
        return _encode_key(self.name, self.key, *key)

    def parse(self, at: bytes) -> tuple[Component, ...]:
        """Inverse of `at`.

        Raises:
            Malformed: not a key of this table.
        """
        name = self.name.encode() + b"\0"
        if not at.startswith(name):
            raise Malformed
        rest, key = at[len(name) :], list[Component]()
        for type_ in self.key:
            component, rest = _decode_component(rest, type_)
            key.append(component)
        if rest:
            raise Malformed
        return tuple(key)

    def last(self, at: bytes, prefix: bytes) -> bytes:
        """The last component of `at`, if it is bytes and `prefix` is all that comes before it."""
        return at[len(prefix) : -2].replace(b"\0\xff", b"\0")

    def put(self, row: Row, *key: Component) -> Changes:
        """The change that stores `row` under `key`."""
        return {self.at(*key): encode(row)}

    def remove(self, *key: Component) -> Changes:
        """The change that deletes the row `key`."""
        return {self.at(*key): None}


@lru_cache(maxsize=1 << 14, typed=True)  # the keys of signers are encoded over and over
def _encode_key(name: str, types: KeyTypes, *key: Component) -> bytes:
    parts = [name.encode(), b"\0"]
    for component, type_ in zip(key, types, strict=False):
        if type(component) is not type_:
            raise TypeError(name, type(component).__name__)
        parts.append(_encode_component(component))
    at = b"".join(parts)
    if len(at) > MAX_KEY_BYTES:
        raise KeyTooLong
    return at


def _encode_component(component: Component) -> bytes:
    if isinstance(component, int):
        return component.to_bytes(8)
    data = component.encode() if isinstance(component, str) else component
    return data.replace(b"\0", b"\0\xff") + b"\0\x01"


def _decode_component(data: bytes, type_: type[Component]) -> tuple[Component, bytes]:
    if type_ is int:
        if len(data) < 8:  # noqa: PLR2004 - eight bytes an integer
            raise Malformed
        return int.from_bytes(data[:8]), data[8:]
    end = data.find(b"\0\x01")
    if end < 0:
        raise Malformed
    value = data[:end].replace(b"\0\xff", b"\0")
    try:
        return (value.decode() if type_ is str else value), data[end + 2 :]
    except UnicodeDecodeError as error:
        raise Malformed from error


class MemoryReader:
    """A byte map in memory, for tests, replays and the genesis block."""

    def __init__(self, rows: Mapping[bytes, bytes] | None = None) -> None:
        """Begin with `rows`."""
        self._rows = dict(rows or {})
        self._keys: list[bytes] | None = None

    def get(self, key: bytes, /) -> bytes | None:
        """The value at `key`, if there is one."""
        return self._rows.get(key)

    def scan(self, prefix: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with `prefix` and their values, in key order."""
        if self._keys is None:
            self._keys = sorted(self._rows)
        for key in self._keys[bisect_left(self._keys, prefix) :]:
            if not key.startswith(prefix):
                return
            yield key, self._rows[key]

    def apply(self, changes: Changes) -> None:
        """Make `changes`."""
        for key, value in changes.items():
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
        self._keys = None

    def rows(self) -> Mapping[bytes, bytes]:
        """Everything held, for comparison."""
        return self._rows


class RememberingReader:
    """Reads each row once: a block's rules ask for the same signers over and over.

    What is beneath must not change while it is in use.
    """

    def __init__(self, reader: Reader) -> None:
        """Read through `reader`."""
        self._reader = reader
        self._seen: dict[bytes, bytes | None] = {}

    def get(self, key: bytes, /) -> bytes | None:
        """The value at `key`, if there is one."""
        try:
            return self._seen[key]
        except KeyError:
            found = self._seen[key] = self._reader.get(key)
            return found

    def scan(self, prefix: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with `prefix` and their values, in key order; not remembered."""
        return self._reader.scan(prefix)


class Overlay(dict[bytes, bytes | None]):
    """The changes of a block so far; their keys are in order, so that scans stay cheap.

    Mutable because a block grows: `lay` is its only writer.
    """

    def __init__(self) -> None:
        """Begin with no changes."""
        super().__init__()
        self._keys: list[bytes] = []
        self._unsorted: list[bytes] = []

    def lay(self, changes: Changes) -> None:
        """Lay `changes` over those before."""
        self._unsorted += [key for key in changes if key not in self]
        self.update(changes)

    def within(self, prefix: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        """The changes whose key begins with `prefix`, in key order."""
        for key in self._unsorted:
            insort(self._keys, key)
        self._unsorted.clear()
        for place in range(bisect_left(self._keys, prefix), len(self._keys)):
            key = self._keys[place]
            if not key.startswith(prefix):
                return
            yield key, self[key]


class View:
    """Read-only state: later changes laid over earlier ones, over what is committed."""

    def __init__(self, reader: Reader | None = None, *layers: Changes) -> None:
        """Look keys up in `layers` from first to last, then in `reader`."""
        self._reader: Reader = MemoryReader() if reader is None else reader
        self._layers = layers

    def under(self, changes: Changes) -> "View":
        """This state, seen through `changes`."""
        return View(self._reader, changes, *self._layers)

    def raw(self, at: bytes) -> bytes | None:
        """The encoded row at the state key `at`, if there is one."""
        for layer in self._layers:
            if at in layer:
                return layer[at]
        return self._reader.get(at)

    def get(self, table: Table[Row], *key: Component) -> Row | None:
        """The row `key` of `table`, if there is one."""
        row = self.raw(table.at(*key))
        if row is None:
            return None
        decoded: Row = _decode_again(row, table.row)
        return decoded

    def row(self, table: Table[Row], *key: Component) -> Row:
        """Return the row `key` of `table`, which an earlier event put there."""
        row = self.get(table, *key)
        if row is None:
            raise KeyError(table.name, *key)
        return row

    def find(self, table: Table[Row], *key: Component, absent: type[Refusal]) -> Row:
        """Like `get`, but refuses with `absent` if there is no such row."""
        row = self.get(table, *key)
        if row is None:
            raise absent
        return row

    def scan(
        self, table: Table[Row], *prefix: Component
    ) -> Iterator[tuple[tuple[Component, ...], Row]]:
        """Rows of `table` whose key begins with `prefix`, in key order, with their keys."""
        for at, row in self.raw_scan(table.prefix(*prefix)):
            yield table.parse(at), decode_row(row, table.row)

    def raw_scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """State keys that begin with `prefix` and their encoded rows, in key order."""
        laid: dict[bytes, bytes | None] = {}
        for layer in reversed(self._layers):
            laid.update(_within(layer, prefix))
        if not laid:
            return self._reader.scan(prefix)
        beneath = (pair for pair in self._reader.scan(prefix) if pair[0] not in laid)
        above = sorted((key, row) for key, row in laid.items() if row is not None)
        return heapq.merge(beneath, above)


def _within(layer: Changes, prefix: bytes) -> Iterable[tuple[bytes, bytes | None]]:
    if isinstance(layer, Overlay):
        return layer.within(prefix)
    return ((key, row) for key, row in layer.items() if key.startswith(prefix))
