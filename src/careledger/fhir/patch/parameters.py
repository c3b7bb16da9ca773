"""What the parameters of a FHIRPath Patch say: names, places, and values of any type (FHIR R4)."""

from typing import Final

import msgspec

from careledger.fhir.errors import BadPatch, PatchFailed
from careledger.fhir.patch.document import Json
from careledger.fhir.patch.places import is_choice
from careledger.fhir.patch.shape import Element, Holder, elements

VALUE: Final = "value"


def element_for(holder: Holder | None, name: str, part: Json) -> Element:
    """The element of that name; of a choice, the one whose type the value in `part` has.

    Raises:
        PatchFailed: R4 has none there.
    """
    known = {} if holder is None else elements(holder)
    typed = name + type_of(part)
    for full in (name, typed):
        if full in known and (full == name or is_choice(name, full)):
            return known[full]
    raise PatchFailed("an element of R4, and a value of its type", "name")


def type_of(part: Json) -> str:
    """The type that a value has by its name: `Quantity` of `valueQuantity`; "" without one."""
    return next((name.removeprefix(VALUE) for name in part if _is_value(name)), "")


def _is_value(name: str) -> bool:
    return name.startswith(VALUE) and name != VALUE


def value_of(part: Json, element: Element) -> Json:
    """What a part says: `value[x]`, a resource, or elements by name for a type without one.

    Raises:
        BadPatch: nothing, or one element twice.
        PatchFailed: elements that R4 does not have there.
    """
    for name, value in part.items():
        if _is_value(name) or name == "resource":
            return value
    if element.holder is None or "part" not in part:
        raise BadPatch("a value", VALUE)
    made: dict[str, Json] = {}
    for inner in part["part"]:
        one = element_for(element.holder, inner.get("name", ""), inner)
        value = value_of(inner, one)
        if one.repeats:
            made.setdefault(one.name, []).append(value)
        elif one.name in made:
            raise BadPatch("an element once", VALUE)
        else:
            made[one.name] = value
    return made


def part_of(parts: dict[str, Json], name: str) -> Json:
    """The part of that name.

    Raises:
        BadPatch: there is none.
    """
    if name not in parts:
        raise BadPatch(f"a part {name}", "part")
    return parts[name]


def text_of(parts: dict[str, Json], name: str) -> str:
    """The string or code that a part says.

    Raises:
        BadPatch: it says none.
    """
    found = [value for key, value in part_of(parts, name).items() if _is_value(key)]
    if len(found) != 1 or not isinstance(found[0], str):
        raise BadPatch("a string or code", name)
    return found[0]


def index_of(parts: dict[str, Json], name: str) -> int:
    """The place in a list that a part says, from 0.

    Raises:
        BadPatch: it says none.
    """
    number = part_of(parts, name).get("valueInteger")
    text = bytes(number).decode() if isinstance(number, msgspec.Raw) else ""
    if not text.isdigit():
        raise BadPatch("a whole number, not negative", name)
    return int(text)
