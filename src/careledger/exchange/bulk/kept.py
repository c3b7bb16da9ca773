"""Exports as they are kept: sealed in a cabinet, so that they are there after a restart."""

from typing import Final, Literal

import msgspec

from careledger.exchange.bulk.order import Asked, Output
from careledger.exchange.cabinet import Cabinet, KeyNumber, Thing
from careledger.ledger.record import Instant

_ABOUT: Final = "export"
_KEY: Final = KeyNumber(0)


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


class _Named(msgspec.Struct):
    id: str


class Kept:
    """The exports in one cabinet."""

    def __init__(self, cabinet: Cabinet) -> None:
        """Use `cabinet`, which may have other things in it."""
        self._cabinet = cabinet

    def all(self) -> list[Note]:
        """What an earlier run left, oldest first; what this release does not understand is gone."""
        notes = list[Note]()
        for kept in self._cabinet.by_about(_ABOUT):
            try:
                notes.append(msgspec.msgpack.decode(kept.content, type=Note))
            except msgspec.ValidationError:
                self.forget(msgspec.msgpack.decode(kept.content, type=_Named).id)
        return notes

    def put(self, note: Note) -> None:
        """Durable on return; in the place of what was kept of the same export."""
        content = msgspec.msgpack.encode(note)
        thing = Thing(_name(note.id), _name(note.id), _ABOUT, content, False, _KEY)  # noqa: FBT003 - not done
        self._cabinet.put([thing])

    def forget(self, id_: str) -> None:
        """Erase it, and with it the key of its files; no copy is left in the cabinet's file."""
        self._cabinet.forget(_name(id_))


def _name(id_: str) -> str:
    return f"export {id_}"
