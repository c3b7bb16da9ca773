"""Moving the bytes of versions into the vault and out of it; what is committed stays as it is.

A version whose bytes are elsewhere keeps its salt, its facts and its commitment here. So nobody can
change the bytes out there unnoticed, and bringing them back makes no new version.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from careledger.fhir.index import Facts
from careledger.ledger.commitment import commit
from careledger.ledger.record import MemberId
from careledger.vault.commitments import Commitments
from careledger.vault.deposit import record_name
from careledger.vault.errors import WrongBody
from careledger.vault.index import Entry, decode_facts
from careledger.vault.indexes import Indexes
from careledger.vault.objects import (
    BlindName,
    Content,
    PatientRef,
    Place,
    open_object,
    resource_name,
    seal_object,
)
from careledger.vault.opening import Opened
from careledger.vault.patients import Patient, Patients
from careledger.vault.rows import Rows, Step


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of one version, exactly those that were committed to."""

    type: str
    id: str
    version: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the newest version of a resource stands to bytes that another server has of it."""

    patient: PatientRef
    version: int
    deleted: bool
    elsewhere: bool
    same: bool
    """Whether it was committed to with these bytes, and knows as much of them."""


@dataclass(slots=True)
class Move:
    """The steps of one move, and what holds once they are durable."""

    steps: list[Step]
    entries: dict[PatientRef, list[Entry]]
    moved: int


@dataclass(frozen=True, slots=True)
class _Version:
    seq: int
    patient: Patient
    place: Place
    content: Content


class Bodies:
    """Prepares moves in one vault; writes nothing itself."""

    def __init__(
        self,
        rows: Rows,
        patients: Patients,
        indexes: Indexes,
        commitments: Commitments,
        custodian: MemberId,
    ) -> None:
        """For the patients of `custodian`."""
        self._rows, self._patients, self._indexes = rows, patients, indexes
        self._commitments, self._custodian = commitments, custodian

    def prepare(self, bodies: Sequence[Body], *, elsewhere: bool) -> Move:
        """What seals the bytes of `bodies` here, or leaves them out; what is so already stays.

        Raises:
            WrongBody: no such version, a deletion, or not the bytes that were committed to.
        """
        sealed, move = list[tuple[bytes, int]](), Move([], {}, 0)
        for body in bodies:
            version = self._find(body)
            content = version.content
            if content.elsewhere == elsewhere:
                continue
            data = b"" if elsewhere else body.data
            moved = replace(content, data=data, elsewhere=elsewhere)
            sealed.append((seal_object(version.patient.key, version.place, moved), version.seq))
            move.moved += 1
            entry = self._entry(version, body, elsewhere=elsewhere)
            if entry is not None:
                move.entries.setdefault(version.patient.ref, []).append(entry)
        move.steps = [Step("UPDATE objects SET sealed = ? WHERE seq = ?", sealed)]
        for ref, entries in move.entries.items():
            move.steps += self._indexes.append(self._patients.patient(ref), entries)
        return move

    def matches(self, opened: Opened, data: bytes) -> bool:
        """Whether `data` are the bytes that the version was committed to with."""
        name = record_name(self._custodian, opened.account, opened.type, opened.id, opened.version)
        return commit(name, opened.salt, data) == self._commitments.value(opened.seq)

    def standing(
        self, type_: str, id_: str, data: bytes, is_known: Callable[[Facts], bool]
    ) -> Standing | None:
        """See `Vault.standing`."""
        name = resource_name(self._patients.index_key, type_, id_)
        found = self._rows.read(
            "SELECT seq, patient, version, sealed FROM objects WHERE name = ? "
            "ORDER BY version DESC LIMIT 1",
            [name],
        )
        if not found:
            return None
        ((seq, ref, version, sealed),) = found
        patient = self._patients.patient(PatientRef(bytes(ref)))
        place = Place(self._custodian, patient.ref, BlindName(name), version)
        content = open_object(patient.key, place, sealed)
        named = record_name(self._custodian, patient.account, type_, id_, version)
        same = (
            not content.deleted
            and commit(named, content.salt, data) == self._commitments.value(seq)
            and is_known(decode_facts(content.facts))
        )
        return Standing(patient.ref, version, content.deleted, content.elsewhere, same)

    def held(self, ref: PatientRef) -> list[Body]:
        """See `Vault.bodies_to_send`."""
        patient, found = self._patients.patient(ref), list[Body]()
        for entry in self._indexes.open(patient, until=0).of_type(None):
            if entry.deleted or entry.elsewhere:
                continue
            name = resource_name(self._patients.index_key, entry.type, entry.id)
            ((sealed,),) = self._rows.read(
                "SELECT sealed FROM objects WHERE name = ? AND version = ?", [name, entry.version]
            )
            place = Place(self._custodian, ref, name, entry.version)
            content = open_object(patient.key, place, sealed)
            found.append(Body(entry.type, entry.id, entry.version, content.data))
        return found

    def _find(self, body: Body) -> _Version:
        name = resource_name(self._patients.index_key, body.type, body.id)
        found = self._rows.read(
            "SELECT seq, patient, sealed FROM objects WHERE name = ? AND version = ?",
            [name, body.version],
        )
        if not found:
            raise WrongBody("no such version")
        ((seq, ref, sealed),) = found
        patient = self._patients.patient(PatientRef(bytes(ref)))
        place = Place(self._custodian, patient.ref, BlindName(name), body.version)
        content = open_object(patient.key, place, sealed)
        named = record_name(self._custodian, patient.account, body.type, body.id, body.version)
        if not body.data or commit(named, content.salt, body.data) != self._commitments.value(seq):
            raise WrongBody("not the bytes that were committed to")
        return _Version(seq, patient, place, content)

    def _entry(self, version: _Version, body: Body, *, elsewhere: bool) -> Entry | None:
        """What the index says from now on; None if it is about a newer version."""
        ((newest,),) = self._rows.read(
            "SELECT max(version) FROM objects WHERE name = ?", [version.place.name]
        )
        if newest != body.version:
            return None
        return Entry(
            type=body.type,
            id=body.id,
            version=body.version,
            deleted=False,
            facts=decode_facts(version.content.facts),
            stored=version.content.stored,
            seq=version.seq,
            elsewhere=elsewhere,
        )
