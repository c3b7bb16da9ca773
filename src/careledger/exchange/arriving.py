"""Whose record a checked resource goes into, and with what facts."""

from careledger.exchange.checking import Checked, about, belonging
from careledger.exchange.outcome import NobodysRecord
from careledger.exchange.plan import NotThere, Planned
from careledger.exchange.writer import Finding
from careledger.fhir.index import Facts
from careledger.vault.deposit import DIRECTORY_TYPES, Arrival
from careledger.vault.objects import DIRECTORY, PatientRef
from careledger.vault.vault import Vault


def arrival_of(
    vault: Vault, one: Planned, resource: Checked | None, only: str | None, found: Finding
) -> Arrival:
    """What is put into the vault; no resource is a deletion. `only`: the patient a bundle brings.

    Raises:
        NotThere: nothing to delete.
        NobodysRecord: about no patient who is one here.
    """
    id_ = one.id or ""
    if resource is None:
        owner = vault.owner(one.entry.type, id_)
        if owner is None:
            raise NotThere("a resource that is there")
        patient = None if owner.patient == DIRECTORY else owner.patient
        return Arrival(patient, one.entry.type, id_, b"", None, one.if_version)
    facts = _facts(vault, resource)
    whose = _patient(vault, facts, only, found)
    return Arrival(whose, one.entry.type, id_, resource.data, facts, one.if_version)


def _patient(vault: Vault, facts: Facts, only: str | None, found: Finding) -> PatientRef | None:
    """Whose the resource is: its first patient who is one here."""
    for local in facts.patients:
        ref = vault.patient(local)
        if ref is not None and (local == only or found.is_patient(local)):
            return ref
    if facts.type in DIRECTORY_TYPES and not facts.patients:
        return None
    fallback = None if only is None or facts.patients else vault.patient(only)
    if fallback is not None:
        return fallback
    raise NobodysRecord("a patient of this organisation")


def _facts(vault: Vault, resource: Checked) -> Facts:
    """Its facts, with what is known here of the medication and of the targets it refers to."""
    facts = resource.facts
    if not facts.patients and resource.targets:
        facts = belonging(facts, (_whose(vault, name) for name in resource.targets))
    if resource.medication is None:
        return facts
    _, _, id_ = resource.medication.partition("/")
    opened = vault.open_directory("Medication", id_)
    return facts if opened is None else about(facts, opened.facts)


def _whose(vault: Vault, name: str) -> tuple[str, ...]:
    """The patient in whose record `Type/id` is."""
    type_, _, id_ = name.partition("/")
    owner = vault.owner(type_, id_)
    if owner is None or owner.patient == DIRECTORY:
        return ()
    return (vault.local_of(owner.patient),)
