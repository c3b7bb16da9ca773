"""Putting resources into the vault: what one durable write must hold so that all or none are in."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from careledger.fhir import index as fhir
from careledger.fhir.nobody import OWN_TYPES
from careledger.ledger.commitment import RecordName, commit
from careledger.ledger.record import AccountId, Digest, Instant, MemberId
from careledger.vault.errors import NoOwner, VersionConflict, WrongFacts, WrongOwner
from careledger.vault.index import Entry, decode_facts, encode_facts
from careledger.vault.indexes import Indexes
from careledger.vault.objects import (
    DIRECTORY,
    SALT_BYTES,
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

DIRECTORY_TYPES: Final = frozenset(
    (
        "ActivityDefinition",
        "CapabilityStatement",
        "ChargeItemDefinition",
        "CodeSystem",
        "CompartmentDefinition",
        "ConceptMap",
        "DeviceDefinition",
        "EffectEvidenceSynthesis",
        "Endpoint",
        "EventDefinition",
        "Evidence",
        "EvidenceVariable",
        "ExampleScenario",
        "GraphDefinition",
        "Group",
        "HealthcareService",
        "ImplementationGuide",
        "InsurancePlan",
        "Library",
        "Location",
        "Measure",
        "Medication",
        "MedicationKnowledge",
        "MedicinalProduct",
        "MedicinalProductAuthorization",
        "MedicinalProductContraindication",
        "MedicinalProductIndication",
        "MedicinalProductIngredient",
        "MedicinalProductInteraction",
        "MedicinalProductManufactured",
        "MedicinalProductPackaged",
        "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect",
        "MessageDefinition",
        "NamingSystem",
        "ObservationDefinition",
        "OperationDefinition",
        "Organization",
        "OrganizationAffiliation",
        "PlanDefinition",
        "Practitioner",
        "PractitionerRole",
        "Questionnaire",
        "ResearchDefinition",
        "ResearchElementDefinition",
        "ResearchStudy",
        "RiskEvidenceSynthesis",
        "SearchParameter",
        "SpecimenDefinition",
        "StructureDefinition",
        "StructureMap",
        "Substance",
        "SubstanceNucleicAcid",
        "SubstancePolymer",
        "SubstanceProtein",
        "SubstanceReferenceInformation",
        "SubstanceSourceMaterial",
        "SubstanceSpecification",
        "TerminologyCapabilities",
        "TestReport",
        "TestScript",
        "ValueSet",
    )
)
"""What the organisation publishes of itself and of what it knows; but for
`fhir.compartment.ROSTERS` it says nothing of a patient."""

NOBODYS_TYPES: Final = DIRECTORY_TYPES | OWN_TYPES
"""Types that may belong to no patient. All others are refused without one: the default is no."""

_NAMES_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version of a resource to be put. Empty `data` deletes it; then `facts` is None."""

    patient: PatientRef | None
    """None for what is the organisation's own: its directory, and what is about nobody."""
    type: str
    id: str
    data: bytes = field(repr=False)
    facts: fhir.Facts | None = field(repr=False)
    if_version: int | None = None
    """The version that must be the newest now; 0: there must be none. None: do not ask."""
    elsewhere: bool = False
    """Commit to `data` and keep them not: they stay where they are, outside the vault."""

    @property
    def deleted(self) -> bool:
        """Whether this version is a deletion."""
        return not self.data


@dataclass(frozen=True, slots=True)
class Stored:
    """A version that is durable; `seq` numbers its commitment in this vault."""

    type: str
    id: str
    version: int
    account: AccountId
    commitment: Digest
    seq: int


