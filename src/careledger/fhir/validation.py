"""What the decoder said, as errors of this room: the place and what it expects, never a value."""

import json
from re import compile as regex
from typing import Final

import msgspec

from careledger.fhir.errors import (
    CodeNotAllowed,
    ElementRepeated,
    InvalidResource,
    MissingElement,
    NotAResource,
    NotJson,
    TooDeep,
    UnknownElement,
    WrongType,
    join,
)
from careledger.fhir.nesting import without_escapes

_PLACE: Final = " - at `$"
_UNREAD: Final = ("contained", "resource", "outcome")
_PATH: Final = regex(r"(?:\.\w+|\[[0-9]+\])*")
_MISSING: Final = regex(r"Object missing required field `(\w+)`")
_TYPES: Final = regex(r"Expected `([a-z |]+)`, got `[a-z]+`")
_BOUNDS: Final = regex(r"Expected `(?:int|str|array)`(?: of length)? (?:>=|<=) -?[0-9]+")
_KNOWN: Final[tuple[tuple[str, type[InvalidResource], str], ...]] = (
    ("Object contains unknown", UnknownElement, "only elements that R4 defines in this place"),
    ("Invalid enum value", CodeNotAllowed, "a code from the required value set"),
    ("Invalid value", NotAResource, "one resourceType"),
    ("Number out of range", WrongType, "a number within the range of IEEE 754 doubles"),
)
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
}


def refusal(type_: str, error: msgspec.ValidationError) -> InvalidResource:
    """Turn the decoder's complaint about a resource of this type into an error of this room."""
    message, _, rest = str(error).rpartition(_PLACE)
    path = rest.removesuffix("`")
    location = type_ + path if message and _PATH.fullmatch(path) else type_
    cause = error.__cause__
    if isinstance(cause, InvalidResource):
        return cause.under(location)
    return _translated(message or str(error), location)


def _translated(message: str, location: str) -> InvalidResource:
    """Read one of the decoder's messages; what it quotes from the input is dropped."""
    for beginning, kind, expected in _KNOWN:
        if message.startswith(beginning):
            return kind(expected, location)
    if (missing := _MISSING.match(message)) is not None:
        return MissingElement("this element", join(location, missing[1]))
    if (types := _TYPES.match(message)) is not None:
        names = [name for name in types[1].split(" | ") if name != "null"]
        return WrongType(" or ".join(_WORDS.get(name, f"an {name}") for name in names), location)
    if (bounds := _BOUNDS.match(message)) is not None:
        return WrongType(bounds[0].removeprefix("Expected ").replace("`", ""), location)
    return WrongType("a value in the form that R4 gives this type", location)


def check_members(type_: str, data: bytes, model: msgspec.Struct) -> None:
    """Refuse elements that are empty, null, or there twice, which decoders pass over.

    Two readers that keep different ones of two `subject`s see different patients. Whatever the
    decoder dropped is missing when the model is written again, and so are its quotation marks.

    Raises:
        ElementRepeated, MissingElement: with the place.
        NotJson: strings that are not Unicode text.
    """
    try:
        again = msgspec.json.encode(model)
    except UnicodeEncodeError:
        raise NotJson("strings of Unicode text") from None
    complete = _is_complete(data, again)
    if complete and b"{}" not in again:
        return
    try:
        _walk(type_, json.loads(data, object_pairs_hook=_Pairs))
    except RecursionError:  # the decoder goes deeper than Python functions may
        raise TooDeep("fewer objects and arrays inside one another", type_) from None
    if not complete:
        raise ElementRepeated("every element once, and none of them null", type_)


def _is_complete(data: bytes, again: bytes) -> bool:
    if b"\\u" not in data:  # escaped quotation marks are written again as they were
        return data.count(b'"') == again.count(b'"')
    return without_escapes(data).count(b'"') == without_escapes(again).count(b'"')


class _Pairs(list[tuple[str, object]]):
    """The members of an object as written, repeats and all."""


def _walk(place: str, value: object) -> None:
    """Find the first member that is empty, null or repeats an earlier one.

    The decoder has accepted every name by then, so the place holds names of R4 only; into nested
    resources, which it has not read yet, this does not look.
    """
    if isinstance(value, _Pairs):
        if not value:
            raise MissingElement("an element with content", place)
        names: set[str] = set()
        for name, inner in value:
            if name in names or inner is None:
                raise ElementRepeated("this element once, and not null", f"{place}.{name}")
            names.add(name)
            if name not in _UNREAD:
                _walk(f"{place}.{name}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _walk(f"{place}[{index}]", inner)
