"""The log as static files that anyone may copy and any web server may serve (C2SP tlog-tiles).

Tiles and bundles are written before the checkpoint that speaks of them, and a file is whole under
its name or not there: whoever copies the checkpoint first and the rest after it has all it names.
"""

import os
import shutil
from pathlib import Path

from careledger.ledger.merkle import HASH_BYTES
from careledger.ledger.tile import ENTRIES, HEIGHT, WIDTH, Place, encode_bundle, place_at
from careledger.store.snapshot import Snapshot

CHECKPOINT_FILE = "checkpoint"

_PARTIAL = ".p"


class TileFiles:
    """A folder of tiles, bundles and one checkpoint."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which need not be there yet."""
        self.folder = folder

    def has(self, place: Place) -> bool:
        """Whether that file is there."""
        return (self.folder / place.path()).is_file()

    def read(self, place: Place) -> bytes:
        """What a tile or bundle holds.

        Raises:
            FileNotFoundError: it is not there.
        """
        return (self.folder / place.path()).read_bytes()

    def write(self, place: Place, data: bytes) -> None:
        """Put a tile or bundle; once it is full, the partial ones of before go."""
        self.put(place.path(), data)
        if place.is_full:
            path = self.folder / place.path()
            shutil.rmtree(path.with_name(path.name + _PARTIAL), ignore_errors=True)

    def checkpoint(self) -> str | None:
        """The checkpoint as it was written last."""
        try:
            return (self.folder / CHECKPOINT_FILE).read_text()
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes) -> None:
        """Write a file, durable and whole or not at all."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(path.name + ".part")
        with staged.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)


def missing(files: TileFiles, level: int, size: int) -> list[Place]:
    """The places of one level that a log of `size` entries has and the folder has not.

    Looked for from the right edge down to the first full one that is there: they are written in
    order, so all before it are.
    """
    found: list[Place] = []
    count = size >> (HEIGHT * max(level, 0))
    for number in range((count - 1) // WIDTH, -1, -1):
        place = place_at(level, number, size)
        if place is None or (files.has(place) and place.is_full):
            break
        if not files.has(place):
            found.append(place)
    return found[::-1]


def content(committed: Snapshot, place: Place) -> bytes | None:
    """What the log has at `place`; None if it is not that long, or its past is not here (yet)."""
    if place.needs > committed.latest().size:
        return None
    if place.level == ENTRIES:
        begin = place.number * WIDTH
        entries = committed.entries(begin, begin + place.width)
        return encode_bundle(entries) if len(entries) == place.width else None
    tile = committed.tile(place.level, place.number)[: place.width * HASH_BYTES]
    return tile if len(tile) == place.width * HASH_BYTES else None
