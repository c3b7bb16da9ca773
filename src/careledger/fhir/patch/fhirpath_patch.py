"""FHIRPath Patch on the bytes of a resource: operations in a Parameters resource (FHIR R4).

Each operation is add, insert, delete, replace or move; they are done in order, all or none.
"""

from collections.abc import Callable

from careledger.fhir.errors import BadPatch, FhirError, PatchFailed
from careledger.fhir.patch.document import MISSING, Json, Path, at, changed, dump, load
from careledger.fhir.patch.json_patch import MOST_OPERATIONS
from careledger.fhir.patch.parameters import (
    VALUE,
    element_for,
    index_of,
    part_of,
    text_of,
    type_of,
    value_of,
)
from careledger.fhir.patch.places import Found, element_of, places
from careledger.fhir.patch.shape import Element
from careledger.fhir.resource import parse_resource

Change = Callable[[list[Json]], list[Json]]


def fhirpath_patched(data: bytes, parameters: bytes) -> bytes:
    """The resource after every operation; numbers elsewhere keep their digits.

    Raises:
        InvalidResource: the parameters are no resource of R4.
        BadPatch: they are no FHIRPath Patch.
        PatchFailed: an operation cannot be done; then none counts.
    """
    if parse_resource(parameters).type != "Parameters":
        raise BadPatch("Parameters", "resourceType")
    operations = load(parameters).get("parameter", [])
    if len(operations) > MOST_OPERATIONS:
        raise BadPatch(f"at most {MOST_OPERATIONS} operations", "Parameters.parameter")
    document = load(data)
    for number, operation in enumerate(operations):
        try:
            document = _apply(document, operation)
        except FhirError as error:
            raise error.under(f"Parameters.parameter[{number}]") from None
    return dump(document)


def _apply(document: Json, operation: Json) -> Json:
    if operation.get("name") != "operation":
        raise BadPatch("operation", "name")
    parts = {part["name"]: part for part in operation.get("part", []) if "name" in part}
    path = text_of(parts, "path")
    match text_of(parts, "type"):
        case "add":
            return _add(
                document, _one(document, path), text_of(parts, "name"), part_of(parts, VALUE)
            )
        case "insert":
            return _insert(document, path, index_of(parts, "index"), part_of(parts, VALUE))
        case "delete":
            found = places(path, document)
            return _delete(document, _single(found)) if found else document
        case "replace":
            return _replace(document, _one(document, path), part_of(parts, VALUE))
        case "move":
            return _move(document, path, index_of(parts, "source"), index_of(parts, "destination"))
        case _:
            raise BadPatch("add, insert, delete, replace or move", "type")


# --- operations ----------------------------------------------------------------------------------


def _add(document: Json, target: Found, name: str, part: Json) -> Json:
    if target.holder is None:
        raise PatchFailed("an element that has elements", "path")
    element = element_for(target.holder, name, part)
    value = value_of(part, element)

    def add(holder: Json) -> Json:
        there = holder.get(element.name, MISSING)
        if not element.repeats:
            if there is not MISSING:
                raise PatchFailed("an element that is not there yet", "name")
            return holder | {element.name: value}
        whole = holder | {element.name: [*([] if there is MISSING else there), value]}
        return whole | _aligned(holder, element.name, lambda some: [*some, None])

    return changed(document, target.path or (), add)


def _insert(document: Json, path: str, index: int, part: Json) -> Json:
    way, name, element = _list(document, path)
    value = value_of(part, element)

    def insert(some: list[Json], new: Json) -> list[Json]:
        if index > len(some):
            raise PatchFailed("a place at most at the end of the list", "index")
        return [*some[:index], new, *some[index:]]

    return changed(
        document,
        way,
        lambda holder: (
            holder
            | {name: insert(holder.get(name, []), value)}
            | _aligned(holder, name, lambda some: insert(some, None))
        ),
    )


