"""The node's log as static tiles, derived from the store after commit by a process of its own.

It reads beside the running node and needs no key: the checkpoint is the newest that the node has
kept as signed. Run again, it adds what is new; a full tile is never written twice.
"""

from pathlib import Path

from careledger.ledger.checkpoint import Checkpoint, parse_checkpoint
from careledger.ledger.errors import CorruptStore, Unavailable
from careledger.ledger.tile import Place, levels
from careledger.node.config import load_node
from careledger.node.vouching import COSIGNED_FILE, LATEST_FILE, VOUCHED_FOLDER, root_in
from careledger.store.reader import StoreReader
from careledger.store.tile_files import CHECKPOINT_FILE, TileFiles, content, missing

_AT_ONCE = 32
"""Files to one read transaction: nobody holds a reader for long."""


def export_tiles(home: Path, folder: Path) -> tuple[Checkpoint, int]:
    """Bring the static files in `folder` up to what the node in `home` signed; how many were new.

    Raises:
        CorruptStore: the ledger is another history than the one that was signed.
        Unavailable: nothing was signed yet, or the ledger is not there.
    """
    text = _signed(home)
    checkpoint = parse_checkpoint(text).checkpoint
    files = TileFiles(folder)
    with StoreReader(home / load_node(home).ledger) as reader:
        root = root_in(reader)(checkpoint.size)
        if root != checkpoint.root:
            raise CorruptStore("the ledger is not the one that was signed", checkpoint.size)
        waiting = [
            place
            for level in levels(checkpoint.size)
            for place in missing(files, level, checkpoint.size)
        ]
        for begin in range(0, len(waiting), _AT_ONCE):
            _write(reader, files, waiting[begin : begin + _AT_ONCE])
    if files.checkpoint() != text:
        files.put(CHECKPOINT_FILE, text.encode())
    return checkpoint, len(waiting)


def _write(reader: StoreReader, files: TileFiles, places: list[Place]) -> None:
    with reader.snapshot() as committed:
        found = [(place, content(committed, place)) for place in places]
    for place, data in found:
        if data is None:
            raise CorruptStore("a tile of the log", place.path())
        files.write(place, data)


def _signed(home: Path) -> str:
    """The newest checkpoint that others cosigned, or else that the node signed alone."""
    for name in (COSIGNED_FILE, LATEST_FILE):
        path = home / VOUCHED_FOLDER / name
        if path.is_file():
            return path.read_text()
    raise Unavailable("the node has signed no checkpoint yet: run it first")
