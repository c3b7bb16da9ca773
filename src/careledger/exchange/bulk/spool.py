"""Files of an export on disk: frames of lines, each of one patient, sealed twice.

Inside under the key of the export, which is forgotten when the export is; outside under the key
that the vault has of the patient, which is destroyed when the patient is erased. Either alone
makes a frame unreadable, wherever copies of the file may be.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.ledger.record import encode
from careledger.vault.errors import NotRegistered, Tampered
from careledger.vault.keystore import sync_directory
from careledger.vault.objects import DIRECTORY, PatientRef, seal, unseal
from careledger.vault.vault import Vault

MOST_FRAME_BYTES: Final = 1_000_000
"""A frame is closed when it is longer than this; one resource may be longer."""

_HEAD: Final = 4
_REF: Final = len(DIRECTORY)
_DECISION: Final = 32
_WHAT: Final = "a file of an export"


@dataclass(frozen=True, slots=True)
class Frame:
    """Whole lines that are all about one patient, or about nobody."""

    local: str
    """Local id of the patient; "" for the directory."""
    decision: bytes
    """Digest of what was decided about the patient when these were written; zeros for nobody."""
    lines: bytes = field(repr=False)


@dataclass(slots=True)
class _File:
    handle: BinaryIO
    count: int = 0
    local: str = ""
    decision: bytes = b""
    waiting: list[bytes] = field(default_factory=list)
    bytes_waiting: int = 0
    frames: int = 0


class Spool:
    """The files of one export, by name; written by one thread, read by any once it is closed."""

    def __init__(self, folder: Path, key: bytes, vault: Vault) -> None:
        """Keep them below `folder`, which is this spool's own, under `key` and those of `vault`."""
        self._folder, self._vault = folder, vault
        self._key, self._export = AESGCM(key), folder.name
        self._files: dict[str, _File] = {}

    def begin(self) -> None:
        """Make the folder, empty."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)

    def add(self, name: str, local: str, decision: bytes, line: bytes) -> None:
        """Append a line, without its end, to the file `name`."""
        file = self._files.get(name) or self._open(name)
        goes_on = (file.local, file.decision) == (local, decision)
        if not goes_on or file.bytes_waiting > MOST_FRAME_BYTES:
            self._seal(name, file)
            file.local, file.decision = local, decision
        file.waiting += (line, b"\n")
        file.bytes_waiting += len(line) + 1
        file.count += 1

    def close(self) -> dict[str, tuple[int, int]]:
        """Nothing more comes; how many lines and frames each file has. Durable on return."""
        for name, file in self._files.items():
            self._seal(name, file)
            file.handle.flush()
            os.fsync(file.handle.fileno())
            file.handle.close()
        sync_directory(self._folder)
        return {name: (file.count, file.frames) for name, file in self._files.items()}

    def frames(self, name: str, count: int) -> Iterator[Frame]:
        """The `count` frames of a file, in order, without those of patients who were erased.

        Memory for one at a time.

        Raises:
            Tampered: it is not what was written.
            OSError: it is not there any more.
        """
        with (self._folder / name).open("rb") as handle:
            for number in range(count):
                length = int.from_bytes(handle.read(_HEAD))
                ref, sealed = PatientRef(handle.read(_REF)), handle.read(length)
                if len(sealed) < length or len(ref) < _REF:
                    raise Tampered(_WHAT)
                frame = self._unseal(ref, sealed, self._at(name, number))
                if frame is not None:
                    yield frame

    def remove(self) -> None:
        """Remove the files; what another thread still reads ends in an error."""
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
        place, decision = self._at(name, file.frames), file.decision.ljust(_DECISION, b"\0")
        plain = b"".join((decision, file.local.encode(), b"\0", *file.waiting))
        ref = self._vault.patient(file.local) if file.local else DIRECTORY
        with suppress(NotRegistered):  # whoever was erased meanwhile is not in it
            if ref is not None:
                sealed = self._vault.aside.seal(ref, seal(self._key, plain, place), place)
                file.handle.write(len(sealed).to_bytes(_HEAD) + ref + sealed)
                file.frames += 1
        file.waiting, file.bytes_waiting = [], 0

    def _unseal(self, ref: PatientRef, sealed: bytes, place: bytes) -> Frame | None:
        """What is in a frame; None if its patient was erased."""
        try:
            inner = self._vault.aside.open(ref, sealed, place)
        except NotRegistered:
            return None
        plain = unseal(self._key, inner, place, _WHAT)
        local, _, lines = plain[_DECISION:].partition(b"\0")
        return Frame(local.decode(), plain[:_DECISION], lines)

    def _at(self, name: str, number: int) -> bytes:
        """A frame opens only in its place."""
        return encode(("careledger export v2", self._export, name, number))