def _delete(document: Json, target: Found) -> Json:
    """Remove an element with its stand-in, and what holds nothing any more."""
    *way, last = target.path or ("",)
    if not way and last == "":
        raise PatchFailed("an element of the resource", "path")
    if isinstance(last, int):
        *way, name = way
        document = changed(
            document,
            tuple(way),
            lambda holder: (
                holder
                | {
                    one: holder[one][:last] + holder[one][last + 1 :]
                    for one in (name, f"_{name}")
                    if one in holder
                }
            ),
        )
    else:
        gone = {last, f"_{last}"}
        document = changed(
            document,
            tuple(way),
            lambda holder: {one: value for one, value in holder.items() if one not in gone},
        )
    return _pruned(document, tuple(way))


def _pruned(document: Json, way: Path) -> Json:
    """Without the empty arrays and objects on the way: FHIR has none (R4 2.6.2)."""
    here = at(document, way)
    if isinstance(here, dict):
        full = {name: value for name, value in here.items() if not _is_empty(value)}
        document = changed(document, way, lambda _: full)
        if full or not way:
            return document
        return _delete(document, Found(None, way))
    return document


def _is_empty(value: Json) -> bool:
    if isinstance(value, list):
        return all(one is None for one in value)
    return isinstance(value, dict) and not value


def _replace(document: Json, target: Found, part: Json) -> Json:
    *way, last = target.path or ("",)
    if last == "":
        raise PatchFailed("an element of the resource", "path")
    if isinstance(last, int):
        holder = target.holder
        value = value_of(part, Element(str(way[-1]), repeats=True, holder=holder))
        return changed(document, target.path or (), lambda _: value)
    owner = _holder_of(document, tuple(way))
    element = _other_choice(owner, last, type_of(part)) or element_of(owner, last)
    if element is None:
        raise PatchFailed("an element of R4", "path")
    value = value_of(part, element)

    def replace(holder: Json) -> Json:
        kept = {name: one for name, one in holder.items() if name != last}
        if element.name == last:
            return holder | {last: value}
        kept.pop(f"_{last}", None)
        return kept | {element.name: value}

    return changed(document, tuple(way), replace)


def _move(document: Json, path: str, source: int, destination: int) -> Json:
    way, name, _ = _list(document, path)

    def move(some: list[Json]) -> list[Json]:
        if max(source, destination) >= len(some):
            raise PatchFailed("places in the list", "path")
        rest = [*some[:source], *some[source + 1 :]]
        return [*rest[:destination], some[source], *rest[destination:]]

    return changed(
        document,
        way,
        lambda holder: holder | {name: move(holder.get(name, []))} | _aligned(holder, name, move),
    )


def _aligned(holder: Json, name: str, change: Change) -> dict[str, Json]:
    """What becomes of the stand-ins beside an array of primitives."""
    stand_ins = holder.get(f"_{name}")
    if not isinstance(stand_ins, list):
        return {}
    return {f"_{name}": change(stand_ins)}


# --- places --------------------------------------------------------------------------------------


def _one(document: Json, path: str) -> Found:
    return _single(places(path, document))


def _single(found: list[Found]) -> Found:
    if len(found) != 1:
        raise PatchFailed("a path to exactly one element", "path")
    return found[0]


def _list(document: Json, path: str) -> tuple[Path, str, Element]:
    """The object that holds the list, the list's name, and what it is a list of."""
    found = places(path, document)
    ways = {one.path[:-1] for one in found if one.path and isinstance(one.path[-1], int)}
    whole = at(document, next(iter(ways))) if len(ways) == 1 else None
    if not isinstance(whole, list) or len(found) != len(whole):
        raise PatchFailed("a path to all of one list", "path")
    *way, name = next(iter(ways))
    element = element_of(_holder_of(document, tuple(way)), str(name))
    if element is None:
        raise PatchFailed("an element of R4", "path")
    return tuple(way), str(name), element


def _holder_of(document: Json, way: Path) -> Found:
    """What is at a path of names and places, with its model."""
    expression = "$this"
    for step in way:
        expression += f"[{step}]" if isinstance(step, int) else f".`{step}`"
    return _one(document, expression)


def _other_choice(owner: Found, name: str, type_: str) -> Element | None:
    """For `valueQuantity` and `String`: `valueString`, if the element may be either."""
    bases = (name[:place] for place, letter in enumerate(name) if letter.isupper())
    others = (element_of(owner, base + type_) for base in bases if type_)
    return next((one for one in others if one is not None), None)
