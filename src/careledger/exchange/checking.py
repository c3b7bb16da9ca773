"""Checking what a plan is to store: references resolved, patches done, facts read.

Pure and costly, and therefore fit for another process.
"""

from collections.abc import Iterable, Sequence
from re import compile as regex
from typing import Final

import msgspec
from msgspec.structs import replace

from careledger.exchange.planned import Plan, Planned
from careledger.fhir.bundle import Kind, is_open
from careledger.fhir.errors import DanglingReference, FhirError, WrongType
from careledger.fhir.index import Facts, extract
from careledger.fhir.nobody import OWN_TYPES, nobodys
from careledger.fhir.patch.fhirpath_patch import fhirpath_patched
from careledger.fhir.patch.json_patch import json_patched
from careledger.fhir.references import id_in, resolved, with_id
from careledger.fhir.resource import Resource, parse_resource
from careledger.fhir.search.table import IndexSet

_LOCAL: Final = regex(r"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_ORDER: Final = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2}
_MEDICATION: Final = "Medication/"


class Checked(msgspec.Struct, frozen=True, array_like=True):
    """A resource ready to be stored."""

    data: bytes
    facts: Facts
    refers_to: frozenset[str]
    """Resources of this server that it refers to and that are not of its own bundle."""
    medication: str | None = None
    """`Medication/id`, where what it is about is said there."""
    targets: tuple[str, ...] = ()
    """`Type/id` of what it is about, where that says whose it is: it names no patient itself."""
    leads_to: tuple[str, ...] | None = ()
    """`Type/id` of what it refers to, if it may be about nobody; None if a person is named."""

    def __repr__(self) -> str:
        """Nothing of what it says: this is what logs and errors show."""
        return f"Checked({self.facts.type!r}, of {len(self.data)} bytes)"


Preparation = Checked | FhirError


class Order(msgspec.Struct, frozen=True, array_like=True):
    """What of a plan is to be checked, and all that this takes."""

    type: Kind
    entries: tuple[Planned, ...]
    """What is to be stored, in the bundle's order."""
    own: frozenset[str]
    """`Type/id` of everything in the bundle."""
    mapping: dict[str, str]
    """What references become."""
    indexed: IndexSet

    def __repr__(self) -> str:
        """Nothing of what is to be checked."""
        return f"Order({self.type!r}, of {len(self.entries)} entries)"


def order_of(plan: Plan) -> Order:
    """What of a plan is to be checked."""
    return Order(
        plan.type,
        tuple(one for one in plan.entries if one.stores),
        frozenset(filter(None, (one.target for one in plan.entries if not one.exists))),
        dict(plan.mapping),
        plan.indexed,
    )


def check(order: Order) -> list[Preparation]:
    """Check what is to be stored.

    Raises:
        FhirError: a resource of a transaction that cannot be stored.
    """
    prepared: list[Preparation] = []
    for one in order.entries:
        try:
            prepared.append(_check(one, order))
        except FhirError as error:
            error.under(f"{one.entry.place}.resource")
            if order.type == "transaction":
                raise
            prepared.append(error)
    return _with_neighbours(_with_targets(_with_medications(prepared)))


def placed(plan: Plan, checked: Iterable[Preparation]) -> list[Preparation | None]:
    """What became of each entry in the bundle's order; None where nothing is to be stored."""
    following = iter(checked)
    return [next(following) if one.stores else None for one in plan.entries]


def ordered(
    plan: Plan, prepared: Sequence[Preparation | None]
) -> list[tuple[Planned, Checked | None]]:
    """What is to be done, in the order of processing (FHIR R4 3.1.0.11.2)."""
    doing = [
        (one, ready if isinstance(ready, Checked) else None)
        for one, ready in zip(plan.entries, prepared, strict=True)
        if one.deletes or isinstance(ready, Checked)
    ]
    return sorted(doing, key=lambda pair: _ORDER[pair[0].entry.method])


def about(facts: Facts, medication: Facts) -> Facts:
    """Facts of what refers to a medication: consents that name the drug or its label cover both."""
    return replace(
        facts,
        codes=tuple(dict.fromkeys((*facts.codes, *medication.codes))),
        labels=tuple(dict.fromkeys((*facts.labels, *medication.labels))),
    )


def _check(one: Planned, order: Order) -> Checked:
    mapping = order.mapping
    if any(reference not in mapping for reference in one.entry.references):
        raise DanglingReference("references that lead to exactly one resource")
    raw, refers = resolved(_written(one), mapping)
    if one.entry.patch is not None and any(map(is_open, refers)):
        raise DanglingReference("references that lead to exactly one resource")
    is_named = one.entry.condition is None or id_in(raw) is not None
    if one.entry.method == "POST" or not is_named:
        raw = with_id(raw, one.id or "")
    resource = parse_resource(raw)
    if (resource.type, resource.id) != (one.entry.type, one.id):
        raise WrongType("the id that its request names", f"{resource.type}.id")  # R4 3.1.0.3
    local = map(_LOCAL.fullmatch, refers)
    outside = {match[1] for match in local if match is not None} - order.own
    facts = extract(resource, order.indexed)
    medication = _medication(resource)
    if medication is not None and medication.startswith("#"):
        facts, medication = about(facts, _contained(resource, medication[1:])), None
    targets = () if facts.patients else _targets(resource)
    nobody = nobodys(resource) if not facts.patients else ()
    return Checked(resource.raw, facts, frozenset(outside), medication, targets, nobody)


def _written(one: Planned) -> bytes:
    """What the entry brings; of a patch, what comes of it."""
    brought = one.entry.resource or b""
    match one.entry.patch:
        case None:
            return brought
        case "json":
            return json_patched(one.base or b"", brought)
        case "fhirpath":
            return fhirpath_patched(one.base or b"", brought)


def _medication(resource: Resource) -> str | None:
    """Where a resource says what drug it is about, if it does so by a reference."""
    reference = getattr(resource.model, "medicationReference", None)
    text = getattr(reference, "reference", None)
    if not isinstance(text, str):
        return None
    match = _LOCAL.fullmatch(text)
    if match is not None and match[1].startswith(_MEDICATION):
        return match[1]
    return text if text.startswith("#") else None


def _targets(resource: Resource) -> tuple[str, ...]:
    """What a Provenance, a Binary, a slot or the like is of: they belong to whose that is."""
    model = resource.model
    found: Sequence[object]
    match resource.type:
        case "Binary":
            found = [getattr(model, "securityContext", None)]
        case "Provenance":
            found = getattr(model, "target", None) or ()
        case "AuditEvent":
            entities = getattr(model, "entity", None) or ()
            found = [entity.what for entity in entities if entity.what]
        case "Slot":
            found = [getattr(model, "schedule", None)]
        case "DeviceMetric":
            found = [getattr(model, name, None) for name in ("source", "parent")]
        case _:
            return ()
    local = (_LOCAL.fullmatch(getattr(one, "reference", None) or "") for one in found)
    return tuple(match[1] for match in local if match is not None)


def _contained(resource: Resource, id_: str) -> Facts:
    for raw in getattr(resource.model, "contained", None) or ():
        inner = parse_resource(bytes(raw))
        if inner.id == id_ and inner.type == "Medication":
            return extract(inner)
    return Facts(type="Medication", id=id_)


def _with_medications(prepared: list[Preparation]) -> list[Preparation]:
    """With what medications of the same bundle say of the drug."""
    known = {
        f"{one.facts.type}/{one.facts.id}": one.facts
        for one in prepared
        if isinstance(one, Checked) and one.facts.type == "Medication"
    }
    if not known:
        return prepared
    return [
        replace(one, facts=about(one.facts, known[one.medication]), medication=None)
        if isinstance(one, Checked) and one.medication in known and one.medication is not None
        else one
        for one in prepared
    ]


def _with_targets(prepared: list[Preparation]) -> list[Preparation]:
    """With whose the targets in the same bundle are."""
    if not any(isinstance(one, Checked) and one.targets for one in prepared):
        return prepared
    known = {
        f"{one.facts.type}/{one.facts.id}": one.facts.patients
        for one in prepared
        if isinstance(one, Checked)
    }
    return [
        replace(one, facts=belonging(one.facts, (known.get(name, ()) for name in one.targets)))
        if isinstance(one, Checked) and one.targets
        else one
        for one in prepared
    ]


def _with_neighbours(prepared: list[Preparation]) -> list[Preparation]:
    """With what is known of references within the bundle.

    What leads to a patient's is nobody's no more; where others lead needs no further look.
    """
    own = [one for one in prepared if isinstance(one, Checked) and one.leads_to]
    if not any(one.facts.type in OWN_TYPES for one in own):
        return prepared
    checked = [one for one in prepared if isinstance(one, Checked)]
    is_a_patients = {
        f"{one.facts.type}/{one.facts.id}": bool(one.facts.patients) for one in checked
    }

    def further(one: Checked) -> Checked:
        names = one.leads_to or ()
        if any(is_a_patients.get(name) for name in names):
            return replace(one, leads_to=None)
        return replace(one, leads_to=tuple(name for name in names if name not in is_a_patients))

    return [
        further(one)
        if isinstance(one, Checked) and one.leads_to and one.facts.type in OWN_TYPES
        else one
        for one in prepared
    ]


def belonging(facts: Facts, patients: Iterable[tuple[str, ...]]) -> Facts:
    """Facts of what names no patient, with the patients of what it is about."""
    found = tuple(dict.fromkeys(local for each in patients for local in each))
    return replace(facts, patients=found)
