"""Facts of a resource: from FHIR R4 JSON, what terms look at."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from careledger.mechanisms.deadline import DAY_S, day_number
from careledger.mechanisms.terms import Facts

_CODES: Final = ("code", "vaccineCode", "medicationCodeableConcept", "type", "class")
_TIMES: Final = (
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "performedDateTime",
    "performedPeriod",
    "occurrenceDateTime",
    "occurrencePeriod",
    "onsetDateTime",
    "onsetPeriod",
    "servicedDate",
    "servicedPeriod",
    "billablePeriod",
    "period",
    "started",
    "authoredOn",
    "whenHandedOver",
    "collectedDateTime",
    "collectedPeriod",
    "recordedDate",
    "dateAsserted",
    "dateTime",
    "date",
    "issued",
    "created",
)
"""Where R4 resources say when they clinically were; the first that is there counts."""

_AUTHORS: Final = (
    "performer",
    "author",
    "recorder",
    "asserter",
    "requester",
    "participant",
    "informationSource",
    "provider",
)
_RELATED: Final = ("encounter", "context", "episodeOfCare", "basedOn", "partOf")
_RELATED_TYPES: Final = ("Encounter", "EpisodeOfCare", "CarePlan")

_MOMENT: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?",
    re.ASCII,
)
"""FHIR R4 2.24.0.1 date, dateTime and instant."""

_MONTHS: Final = 12


def facts_of(resource: Mapping[str, object]) -> Facts:
    """What terms may look at in `resource`, which has passed validation."""
    own = f"{resource['resourceType']}/{resource.get('id', '')}"
    start, end = _when(resource)
    related = [ref for name in _RELATED for ref in _references(resource.get(name))]
    if own.startswith(_RELATED_TYPES):
        related.append(own)
    return Facts(
        type=str(resource["resourceType"]),
        id=str(resource.get("id", "")),
        categories=tuple(codings(resource.get("category"))),
        codes=tuple(code for name in _CODES for code in codings(resource.get(name))),
        labels=tuple(codings(_mapping(resource.get("meta")).get("security"))),
        start=start,
        end=end,
        authors=tuple(ref for name in _AUTHORS for ref in _references(resource.get(name))),
        related=tuple(related),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _each(value: object) -> Iterator[Mapping[str, object]]:
    """The objects in `value`, which may be one, several or none."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, Mapping):
            yield one


def codings(value: object) -> Iterator[str]:
    """Every "system|code" in Codings or CodeableConcepts."""
    for one in _each(value):
        for coding in (one, *_each(one.get("coding"))):
            if isinstance(code := coding.get("code"), str):
                yield f"{coding.get('system', '')}|{code}"


def _references(value: object) -> Iterator[str]:
    """Every relative reference, directly or one level down (`actor`, `individual`, ...)."""
    for one in _each(value):
        for holder in (one, *(inner for name in one for inner in _each(one[name]))):
            if isinstance(reference := holder.get("reference"), str):
                yield "/".join(reference.split("/_history/")[0].split("/")[-2:])


def _when(resource: Mapping[str, object]) -> tuple[int | None, int | None]:
    for name in _TIMES:
        value = resource.get(name)
        if isinstance(value, str):
            return span_of(value)
        if isinstance(value, Mapping):
            start, _ = span_of(str(value.get("start", "")))
            _, end = span_of(str(value.get("end", "")))
            return start, end
    return None, None


def span_of(text: str) -> tuple[int | None, int | None]:
    """First second of a FHIR date, dateTime or instant, and the first second after it.

    A date without a time zone is the UTC day. None, None if it is not a date.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None, None
    year, month, day, hour, minute, second, zone = match.groups()
    if day is None:
        first = int(month or 1)
        last = first + 1 if month else _MONTHS + 1
        start = day_number(int(year), first, 1)
        end = day_number(int(year) + (last - 1) // _MONTHS, (last - 1) % _MONTHS + 1, 1)
        return start * DAY_S, end * DAY_S
    start = day_number(int(year), int(month), int(day)) * DAY_S
    if hour is None:
        return start, start + DAY_S
    start += int(hour) * 3_600 + int(minute) * 60 + int(second or 0) - _offset_s(zone)
    return start, start + 1


def _offset_s(zone: str) -> int:
    if zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3_600 + int(zone[4:6]) * 60
    return -seconds if zone[0] == "-" else seconds
