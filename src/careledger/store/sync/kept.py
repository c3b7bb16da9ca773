"""The snapshots that a node keeps beside its ledger: a folder each, named by its height."""

import shutil
from pathlib import Path

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import Digest, Instant
from careledger.store.sync.format import Manifest, parse_manifest

MANIFEST_FILE = "manifest"

_DIGITS = 16


class Kept:
    """The snapshots in one folder. A folder of another name is none of them."""

    def __init__(self, folder: Path) -> None:
        """Look in `folder`, which need not be there."""
        self.folder = folder

    def heights(self) -> list[int]:
        """The heights of which there are snapshots, newest first."""
        if not self.folder.is_dir():
            return []
        names = (path.name for path in self.folder.iterdir())
        return sorted((int(name) for name in names if _is_name(name)), reverse=True)

    def manifest(self, height: int) -> bytes | None:
        """The manifest of the snapshot at `height`; None if there is none (any more)."""
        return self._read(height, MANIFEST_FILE)

    def chunk(self, height: int, number: int) -> bytes | None:
        """One chunk of it; None if there is none (any more)."""
        return self._read(height, chunk_name(number))

    def load(self, height: int, chain: Digest) -> Manifest | None:
        """The manifest as a record; None if there is none that holds."""
        data = self.manifest(height)
        try:
            return None if data is None else parse_manifest(data, chain)
        except LedgerError:
            return None

    def newest_taken(self) -> Instant | None:
        """When the newest was taken; None if there is none."""
        for height in self.heights():
            try:
                found = (self.folder / folder_name(height) / MANIFEST_FILE).stat()
            except FileNotFoundError:
                continue
            return int(found.st_mtime)
        return None

    def keep(self, most: int) -> None:
        """Let all but the newest `most` go."""
        for height in self.heights()[most:]:
            shutil.rmtree(self.folder / folder_name(height), ignore_errors=True)

    def _read(self, height: int, name: str) -> bytes | None:
        try:
            return (self.folder / folder_name(height) / name).read_bytes()
        except FileNotFoundError:
            return None


def folder_name(height: int) -> str:
    """The folder of the snapshot at `height`."""
    return f"{height:0{_DIGITS}}"


def chunk_name(number: int) -> str:
    """The file of a chunk."""
    return f"chunk-{number:05}"


def _is_name(name: str) -> bool:
    return len(name) == _DIGITS and name.isascii() and name.isdigit()