@dataclass(slots=True)
class Deposit:
    """The steps of one put, and what holds once they are durable."""

    steps: list[Step]
    stored: list[Stored]
    entries: dict[PatientRef, list[Entry]]


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest version so far; none is version 0."""

    version: int
    patient: PatientRef
    facts: fhir.Facts | None = None
    """Known if it is of this put."""


class Depositor:
    """Prepares puts for one vault; writes nothing itself."""

    def __init__(
        self, rows: Rows, patients: Patients, indexes: Indexes, custodian: MemberId
    ) -> None:
        """Seal for `patients` in the name of `custodian`."""
        self._rows, self._patients, self._indexes = rows, patients, indexes
        self._custodian = custodian

    def prepare(self, arrivals: Sequence[Arrival], at: Instant, seq: int) -> Deposit:
        """Seal and commit each arrival; commitments are numbered from `seq` on.

        Raises:
            NoOwner: clinical data without a patient.
            NotRegistered: no such patient.
            WrongOwner, WrongFacts, VersionConflict: as they say.
        """
        key = self._patients.index_key
        names = [resource_name(key, arrival.type, arrival.id) for arrival in arrivals]
        newest = self._newest(names)
        objects, commitments = (
            list[tuple[int, bytes, int, bytes, bytes]](),
            list[tuple[int, bytes]](),
        )
        deposit = Deposit([], [], {})
        for number, (arrival, name) in enumerate(zip(arrivals, names, strict=True), start=seq):
            patient = self._patients.patient(_owner(arrival))
            before = newest.get(name) or _Newest(0, patient.ref)
            _check(arrival, patient, before)
            place = Place(self._custodian, patient.ref, name, before.version + 1)
            facts = arrival.facts or before.facts or self._facts(patient, name, before)
            if before.version and facts is arrival.facts:  # what was its content once stays so
                known = before.facts or self._facts(patient, name, before)
                facts = with_attached(facts, known)
            if facts.id is None:  # the id was given here, after the facts were read
                facts = msgspec.structs.replace(facts, id=arrival.id)
            stored, sealed = self._seal(arrival, patient, place, facts, at, number)
            objects.append((number, name, place.version, patient.ref, sealed))
            commitments.append((number, stored.commitment))
            deposit.stored.append(stored)
            deposit.entries.setdefault(patient.ref, []).append(_entry(arrival, stored, facts, at))
            newest[name] = _Newest(place.version, patient.ref, facts)
        deposit.steps = [
            Step("INSERT INTO objects VALUES (?, ?, ?, ?, ?)", objects),
            Step("INSERT INTO commitments VALUES (?, ?)", commitments),
        ]
        for ref, entries in deposit.entries.items():
            deposit.steps += self._indexes.append(self._patients.patient(ref), entries)
        return deposit

    def _seal(
        self,
        arrival: Arrival,
        patient: Patient,
        place: Place,
        facts: fhir.Facts,
        at: Instant,
        seq: int,
    ) -> tuple[Stored, bytes]:
        salt = secrets.token_bytes(SALT_BYTES)
        named = record_name(
            self._custodian, patient.account, arrival.type, arrival.id, place.version
        )
        commitment = commit(named, salt, arrival.data)
        data = b"" if arrival.elsewhere else arrival.data
        content = Content(salt, at, encode_facts(facts), data, elsewhere=arrival.elsewhere)
        stored = Stored(arrival.type, arrival.id, place.version, patient.account, commitment, seq)
        return stored, seal_object(patient.key, place, content)

    def _newest(self, names: Sequence[BlindName]) -> dict[BlindName, _Newest]:
        found: dict[BlindName, _Newest] = {}
        for start in range(0, len(names), _NAMES_AT_ONCE):
            some = names[start : start + _NAMES_AT_ONCE]
            marks = ", ".join("?" * len(some))
            for name, version, patient in self._rows.read(
                f"SELECT name, max(version), patient FROM objects WHERE name IN ({marks}) "  # noqa: S608 - only question marks
                "GROUP BY name, patient",
                some,
            ):
                found[BlindName(name)] = _Newest(version, PatientRef(patient))
        return found

    def _facts(self, patient: Patient, name: BlindName, before: _Newest) -> fhir.Facts:
        """What was known of a resource that is now deleted."""
        ((sealed,),) = self._rows.read(
            "SELECT sealed FROM objects WHERE name = ? AND version = ?", [name, before.version]
        )
        place = Place(self._custodian, patient.ref, name, before.version)
        return decode_facts(open_object(patient.key, place, sealed).facts)


def record_name(
    custodian: MemberId, account: AccountId, type_: str, id_: str, version: int
) -> RecordName:
    """What the commitment is about."""
    return RecordName(custodian=custodian, account=account, type=type_, id=id_, version=version)


def with_attached(facts: fhir.Facts, before: fhir.Facts) -> fhir.Facts:
    """Facts of a version, with what the versions before it had as their content."""
    if before.attached in {(), facts.attached}:
        return facts
    both = tuple(dict.fromkeys((*facts.attached, *before.attached)))
    return msgspec.structs.replace(facts, attached=both)


def _entry(arrival: Arrival, stored: Stored, facts: fhir.Facts, at: Instant) -> Entry:
    return Entry(
        type=arrival.type,
        id=arrival.id,
        version=stored.version,
        deleted=arrival.deleted,
        facts=facts,
        stored=at,
        seq=stored.seq,
        elsewhere=arrival.elsewhere,
    )


def _owner(arrival: Arrival) -> PatientRef:
    if arrival.patient is not None:
        return arrival.patient
    about = arrival.facts.patients if arrival.facts is not None else ()
    if arrival.type not in NOBODYS_TYPES or about:
        raise NoOwner("clinical data needs a patient", actual=arrival.type)
    return DIRECTORY


def _check(arrival: Arrival, patient: Patient, before: _Newest) -> None:
    if before.patient != patient.ref:
        raise WrongOwner
    if arrival.if_version is not None and arrival.if_version != before.version:
        raise VersionConflict(expected=arrival.if_version, actual=before.version)
    facts = arrival.facts
    if arrival.deleted:
        if facts is not None or arrival.elsewhere:
            raise WrongFacts("a deletion has none, and no bytes elsewhere")
        if not before.version:
            raise VersionConflict("nothing to delete", expected=1, actual=0)
    elif facts is None or facts.type != arrival.type or facts.id not in (arrival.id, None):
        raise WrongFacts("they must be of the resource that arrives")
