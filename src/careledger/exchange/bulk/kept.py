"""Exports as they are kept: on a shelf, so that they are there after a restart."""

from typing import Final, Literal

import msgspec

from careledger.exchange.bulk.order import Asked, Output
from careledger.exchange.shelf import Shelf
from careledger.ledger.record import Instant

_KIND: Final = "export"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one export."""

    id: str
    asked: Asked
    key: bytes
    started: Instant
    ends: Instant
    tries: int
    phase: Literal["running", "done", "failed"]
    written: int
    outputs: tuple[Output, ...]


class Kept:
    """The exports on one shelf."""

    def __init__(self, shelf: Shelf) -> None:
        """Use `shelf`, which may have other things on it."""
        self._shelf = shelf

    def all(self) -> list[Note]:
        """What an earlier run left, oldest first; what this release does not understand is gone."""
        notes = list[Note]()
        for one in self._shelf.left(_KIND):
            note = one.understood(Note)
            if note is None:
                self.forget(one.key)
            else:
                notes.append(note)
        return notes

    def put(self, note: Note) -> None:
        """Durable on return; in the place of what was kept of the same export."""
        self._shelf.keep(_KIND, note.id, _owner(note.id), note.ends, note)

    def forget(self, id_: str) -> None:
        """Erase it, and with it the key of its files; no copy is left in the cabinet's file."""
        self._shelf.erase(_owner(id_))


def _owner(id_: str) -> str:
    return f"export {id_}"
