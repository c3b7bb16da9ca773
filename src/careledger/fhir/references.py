r"""Changing a resource's references and id in its bytes, leaving every other byte as it was.

A `reference` member is found by its text: in JSON, `"reference"` followed by a colon can only be a
member name, because inside a string the quotation marks would be escaped. Names written with `\u`
escapes take a slower way, which reads every string in order.
"""

import json
from collections.abc import Mapping
from re import compile as regex
from typing import Final

import msgspec

from careledger.fhir.errors import NotJson, WrongType

_SPACE: Final = rb"[ \t\r\n]*"
_STRING: Final = rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_REFERENCE: Final = regex(
    rb'("reference"' + _SPACE + b":" + _SPACE + rb'")([^"\\]*+(?:\\.[^"\\]*+)*+)(?=")'
)
_MEMBER: Final = regex(_STRING + rb"(?:" + _SPACE + b":" + _SPACE + rb"(?:" + _STRING + rb")?)?+")
_TOKEN: Final = regex(_STRING + rb"(" + _SPACE + rb":)?+|[{}\[\]]")
_VALUE: Final = regex(_SPACE + _STRING)
_USUAL_ID: Final = regex(
    _SPACE
    + rb"\{"
    + _SPACE
    + rb'"resourceType"'
    + _SPACE
    + b":"
    + _SPACE
    + rb'"[A-Za-z]+"'
    + rb"(?:"
    + _SPACE
    + b","
    + _SPACE
    + rb'"id"'
    + _SPACE
    + b":"
    + _SPACE
    + rb'"([A-Za-z0-9\-.]*)")?+'
)
_ID: Final = regex(r"[A-Za-z0-9\-.]{1,64}")
_OPEN_BRACE: Final = regex(_SPACE + rb"\{(" + _SPACE + rb"\})?")


def references(data: bytes) -> list[str]:
    """Return the string value of every `reference` member, in order of appearance."""
    return [_text(value) for value in _pieces(data)[2::3]]


def resolve_references(raw: bytes, mapping: Mapping[str, str]) -> bytes:
    """Replace the value of each `reference` member that is in `mapping`; no other byte changes."""
    return resolved(raw, mapping)[0]


def resolved(raw: bytes, mapping: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """Like `resolve_references`, with what `references` then returns."""
    pieces = _pieces(raw)
    texts = list[str]()
    changed = False
    for index in range(2, len(pieces), 3):
        text = _text(pieces[index])
        new = mapping.get(text)
        if new is not None:
            pieces[index] = msgspec.json.encode(new)[1:-1]
            changed = True
        texts.append(text if new is None else new)
    return b"".join(pieces) if changed else raw, texts


def with_id(raw: bytes, id_: str) -> bytes:
    """Set the id of the resource itself: replace the one there, or add one.

    Raises:
        WrongType: the new id has not the form of one.
        NotJson: the bytes are not a JSON object whose id, if any, is a string.
    """
    if not _ID.fullmatch(id_):
        raise WrongType("1 to 64 letters, digits, hyphens and dots", "id")
    usual = _USUAL_ID.match(raw)
    if usual is not None and usual[1] is not None:
        return raw[: usual.start(1)] + id_.encode() + raw[usual.end(1) :]
    place = _id_value(raw)
    if place is not None:
        return raw[: place[0]] + id_.encode() + raw[place[1] :]
    opening = _OPEN_BRACE.match(raw)
    if opening is None:
        raise NotJson("one JSON object")
    if usual is not None:
        return raw[: usual.end()] + b',"id":"' + id_.encode() + b'"' + raw[usual.end() :]
    after = raw.index(b"{") + 1
    comma = b"" if opening[1] else b","
    return raw[:after] + b'"id":"' + id_.encode() + b'"' + comma + raw[after:]


def id_in(raw: bytes) -> str | None:
    """The id of the resource itself, as written; None if it has none.

    Raises:
        NotJson: the id is not a string.
    """
    place = _id_value(raw)
    return None if place is None else _text(raw[place[0] : place[1]])


def _pieces(data: bytes) -> list[bytes]:
    """Cut the text into: text, name and colon, value, text, name and colon, value, ... text."""
    if b"\\u00" not in data and b'\\"reference"' not in data:
        return _REFERENCE.split(data)
    pieces, done = [], 0
    for member in _MEMBER.finditer(data):
        if member[2] is not None and _text(member[1]) == "reference":
            start, end = member.span(2)
            pieces += [data[done : member.start()], data[member.start() : start], data[start:end]]
            done = end
    return [*pieces, data[done:]]


def _text(written: bytes) -> str:
    """Return what a JSON string says; text that is no JSON string stands for itself."""
    try:
        if b"\\" in written:
            return str(json.loads(b'"' + written + b'"'))
        return written.decode()
    except ValueError:
        return written.decode(errors="replace")


def _id_value(raw: bytes) -> tuple[int, int] | None:
    """Return where the value of the outermost object's `id` is, without its quotation marks."""
    depth = 0
    for token in _TOKEN.finditer(raw):
        match token[0][:1]:
            case b"{" | b"[":
                depth += 1
            case b"}" | b"]":
                depth -= 1
            case _ if depth == 1 and token[2] is not None and _text(token[1]) == "id":
                value = _VALUE.match(raw, token.end())
                if value is None:
                    raise NotJson("a string", "id")
                return value.start(1), value.end(1)
    return None
