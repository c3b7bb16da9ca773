"""The way out of the vault: with a permit, for what it covers, while it is live.

Two things are checked besides the permit. The index says which versions there must be, so one that
was taken away is noticed; and every sealed object names its patient, resource and version.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from careledger.fhir import index as fhir
from careledger.fhir.attached import BINARY
from careledger.fhir.canonical import canonical
from careledger.ledger.commitment import Opening, commit
from careledger.ledger.record import AccountId, Instant, MemberId
from careledger.mechanisms.policy import Permit
from careledger.vault.commitments import Commitments, CommittedBatch
from careledger.vault.deposit import record_name
from careledger.vault.errors import Spoilt, Tampered
from careledger.vault.index import Entry, Predicate, consent_facts, decode_facts
from careledger.vault.indexes import Indexes, OpenIndex
from careledger.vault.objects import (
    DIRECTORY,
    BlindName,
    PatientRef,
    Place,
    open_object,
    resource_name,
)
from careledger.vault.patients import Patient, Patients
from careledger.vault.rows import Rows

FOREVER: Final = 2**53

Version = tuple[str, str, int]
"""Type, id and number of one version."""

Sees = Callable[[fhir.Facts], bool]
"""What a resource must pass besides the permit."""

_AT_ONCE: Final = 100
"""So many versions are read in one statement."""


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A version of a resource in the clear. `account` is the one it was committed under."""

    type: str
    id: str
    version: int
    account: AccountId
    """"" in the directory."""
    stored: Instant
    facts: fhir.Facts
    data: bytes
    """Byte for byte as received; empty where this version is a deletion, or its bytes elsewhere."""
    salt: bytes
    seq: int
    """The number of its commitment in this vault."""
    elsewhere: bool = False
    """Whether its bytes are kept outside the vault: whoever has them may `replace` them in here."""
    changed: bool = False
    """Whether those bytes were found to differ from what had been committed to, just now."""

    def __repr__(self) -> str:
        """What it is, and nothing of what it says: this is what logs and errors show."""
        return f"Opened({self.type!r}, version={self.version}, seq={self.seq})"

    @property
    def deleted(self) -> bool:
        """Whether this version is a deletion."""
        return not self.data and not self.elsewhere

    @property
    def committed(self) -> bytes:
        """The bytes that its commitment is over: canonical where another server keeps them."""
        return canonical(self.data) if self.elsewhere and self.data else self.data


