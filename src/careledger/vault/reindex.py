"""Going through everything sealed: to rebuild an index, or to find what was altered."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from careledger.fhir import index as fhir
from careledger.ledger.commitment import commit
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import MemberId
from careledger.vault.deposit import record_name, with_attached
from careledger.vault.errors import Tampered
from careledger.vault.index import Entry, decode_facts, encode_facts
from careledger.vault.indexes import Indexes
from careledger.vault.objects import (
    DIRECTORY,
    BlindName,
    Content,
    PatientRef,
    Place,
    open_object,
    resource_name,
    seal_object,
)
from careledger.vault.patients import Patient, Patients
from careledger.vault.rows import Rows, Step


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was put. `seq` is the number of the version, if it is one."""

    what: str
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class _Version:
    seq: int
    place: Place
    content: Content
    facts: fhir.Facts


class Reindexer:
    """Reads every version of a patient, without giving any of it away."""

    def __init__(
        self, rows: Rows, patients: Patients, indexes: Indexes, custodian: MemberId
    ) -> None:
        """For the patients of `custodian`."""
        self._rows, self._patients, self._indexes = rows, patients, indexes
        self._custodian = custodian

    def rebuild(
        self, ref: PatientRef, extract: Callable[[bytes], fhir.Facts] | None
    ) -> tuple[list[Step], int]:
        """What makes the index anew, and the number of versions it is made from.

        With `extract`, objects whose facts are found to be others are sealed anew, bytes and salt
        as they were.
        """
        patient = self._patients.patient(ref)
        newest: dict[BlindName, Entry] = {}
        resealed = list[tuple[bytes, int]]()
        count = 0
        for version in self._versions(patient):
            count += 1
            place, content, facts = version.place, version.content, version.facts
            before = newest.get(place.name)
            if extract is not None:
                facts = _extracted(content, facts, before, extract)
            if facts != version.facts:
                fresh = msgspec.structs.replace(content, facts=encode_facts(facts))
                resealed.append((seal_object(patient.key, place, fresh), version.seq))
            newest[place.name] = Entry(
                facts.type,
                facts.id or "",
                place.version,
                content.deleted,
                facts,
                content.stored,
                version.seq,
                content.elsewhere,
            )
        steps = self._indexes.replace(patient, newest.values())
        steps.append(Step("UPDATE objects SET sealed = ? WHERE seq = ?", resealed))
        return steps, count

    def check(self) -> Iterator[Damage]:
        """Everything that does not open, or is not what was committed to."""
        for ref in (DIRECTORY, *self._patients.all()):
            try:
                patient = self._patients.patient(ref)
                self._indexes.drop(ref)
                list(self._indexes.open(patient, until=0).of_type(None))  # decodes each entry
            except LedgerError as error:
                yield Damage(str(error) or type(error).__name__)
                continue
            yield from self._check(patient)
        yield from self._check_rest()

    def _check_rest(self) -> Iterator[Damage]:
        for (seq,) in self._rows.read(
            "SELECT seq FROM objects LEFT JOIN commitments USING (seq) WHERE value IS NULL"
        ):
            yield Damage("a commitment is missing", seq)
        known = {DIRECTORY, *self._patients.all()}
        for (ref,) in self._rows.read(
            "SELECT patient FROM objects UNION SELECT patient FROM segments"
        ):
            if ref not in known:
                yield Damage("records of a patient without a key")

    def _check(self, patient: Patient) -> Iterator[Damage]:
        for seq, name, number, sealed, value in self._rows.read(
            "SELECT seq, name, version, sealed, value FROM objects JOIN commitments USING (seq) "
            "WHERE patient = ?",
            [patient.ref],
        ):
            try:
                version = self._version(patient, seq, BlindName(name), number, sealed)
            except LedgerError as error:
                yield Damage(str(error), seq)
                continue
            named = record_name(
                self._custodian,
                patient.account,
                version.facts.type,
                version.facts.id or "",
                number,
            )
            content = version.content
            if not content.elsewhere and commit(named, content.salt, content.data) != value:
                yield Damage("a commitment", seq)

    def _versions(self, patient: Patient) -> Iterator[_Version]:
        for seq, name, number, sealed in self._rows.read(
            "SELECT seq, name, version, sealed FROM objects WHERE patient = ? ORDER BY seq",
            [patient.ref],
        ):
            yield self._version(patient, seq, BlindName(name), number, sealed)

    def _version(
        self, patient: Patient, seq: int, name: BlindName, number: int, sealed: bytes
    ) -> _Version:
        place = Place(self._custodian, patient.ref, name, number)
        content = open_object(patient.key, place, sealed)
        facts = decode_facts(content.facts)
        if resource_name(self._patients.index_key, facts.type, facts.id or "") != name:
            raise Tampered("a name")
        return _Version(seq, place, content, facts)


def _extracted(
    content: Content,
    facts: fhir.Facts,
    before: Entry | None,
    extract: Callable[[bytes], fhir.Facts],
) -> fhir.Facts:
    """The facts by today's rules, under the name that the resource has here.

    Those of bytes that are elsewhere stay as they are: nobody reads the bytes here.
    """
    if content.elsewhere:
        return facts
    if content.deleted:
        return facts if before is None else before.facts
    found = msgspec.structs.replace(extract(content.data), type=facts.type, id=facts.id)
    return found if before is None else with_attached(found, before.facts)
