"""What stands in a resource under the name of an element: its repeats, each with type and place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final  # Any: JSON

from careledger.fhir.validate.library import Element

Json = Mapping[str, Any]  # JSON

_CHOICE: Final = "[x]"


@dataclass(frozen=True, slots=True)
class Instance:
    """One occurrence of an element."""

    value: Any  # JSON; None where only an extension stands in for a primitive
    extension: Json | None
    """What `_name` holds beside a primitive."""
    type: str
    place: str


def instances(parent: Json, element: Element, place: str) -> list[Instance]:
    """Every occurrence of `element` in `parent`, in order."""
    return list(_found(parent, element, place))


def _found(parent: Json, element: Element, place: str) -> Iterator[Instance]:
    for name, type_ in _names(element):
        value, beside = parent.get(name), parent.get(f"_{name}")
        if value is None and beside is None:
            continue
        here = (
            f"{place}.{name.removesuffix(type_[:1].upper() + type_[1:])}"
            if (element.name.endswith(_CHOICE))
            else f"{place}.{name}"
        )
        if isinstance(value, list) or isinstance(beside, list):
            values, besides = value or [], beside or []
            for index in range(max(len(values), len(besides))):
                one = values[index] if index < len(values) else None
                by = besides[index] if index < len(besides) else None
                yield Instance(one, by, _actual(one, type_), f"{here}[{index}]")
        else:
            yield Instance(value, beside, _actual(value, type_), here)


def other_types(parent: Json, element: Element, siblings: frozenset[str]) -> Iterator[str]:
    """Members of `parent` that are `element` in a type which it does not allow."""
    if not element.name.endswith(_CHOICE):
        return
    stem = element.name.removesuffix(_CHOICE)
    allowed = {name for name, _ in _names(element)}
    for name in parent:
        if (
            name.startswith(stem)
            and name[len(stem) : len(stem) + 1].isupper()
            and name not in allowed | siblings
        ):
            yield name


def _names(element: Element) -> Iterator[tuple[str, str]]:
    if element.name.endswith(_CHOICE):
        stem = element.name.removesuffix(_CHOICE)
        for kind in element.kinds:
            yield stem + kind.code[:1].upper() + kind.code[1:], kind.code
    else:
        yield element.name, element.kinds[0].code if element.kinds else ""


def _actual(value: object, type_: str) -> str:
    """The type of a resource is its own, whatever the element says."""
    if isinstance(value, dict) and isinstance(value.get("resourceType"), str):
        return str(value["resourceType"])
    return type_
