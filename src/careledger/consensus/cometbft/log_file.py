"""A log file that keeps its newest part: five files of ten megabytes at most."""

import contextlib
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10_000_000
KEPT = 4
"""Older files beside the one that is written: `engine.log.1` is the newest of them."""


class BoundedLog:
    """Appends to a file, and turns it over when it is full; a full disk loses lines and no more."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        """Write to `path`; it is opened with the first line."""
        self._path, self._max_bytes, self._kept = path, max_bytes, kept
        self._file: BinaryIO | None = None

    def write(self, line: bytes) -> None:
        """Append a line."""
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = self._path.open("ab", buffering=0)
                self._path.chmod(0o600)
            self._file.write(line)
            if self._file.tell() >= self._max_bytes:
                self._turn_over()

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _turn_over(self) -> None:
        self.close()
        for number in range(self._kept, 0, -1):
            older = self._name(number - 1)
            if older.exists():
                older.replace(self._name(number))

    def _name(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
