"""FHIR R4 Consent.provision, read as a provision of ours, never to a wider effect.

A value that cannot be said here is left out of a permission; in a prohibition it takes the whole
condition with it, so that more is forbidden. Either way `narrowed` says where.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeGuard, TypeVar

from careledger.fhir.dates import search_span
from careledger.ledger.record import AccountId, MemberId
from careledger.mechanisms.purpose import PURPOSES, SYSTEM, Purpose
from careledger.mechanisms.terms import (
    SENSITIVITY,
    Action,
    Actor,
    Effect,
    Link,
    Period,
    Provision,
)

Json = Mapping[str, object]
T = TypeVar("T")

DEFAULT_PURPOSES: Final[tuple[Purpose, ...]] = ("TREAT", "HPAYMT", "HOPERAT")
"""What a permission without purposes permits here (FHIR: any); it is shown before signing."""

ALL_ACTIONS: Final[tuple[Action, ...]] = ("read", "search", "export")

_RECIPIENT: Final = "IRCP"
_TYPES: Final = "http://hl7.org/fhir/resource-types|"
_ACCESS: Final = "http://terminology.hl7.org/CodeSystem/consentaction|access"
_LABEL_SYSTEMS: Final = {
    "http://terminology.hl7.org/ValueSet/v3-InformationSensitivityPolicy|": SENSITIVITY,
    "http://terminology.hl7.org/CodeSystem/v3-InformationSensitivityPolicy|": SENSITIVITY,
}
_MEANINGS: Final[Mapping[str, Literal["instance", "related", "authored-by"]]] = {
    "instance": "instance",
    "related": "related",
    "authoredby": "authored-by",
}
_KNOWN: Final = frozenset(
    [
        "id",
        "type",
        "period",
        "actor",
        "action",
        "securityLabel",
        "purpose",
        "class",
        "code",
        "dataPeriod",
        "data",
        "provision",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Party:
    """Whom a FHIR reference means on this network."""

    member: MemberId
    practitioner: AccountId | None = None
    role: str | None = None


@dataclass(frozen=True, kw_only=True)
class Directory:
    """What the wallet knows that a FHIR Consent only points to."""

    parties: Mapping[str, Sequence[Party]] = field(default_factory=dict)
    """Reference ("Organization/54") to whom it means; a group to all of its members."""
    recipients: Sequence[Party] = ()
    """Whom a permission without actors is meant for: the patient chose them."""
    purposes: Mapping[str, Purpose] = field(default_factory=dict)
    """Local purposes ("system|code") as the HL7 purposes that the patient agreed they are."""
    default_purposes: tuple[Purpose, ...] = DEFAULT_PURPOSES


def objects(holder: Json, name: str) -> list[Json]:
    """The objects under `name`, which may be one, several or none."""
    value = holder.get(name)
    return [one for one in (value if isinstance(value, list) else [value]) if is_object(one)]


def codings(one: Json) -> Iterator[str]:
    """Every "system|code" in a Coding or a CodeableConcept."""
    for coding in (one, *objects(one, "coding")):
        if isinstance(code := coding.get("code"), str):
            yield f"{coding.get('system', '')}|{code}"


def span_of(text: object) -> tuple[int | None, int | None]:
    """First second of a FHIR date, and the first second after it; None, None if it is none."""
    span = search_span(text) if isinstance(text, str) else None
    return (None, None) if span is None else (span[0], span[1] + 1)


def is_object(value: object) -> TypeGuard[Json]:
    """Whether it is a JSON object."""
    return isinstance(value, Mapping)


@dataclass(frozen=True)
class ProvisionReader:
    """Reads provisions with one directory; `narrowed` collects where it could not say it all."""

    directory: Directory
    narrowed: list[str] = field(default_factory=list)

    def purposes(self, item: Json, effect: Effect, path: str) -> tuple[Purpose, ...]:
        """The purposes; for a prohibition, () is any."""
        if "purpose" not in item:
            return self.directory.default_purposes if effect == "permit" else ()
        found: tuple[Purpose, ...] | None = self._values(
            item, "purpose", effect, path, self._purpose
        )
        return found or ()

    def _purpose(self, coding: Json) -> Purpose | None:
        [code] = set(codings(coding)) or {""}
        if code in self.directory.purposes:
            return self.directory.purposes[code]
        return next((one for one in PURPOSES if code == f"{SYSTEM}|{one}"), None)

    def actions(self, item: Json, effect: Effect, path: str) -> tuple[Action, ...]:
        """What may be done. Only access passes through an exchange: () is nothing."""
        if "action" not in item:
            return ALL_ACTIONS
        found = any(code == _ACCESS for one in objects(item, "action") for code in codings(one))
        if not found:
            self.narrowed.append(f"{path}.action")
        return ALL_ACTIONS if found or effect == "deny" else ()

    def parties(self, item: Json, effect: Effect, path: str) -> list[Party] | None:
        """Who; None is anyone, and an empty list nobody."""
        if "actor" not in item:
            return None
        found = self._values(item, "actor", effect, path, self._party)
        if not found and effect == "deny":
            return None
        return [party for parties in found or () for party in parties]

    def _party(self, actor: Json) -> Sequence[Party] | None:
        roles = [code.rpartition("|")[2] for one in objects(actor, "role") for code in codings(one)]
        [reference, *_] = [*objects(actor, "reference"), {}]
        return (
            self.directory.parties.get(str(reference.get("reference")))
            if _RECIPIENT in roles
            else None
        )

    def provision(self, item: Json, effect: Effect, path: str) -> Provision | None:
        """The conditions on data; None is a permission that permits nothing sayable.

        Purposes, actors and actions are not in it: their place depends on where it stands.
        """
        unknown = [name for name in item if name not in _KNOWN]
        self.narrowed.extend(f"{path}.{name}" for name in unknown)
        if unknown and effect == "permit":
            return None
        types = self._values(item, "class", effect, path, _resource_type)
        codes = self._values(item, "code", effect, path, lambda one: next(codings(one), None))
        labels = self._values(item, "securityLabel", effect, path, _label)
        links = self._values(item, "data", effect, path, _link)
        periods = self._values(item, "dataPeriod", effect, path, _period)
        if None in (types, codes, labels, links, periods):
            return None
        return Provision(
            effect=effect,
            types=types or (),
            codes=codes or (),
            labels=labels or (),
            links=links or (),
            period=periods[0] if periods else None,
        )

    def _values(
        self,
        item: Json,
        name: str,
        effect: Effect,
        path: str,
        read: Callable[[Json], T | None],
    ) -> tuple[T, ...] | None:
        """The values of one condition; () is no condition, None is one that nothing meets."""
        found = [read(one) for one in objects(item, name)]
        said = tuple(one for one in found if one is not None)
        if len(said) == len(found):
            return said
        self.narrowed.append(f"{path}.{name}")
        if effect == "deny":
            return ()
        return said or None


def _resource_type(coding: Json) -> str | None:
    code = next(codings(coding), "")
    return code.removeprefix(_TYPES) if code.startswith(_TYPES) else None


def _label(coding: Json) -> str | None:
    code = next(codings(coding), None)
    for system, ours in _LABEL_SYSTEMS.items():
        if code is not None and code.startswith(system):
            return ours + code.removeprefix(system)
    return code


def _link(item: Json) -> Link | None:
    [reference, *_] = [*objects(item, "reference"), {}]
    target = str(reference.get("reference", ""))
    meaning = _MEANINGS.get(str(item.get("meaning")))
    return None if meaning is None else Link(meaning=meaning, reference=target)


def _period(period: Json) -> Period | None:
    start, _ = span_of(period.get("start"))
    _, end = span_of(period.get("end"))
    said = ("start" in period) == (start is not None) and ("end" in period) == (end is not None)
    return Period(start=start, end=end) if said else None


def actors(parties: Sequence[Party], member: MemberId | None, effect: Effect) -> Iterator[Actor]:
    """`parties` as terms name them, as far as they concern `member`; None is every member."""
    for party in parties:
        if member is not None and party.member != member:
            continue
        if party.practitioner is not None:
            yield Actor(kind="practitioner", id=party.practitioner)
        elif party.role is None:
            yield Actor(kind="member", id=party.member)
        elif member is not None or effect == "deny":
            yield Actor(kind="role", id=party.role)
