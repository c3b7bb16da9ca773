"""Which slice of a profile an occurrence of an element belongs to (FHIR R4 5.1.0.13)."""

from collections.abc import Sequence
from typing import Any  # Any: JSON

from careledger.fhir.validate.instances import Instance
from careledger.fhir.validate.library import Element, Library, Profile


def slice_of(
    one: Instance, element: Element, slices: Sequence[Element], profile: Profile, library: Library
) -> Element | None:
    """The first slice that all discriminators name; None for none of them."""
    if element.slicing is None:
        return None
    for candidate in slices:
        if all(
            _names(kind, path, one, candidate, profile, library)
            for kind, path in element.slicing.marks
        ):
            return candidate
    return None


def _names(
    kind: str, path: str, one: Instance, candidate: Element, profile: Profile, library: Library
) -> bool:
    if kind == "type":
        return path == "$this" and one.type in {each.code for each in candidate.kinds}
    if path == "url" and (url := _extension_url(candidate)) is not None:
        return isinstance(one.value, dict) and one.value.get("url") == url
    wanted = _wanted(path, candidate, profile)
    found = at(one.value, () if path == "$this" else tuple(path.split(".")))
    if wanted is None:
        codes = _bound(path, candidate, profile, library)
        return codes is not None and any(has_code(each, codes) for each in found)
    is_fixed, value = wanted
    return any(is_like(each, value, exactly=is_fixed) for each in found)


def _extension_url(candidate: Element) -> str | None:
    """An extension slice is known by the profile of its type."""
    for kind in candidate.kinds:
        if kind.code == "Extension" and kind.profiles:
            return kind.profiles[0]
    return None


def _wanted(path: str, candidate: Element, profile: Profile) -> tuple[bool, Any] | None:  # JSON
    """The fixed value or pattern at `path`, or the part of one further up that reaches it."""
    steps = [] if path == "$this" else path.split(".")
    for length in range(len(steps), -1, -1):
        above = profile.by_id.get(".".join([candidate.id, *steps[:length]]))
        if above is not None and above.value is not None:
            rest = at(above.value[1], tuple(steps[length:]))
            return (above.value[0], rest[0]) if rest else None
    return None


def _bound(
    path: str, candidate: Element, profile: Profile, library: Library
) -> frozenset[tuple[str, str]] | None:
    """The codes of a required binding: a slice may be told by those alone."""
    where = candidate.id if path == "$this" else f"{candidate.id}.{path}"
    found = profile.by_id.get(where)
    if found is None or found.binding is None or found.binding[0] != "required":
        return None
    return library.sets.get(found.binding[1])


def at(value: object, steps: tuple[str, ...]) -> list[Any]:  # JSON
    """What is at a path, arrays flattened."""
    if isinstance(value, list):
        return [found for one in value for found in at(one, steps)]
    if not steps:
        return [] if value is None else [value]
    return at(value.get(steps[0]), steps[1:]) if isinstance(value, dict) else []


def is_like(value: object, wanted: object, *, exactly: bool) -> bool:
    """Whether a value is the fixed one, or has all that a pattern has (FHIR R4 2.24.0.5)."""
    if exactly:
        return value == wanted
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and is_like(value[name], part, exactly=False)
            for name, part in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(
            any(is_like(one, part, exactly=False) for one in value) for part in wanted
        )
    return value == wanted


def codes_in(value: object) -> list[tuple[str, str]]:
    """System and code of a CodeableConcept, Coding, Quantity or code."""
    if isinstance(value, str):
        return [("", value)]
    if not isinstance(value, dict):
        return []
    codings = value["coding"] if isinstance(value.get("coding"), list) else [value]
    return [
        (str(one.get("system", "")), str(one["code"]))
        for one in codings
        if isinstance(one, dict) and "code" in one
    ]


def has_code(value: object, codes: frozenset[tuple[str, str]]) -> bool:
    """Whether one of its codes is among `codes`; a bare code is of whatever system."""
    if isinstance(value, str):
        return any(code == value for _, code in codes)
    return any(pair in codes for pair in codes_in(value))
