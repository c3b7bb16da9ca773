"""Earlier versions, the newest first, as far as a permit covers them.

A version counts if the newest one of its resource is covered, and it itself is. Pages are read by
number, so a page costs what it shows and what lies between, not what came before.
"""

import heapq
from collections.abc import Iterator
from typing import Final, NamedTuple

from careledger.ledger.record import Instant
from careledger.mechanisms.policy import Permit
from careledger.vault.index import Entry
from careledger.vault.objects import BlindName
from careledger.vault.opening import FOREVER, Opened, Opener, covers
from careledger.vault.patients import Patient, Patients
from careledger.vault.rows import Rows

_AT_ONCE: Final = 200
_NEWEST: Final = 2**62


class _Where(NamedTuple):
    """One version that may be in the answer."""

    seq: int
    version: int
    patient: Patient
    entry: Entry


class Historian:
    """Reads histories in one vault; the caller holds the vault's lock."""

    def __init__(self, rows: Rows, patients: Patients, opener: Opener) -> None:
        """Open versions with `opener`."""
        self._rows, self._patients, self._opener = rows, patients, opener

    def versions(
        self,
        permit: Permit | None,
        type_: str | None,
        id_: str | None,
        *,
        before: int | None,
        since: Instant | None,
        limit: int,
        at: Instant,
    ) -> list[Opened]:
        """See `Vault.history`."""
        end = _NEWEST if before is None else before
        family = self._opener.family(permit, at)
        runs = [self._run(permit, patient, type_, id_, end) for patient in family]
        found = list[Opened]()
        for where in heapq.merge(*runs, key=lambda where: -where.seq):
            if len(found) == limit:
                break
            entry = where.entry
            opened = self._opener.unseal(where.patient, entry.type, entry.id, where.version)
            if (since is None or opened.stored >= since) and covers(permit, opened.facts):
                found.append(opened)
        return found

    def _run(
        self, permit: Permit | None, patient: Patient, type_: str | None, id_: str | None, end: int
    ) -> Iterator[_Where]:
        """The versions of one patient's resources that are covered now, from below `end`."""
        until = FOREVER if permit is None else permit.expires
        index = self._opener.index(patient, until=until)
        if type_ is not None and id_ is not None:
            one = index.get(type_, id_)
            entries = [] if one is None else [one]
        else:
            entries = list(index.of_type(type_))
        key = self._patients.index_key
        named = {
            index.name((entry.type, entry.id), key): entry
            for entry in entries
            if covers(permit, entry.facts)
        }
        if id_ is not None:
            for name, entry in named.items():
                yield from self._of_one(patient, name, entry, end)
        elif named:
            yield from self._of_all(patient, named, end)

    def _of_one(
        self, patient: Patient, name: BlindName, entry: Entry, end: int
    ) -> Iterator[_Where]:
        for seq, version in self._rows.read(
            "SELECT seq, version FROM objects WHERE name = ? AND seq < ? ORDER BY version DESC",
            [name, end],
        ):
            yield _Where(seq, version, patient, entry)

    def _of_all(
        self, patient: Patient, named: dict[BlindName, Entry], end: int
    ) -> Iterator[_Where]:
        while found := self._rows.read(
            "SELECT seq, name, version FROM objects WHERE patient = ? AND seq < ? "
            "ORDER BY seq DESC LIMIT ?",
            [patient.ref, end, _AT_ONCE],
        ):
            for seq, name, version in found:
                entry = named.get(BlindName(bytes(name)))
                if entry is not None:
                    yield _Where(seq, version, patient, entry)
            end = found[-1][0]
