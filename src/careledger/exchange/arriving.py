"""Whose record a checked resource goes into, and with what facts."""

from careledger.exchange.checking import Checked, about, belonging
from careledger.exchange.outcome import NobodysRecord
from careledger.exchange.plan import NotThere
from careledger.exchange.planned import Planned
from careledger.exchange.writer import Finding
from careledger.fhir.compartment import ROSTERS
from careledger.fhir.index import Facts
from careledger.fhir.nobody import OWN_TYPES
from careledger.vault.deposit import DIRECTORY_TYPES, Arrival
from careledger.vault.objects import DIRECTORY, PatientRef
from careledger.vault.vault import Vault


def arrival_of(
    vault: Vault, one: Planned, resource: Checked | None, only: str | None, found: Finding
) -> Arrival:
    """What is put into the vault; no resource is a deletion. `only`: the patient a bundle brings.

    Raises:
        NotThere: nothing to delete.
        NobodysRecord: about no patient who is one here, and not about nobody either.
    """
    id_ = one.id or ""
    if resource is None:
        owner = vault.owner(one.entry.type, id_)
        if owner is None:
            raise NotThere("a resource that is there")
        patient = None if owner.patient == DIRECTORY else owner.patient
        return Arrival(patient, one.entry.type, id_, b"", None, one.if_version)
    facts = _facts(vault, resource, found)
    whose = _patient(vault, facts, resource.leads_to, only, found)
    return Arrival(whose, one.entry.type, id_, resource.data, facts, one.if_version)


def _patient(
    vault: Vault, facts: Facts, leads_to: tuple[str, ...] | None, only: str | None, found: Finding
) -> PatientRef | None:
    """Whose the resource is: its first patient who is one here; None is the organisation's own."""
    for local in facts.patients:
        ref = vault.patient(local)
        if ref is not None and (local == only or found.is_patient(local)):
            return ref
    if facts.type in ROSTERS:
        return None
    if facts.type in DIRECTORY_TYPES and not facts.patients and leads_to is not None:
        return None
    fallback = None if only is None or facts.patients else vault.patient(only)
    if fallback is not None and facts.type not in DIRECTORY_TYPES:
        return fallback
    if facts.patients or facts.type not in OWN_TYPES | DIRECTORY_TYPES:
        raise NobodysRecord("a patient of this organisation")
    if leads_to is None:
        raise NobodysRecord(
            "a patient of this organisation, as Patient/id; or else references that name no person "
            "and, where the patient could stand, say by `type` what they lead to"
        )
    if not all(_is_nobodys(vault, name, found) for name in leads_to):
        raise NobodysRecord(
            "a patient of this organisation; or else references to what is here and no patient's"
        )
    return None


def _is_nobodys(vault: Vault, name: str, found: Finding) -> bool:
    """Whether a reference leads to what belongs to no patient, as far as the writer may know."""
    type_, _, id_ = name.partition("/")
    if not found.keeps_records and not found.may_refer_to(type_, id_):
        return False
    owner = vault.owner(type_, id_)
    return owner is not None and owner.patient == DIRECTORY


def _facts(vault: Vault, resource: Checked, found: Finding) -> Facts:
    """Its facts, with what is known here of the medication and of the targets it refers to."""
    facts = resource.facts
    if not facts.patients and resource.targets:
        facts = belonging(facts, (_whose(vault, name, found) for name in resource.targets))
    if resource.medication is None:
        return facts
    _, _, id_ = resource.medication.partition("/")
    opened = vault.open_directory("Medication", id_)
    return facts if opened is None else about(facts, opened.facts)


def _whose(vault: Vault, name: str, found: Finding) -> tuple[str, ...]:
    """The patient in whose record `Type/id` is; nobody's, if the writer may not know of it."""
    type_, _, id_ = name.partition("/")
    owner = vault.owner(type_, id_)
    if owner is None or owner.patient == DIRECTORY:
        return ()
    if not found.keeps_records and not found.may_refer_to(type_, id_):
        return ()
    return (vault.local_of(owner.patient),)