class Opener:
    """Opens what one vault holds; the caller holds the vault's lock."""

    def __init__(
        self,
        rows: Rows,
        patients: Patients,
        indexes: Indexes,
        commitments: Commitments,
        custodian: MemberId,
    ) -> None:
        """Open for the patients of `custodian`."""
        self._rows, self._patients, self._indexes = rows, patients, indexes
        self._commitments, self._custodian = commitments, custodian

    def open(
        self,
        permit: Permit | None,
        type_: str,
        id_: str,
        version: int | None,
        at: Instant,
        sees: Sees | None = None,
    ) -> Opened | None:
        """See `Vault.open`; without a permit `Vault.open_directory`."""
        until = FOREVER if permit is None else permit.expires
        for patient in self.family(permit, at):
            index = self.index(patient, until=until)
            newest = index.get(type_, id_)
            if newest is None:
                continue
            wanted = newest.version if version is None else version
            if not 1 <= wanted <= newest.version or not index.is_covered(newest, permit):
                return None
            if sees is not None and not sees(newest.facts):
                return None
            opened = self.unseal(patient, type_, id_, wanted)
            is_seen = sees is None or opened.facts == newest.facts or sees(opened.facts)
            return opened if is_seen and _still_covers(permit, newest, opened) else None
        return None

    def open_each(
        self, permit: Permit, wanted: Sequence[Version], at: Instant
    ) -> list[Opened | None]:
        """See `Vault.open_each`."""
        found, left = dict[Version, Opened](), set(wanted)
        for patient in self.family(permit, at):
            index, newest = self.index(patient, until=permit.expires), dict[Version, Entry]()
            for one in left:
                entry = index.get(one[0], one[1])
                if entry is not None:
                    newest[one] = entry
            left.difference_update(newest)
            allowed = {
                one: entry
                for one, entry in newest.items()
                if 1 <= one[2] <= entry.version and index.is_covered(entry, permit)
            }
            for one, opened in self._unseal_each(patient, allowed):
                if _still_covers(permit, allowed[one], opened):
                    found[one] = opened
        return [found.get(one) for one in wanted]

    def entry(self, permit: Permit | None, type_: str, id_: str, at: Instant) -> Entry | None:
        """See `Vault.entry`."""
        until = FOREVER if permit is None else permit.expires
        for patient in self.family(permit, at):
            index = self.index(patient, until=until)
            entry = index.get(type_, id_)
            if entry is not None:
                return entry if index.is_covered(entry, permit) else None
        return None

    def search(
        self,
        permit: Permit | None,
        matches: Predicate,
        at: Instant,
        type_: str | None = None,
    ) -> list[Entry]:
        """See `Vault.search`."""
        until = FOREVER if permit is None else permit.expires
        found = list[Entry]()
        for patient in self.family(permit, at):
            index = self.index(patient, until=until)
            met = _matching(index, type_, matches)
            found += [entry for entry in met if index.is_covered(entry, permit)]
        return found

    def attachments(self, ref: PatientRef, at: Instant) -> dict[str, list[fhir.Facts]]:
        """See `Vault.attachments`."""
        index = self.index(self._patients.patient(ref), until=at + 1)
        found = dict[str, list[fhir.Facts]]()
        for entry in index.of_type(None):
            for name in entry.facts.attached:
                if entry.type != BINARY:
                    found.setdefault(name, []).append(entry.facts)
                    continue
                type_, _, id_ = name.partition("/")
                context = index.get(type_, id_)
                if context is not None:
                    found.setdefault(f"{BINARY}/{entry.id}", []).append(context.facts)
        return found

    def locate(
        self, ref: PatientRef | None, matches: Predicate, at: Instant
    ) -> list[tuple[str, str, int]]:
        """See `Vault.locate`."""
        owner = self._patients.patient(DIRECTORY if ref is None else ref)
        until = FOREVER if ref is None else at + 1
        found = _matching(self.index(owner, until=until), None, matches)
        return [(one.type, one.id, one.version) for one in found]

    def opening(self, opened: Opened) -> tuple[CommittedBatch, Opening] | None:
        """See `Vault.opening`.

        Raises:
            Tampered: the commitment stored is not the one to these bytes.
        """
        name = record_name(self._custodian, opened.account, opened.type, opened.id, opened.version)
        commitment = commit(name, opened.salt, opened.committed)
        return self._commitments.opening(opened.seq, commitment, name, opened.salt)

    def family(self, permit: Permit | None, at: Instant) -> list[Patient]:
        """Whose resources the permit may open; nobody's, if it is not for here and now.

        Without a permit: the directory, which belongs to nobody.
        """
        if permit is None:
            return [self._patients.patient(DIRECTORY)]
        self._indexes.expire(at)
        if permit.use.custodian != self._custodian or not permit.is_live(at):
            return []
        ref = self._patients.by_account(AccountId(permit.use.account))
        return [] if ref is None else self._patients.family(ref)

    def index(self, patient: Patient, *, until: Instant) -> OpenIndex:
        """The patient's index, in memory until `until`."""
        return self._indexes.open(patient, until=until)

    def unseal(self, patient: Patient, type_: str, id_: str, version: int) -> Opened:
        """One version, whoever asks: the caller has asked the permit.

        Raises:
            Tampered: it is missing, or not what was put.
        """
        ((_, opened),) = self._unseal_each(patient, [(type_, id_, version)])
        return opened

    def _unseal_each(
        self, patient: Patient, wanted: Iterable[Version]
    ) -> Iterator[tuple[Version, Opened]]:
        """Versions of one patient's resources, a statement for many of them.

        Raises:
            Tampered: one is missing, or not what was put.
        """
        key, named = self._patients.index_key, defaultdict[int, dict[BlindName, Version]](dict)
        for one in wanted:
            named[one[2]][resource_name(key, one[0], one[1])] = one
        for version, names in named.items():
            every = list(names)
            for start in range(0, len(every), _AT_ONCE):
                some = every[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                found = self._rows.read(
                    "SELECT name, seq, sealed FROM objects "  # noqa: S608 - only question marks
                    f"WHERE version = ? AND name IN ({marks})",
                    [version, *some],
                )
                if len(found) != len(some):
                    raise Tampered("a version is missing", expected=len(some), actual=len(found))
                for name, seq, sealed in found:
                    one = names[BlindName(bytes(name))]
                    yield one, self._opened(patient, one, BlindName(bytes(name)), seq, sealed)

    def _opened(
        self, patient: Patient, what: Version, name: BlindName, seq: int, sealed: bytes
    ) -> Opened:
        place = Place(self._custodian, patient.ref, name, what[2])
        try:
            content = open_object(patient.key, place, sealed)
        except Tampered as error:
            raise Spoilt(self._commitments.leaf(seq)) from error
        return Opened(
            type=what[0],
            id=what[1],
            version=what[2],
            account=patient.account,
            stored=content.stored,
            facts=decode_facts(content.facts),
            data=content.data,
            salt=content.salt,
            seq=seq,
            elsewhere=content.elsewhere,
        )


def covers(permit: Permit | None, facts: fhir.Facts) -> bool:
    """Whether the permit opens what has these facts; none is needed in the directory alone."""
    if permit is None or permit.is_unlimited:
        return True
    return permit.covers(consent_facts(facts)).allowed


def _still_covers(permit: Permit | None, newest: Entry, opened: Opened) -> bool:
    """Whether the permit, which covers the newest version, covers what was opened too."""
    return opened.facts == newest.facts or covers(permit, opened.facts)


def _matching(index: OpenIndex, type_: str | None, matches: Predicate) -> Iterator[Entry]:
    for entry in index.of_type(type_):
        if not entry.deleted and matches(entry):
            yield entry
