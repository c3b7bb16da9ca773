"""JSON Patch (RFC 6902) on the bytes of a resource; FHIR R4 3.1.0.5."""

from re import compile as regex
from typing import Final

from careledger.fhir.errors import BadPatch, FhirError, PatchFailed
from careledger.fhir.patch.document import (
    MISSING,
    Json,
    Path,
    at,
    changed,
    dump,
    equal,
    load,
    size,
    without,
)

JSON_PATCH: Final = "application/json-patch+json"

MOST_OPERATIONS: Final = 1_000
MOST_VALUES: Final = 1_000_000
"""So many values may be copied: a copy into itself, again and again, would fill the memory."""

_INDEX: Final = regex(r"0|[1-9][0-9]{0,8}")
_ESCAPE: Final = regex(r"~(?![01])")


def json_patched(data: bytes, patch: bytes) -> bytes:
    """The document after every operation of `patch`; numbers elsewhere keep their digits.

    Raises:
        BadPatch: it is no JSON Patch.
        PatchFailed: an operation cannot be done, or a test fails; then none counts.
    """
    operations = load(patch)
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise BadPatch("an array of operations")
    if len(operations) > MOST_OPERATIONS:
        raise BadPatch(f"at most {MOST_OPERATIONS} operations")
    document, room = load(data), MOST_VALUES
    for number, operation in enumerate(operations):
        try:
            if operation.get("op") == "copy":
                room -= size(_found(document, _pointer(operation, "from")), room)
                if room < 0:
                    raise PatchFailed("less to copy")
            document = _apply(document, operation)
        except FhirError as error:
            raise error.under(f"[{number}]") from None
    return dump(document)


def _apply(document: Json, operation: dict[str, Json]) -> Json:
    path = _pointer(operation, "path")
    match operation.get("op"):
        case "add":
            return _added(document, path, _value(operation))
        case "remove":
            return without(document, _place(document, path))
        case "replace":
            place, value = _place(document, path), _value(operation)
            return changed(document, place, lambda _: value)
        case "move":
            source = _pointer(operation, "from")
            if path[: len(source)] == source and path != source:
                raise PatchFailed("a place that is not inside what is moved", "from")
            value = _found(document, source)
            return _added(without(document, _place(document, source)), path, value)
        case "copy":
            return _added(document, path, _found(document, _pointer(operation, "from")))
        case "test":
            if not equal(_found(document, path), _value(operation)):
                raise PatchFailed("the value that the test names", "path")
            return document
        case _:
            raise BadPatch("add, remove, replace, move, copy or test", "op")


def _added(document: Json, path: list[str], value: Json) -> Json:
    if not path:
        return value
    *way, last = path
    holder_place = _place(document, way)

    def add(holder: Json) -> Json:
        if isinstance(holder, dict):
            return holder | {last: value}
        if not isinstance(holder, list):
            raise PatchFailed("a place in an object or an array", "path")
        index = len(holder) if last == "-" else _index(last)
        if index > len(holder):
            raise PatchFailed("a place at most at the end of the array", "path")
        return [*holder[:index], value, *holder[index:]]

    return changed(document, holder_place, add)


def _pointer(operation: dict[str, Json], name: str) -> list[str]:
    """The names in a JSON Pointer (RFC 6901)."""
    text = operation.get(name)
    if not isinstance(text, str) or (text and not text.startswith("/")) or _ESCAPE.search(text):
        raise BadPatch("a JSON Pointer", name)
    return [one.replace("~1", "/").replace("~0", "~") for one in text.split("/")[1:]]


def _place(document: Json, pointer: list[str]) -> Path:
    """Where the pointer leads.

    Raises:
        PatchFailed: nowhere.
    """
    place: list[str | int] = []
    for name in pointer:
        step = _index(name) if isinstance(document, list) else name
        document = at(document, (step,))
        if document is MISSING:
            raise PatchFailed("a place that is there", "path")
        place.append(step)
    return tuple(place)


def _found(document: Json, pointer: list[str]) -> Json:
    return at(document, _place(document, pointer))


def _value(operation: dict[str, Json]) -> Json:
    if "value" not in operation:
        raise BadPatch("a value", "value")
    return operation["value"]


def _index(name: str) -> int:
    if not _INDEX.fullmatch(name):
        raise PatchFailed("a place in the array", "path")
    return int(name)
