"""JSON as patches see it: numbers stay the text they were, and an edit leaves the rest untouched.

Documents are never changed in place: an edit copies the way to its place and shares everything
else. Paths are member names and places in arrays.
"""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn  # Any: JSON

import msgspec

from careledger.fhir.errors import NotJson, PatchFailed, TooDeep
from careledger.fhir.nesting import MAXIMUM_DEPTH, is_deeper

Json = Any
"""dict, list, str, bool, None, or a number as `msgspec.Raw`."""

Path = tuple[str | int, ...]

MISSING: Final = object()
"""What is at a path where nothing is; None is JSON's null."""


def load(data: bytes) -> Json:
    """Read JSON text.

    Raises:
        NotJson: not one JSON document in UTF-8, or a member twice in one object.
        TooDeep.
    """
    if is_deeper(data, MAXIMUM_DEPTH):
        raise TooDeep(f"at most {MAXIMUM_DEPTH} objects and arrays inside one another")
    try:
        return json.loads(
            data.decode(),
            parse_float=_number,
            parse_int=_number,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, NotJson):
            raise
        raise NotJson("one JSON document in UTF-8") from None


def dump(document: Json) -> bytes:
    """Write JSON text; numbers as they were read.

    Raises:
        PatchFailed: a string that is not Unicode text.
    """
    try:
        return msgspec.json.encode(document)
    except (UnicodeEncodeError, RecursionError):
        raise PatchFailed("strings of Unicode text") from None


def at(document: Json, path: Path) -> Json:
    """What is at `path`; `MISSING` if nothing is."""
    for step in path:
        if isinstance(document, dict) and isinstance(step, str):
            document = document.get(step, MISSING)
        elif isinstance(document, list) and isinstance(step, int) and 0 <= step < len(document):
            document = document[step]
        else:
            return MISSING
    return document


def changed(document: Json, path: Path, change: Callable[[Json], Json]) -> Json:
    """The document with `change` of what is at `path` in its place.

    Raises:
        PatchFailed: nothing is there.
    """
    if not path:
        return change(document)
    step, rest = path[0], path[1:]
    inner = at(document, (step,))
    if inner is MISSING:
        raise PatchFailed("a place that is there")
    copy = document.copy()
    copy[step] = changed(inner, rest, change)
    return copy


def without(document: Json, path: Path) -> Json:
    """The document without what is at `path`.

    Raises:
        PatchFailed: nothing is there, or it is the whole document.
    """
    if not path:
        raise PatchFailed("a place inside the resource")
    *way, last = path

    def remove(holder: Json) -> Json:
        if at(holder, (last,)) is MISSING:
            raise PatchFailed("a place that is there")
        copy = holder.copy()
        del copy[last]
        return copy

    return changed(document, tuple(way), remove)


def equal(one: Json, other: Json) -> bool:
    """Whether two values are the same as RFC 6902 4.6 has it: numbers by what they amount to."""
    if isinstance(one, msgspec.Raw) and isinstance(other, msgspec.Raw):
        return bytes(one) == bytes(other) or _amount(one) == _amount(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and one == other


def size(value: Json, limit: int) -> int:
    """How many values there are in `value`, itself included; counting ends above `limit`."""
    found, waiting = 0, [value]
    while waiting and found <= limit:
        inner = waiting.pop()
        found += 1
        if isinstance(inner, dict):
            waiting += inner.values()
        elif isinstance(inner, list):
            waiting += inner
    return found


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _amount(number: msgspec.Raw) -> Decimal | None:
    try:
        return Decimal(bytes(number).decode())
    except InvalidOperation:
        return None


def _no_constant(_: str) -> NoReturn:
    raise NotJson("numbers of JSON")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJson("every member once")
    return found
