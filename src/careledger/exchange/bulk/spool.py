"""Sealed files of an export on disk: frames of lines, each of one patient, under a key in memory.

The key dies with the process. What is found on disk at a start is unreadable, and removed.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.vault.errors import Tampered

MOST_FRAME_BYTES: Final = 1_000_000
"""A frame is closed when it is longer than this; one resource may be longer."""

_HEAD: Final = 4
_NONCE: Final = 12


@dataclass(frozen=True, slots=True)
class Frame:
    """Whole lines that are all about one patient, or about nobody."""

    local: str
    """Local id of the patient; "" for the directory."""
    lines: bytes = field(repr=False)


@dataclass(slots=True)
class _File:
    handle: BinaryIO
    count: int = 0
    local: str = ""
    waiting: list[bytes] = field(default_factory=list)
    bytes_waiting: int = 0
    frames: int = 0


class Spool:
    """The files of one export, by name; written by one thread, read by any once it is sealed."""

    def __init__(self, folder: Path) -> None:
        """Write below `folder`, which is made and is this spool's own."""
        folder.mkdir(mode=0o700, parents=True)
        self._folder, self._key = folder, AESGCM(secrets.token_bytes(32))
        self._files: dict[str, _File] = {}

    def add(self, name: str, local: str, line: bytes) -> None:
        """Append a line, without its end, to the file `name`."""
        file = self._files.get(name) or self._open(name)
        if file.local != local or file.bytes_waiting > MOST_FRAME_BYTES:
            self._seal(name, file)
            file.local = local
        file.waiting += (line, b"\n")
        file.bytes_waiting += len(line) + 1
        file.count += 1

    def close(self) -> dict[str, int]:
        """Nothing more comes; how many lines each file has."""
        for name, file in self._files.items():
            self._seal(name, file)
            file.handle.close()
        return {name: file.count for name, file in self._files.items()}

    def frames(self, name: str) -> Iterator[Frame]:
        """What is in a file, in order; memory for one frame at a time.

        Raises:
            Tampered: it is not what was written.
            OSError: it is not there any more.
        """
        with (self._folder / name).open("rb") as handle:
            for number in range(self._files[name].frames):
                length = int.from_bytes(handle.read(_HEAD))
                sealed = handle.read(length)
                try:
                    plain = self._key.decrypt(sealed[:_NONCE], sealed[_NONCE:], _at(name, number))
                except (InvalidTag, ValueError) as error:
                    raise Tampered("a file of an export") from error
                local, _, lines = plain.partition(b"\0")
                yield Frame(local.decode(), lines)

    def remove(self) -> None:
        """Forget the key and remove the files; what another thread still reads ends in an error."""
        for file in self._files.values():
            file.handle.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self, name: str) -> _File:
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._files[name] = _File(os.fdopen(descriptor, "wb"))
        return self._files[name]

    def _seal(self, name: str, file: _File) -> None:
        if not file.waiting:
            return
        plain = b"".join((file.local.encode(), b"\0", *file.waiting))
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._key.encrypt(nonce, plain, _at(name, file.frames))
        file.handle.write(len(sealed).to_bytes(_HEAD) + sealed)
        file.frames += 1
        file.waiting, file.bytes_waiting = [], 0


def _at(name: str, number: int) -> bytes:
    """A frame opens only in its place."""
    return f"careledger export v1 {name} {number}".encode()
