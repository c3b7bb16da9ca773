"""Versions on the way out: `meta.versionId` and `meta.lastUpdated` set in the bytes of a resource.

FHIR R4 3.1.0.8 wants both in every answer. What is stored and committed to stays as it was;
two members are spliced in, and every other byte is left alone, number formats included.
"""

from collections.abc import Iterator
from re import compile as regex
from typing import Final, NamedTuple

import msgspec

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NAME: Final = regex(rb'[\s,]*+"([^"\\]*+(?:\\.[^"\\]*+)*+)"[\s:]*+')
_USUAL: Final = regex(
    rb'\s*+\{\s*+"resourceType"\s*+:\s*+"[A-Za-z]++"\s*+,\s*+'
    rb'(?:"id"\s*+:\s*+"[^"\\]*+"\s*+,\s*+)?+"meta"\s*+:\s*+(?=\{)'
)
"""How nearly every resource begins."""

_CLOSED: Final = regex(rb"\s*+\}")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TOKEN: Final = regex(_STRING + rb"|[{}\[\],]")
_BRACKET: Final = regex(rb"[^{}\[\]\"]*+(?:" + _STRING + rb"[^{}\[\]\"]*+)*+([{}\[\]])")
_VALUE: Final = regex(rb"[\s:]*+(" + _STRING + rb"|[{\[]|[^\s,}\]]++)")
_OPENING, _CLOSING, _COMMA = b"{[", b"}]", b","


class _Member(NamedTuple):
    """A member of an object: its name, and where its value begins and ends."""

    name: str
    start: int
    end: int


def stamped(data: bytes, version: int, stored: str) -> bytes:
    """`data`, a resource, with its version and the FHIR instant at which that was stored."""
    values = {"versionId": b'"%d"' % version, "lastUpdated": b'"%s"' % stored.encode()}
    meta = _meta(data)
    if meta is None or data[meta.start : meta.start + 1] != b"{":
        fresh = b"{%s}" % _written(values)
        if meta is not None:
            return data[: meta.start] + fresh + data[meta.end :]
        return _inserted(data, data.index(b"{") + 1, b'"meta":' + fresh)
    parts, at = list[bytes](), meta.start
    missing = dict(values)
    written = data[meta.start : meta.end]
    if not any(word in written for word in (b"versionId", b"lastUpdated", b"\\u")):
        return _inserted(data, meta.start + 1, _written(values))
    for member in _members(data, meta.start, meta.end):
        if member.name in values:
            parts += data[at : member.start], values[member.name]
            at = member.end
            missing.pop(member.name, None)
    whole = b"".join((data[: meta.start], *parts, data[at:]))
    return _inserted(whole, meta.start + 1, _written(missing)) if missing else whole


def _meta(data: bytes) -> _Member | None:
    """The last `meta` of the outermost object, as every reader of JSON takes it."""
    if b"\\u" not in data:
        count = data.count(b'"meta"')
        usual = _USUAL.match(data) if count == 1 else None
        if usual is not None:
            return _Member("meta", usual.end(), _end(data, usual.end()))
        if not count:
            return None
    found = None
    for member in _members(data, data.index(b"{"), len(data)):
        if member.name == "meta":
            found = member
    return found


def _members(data: bytes, start: int, end: int) -> list[_Member]:
    """The members of the object that begins at `start` and lies before `end`."""
    quick = _measured(data, start, _MEMBERS.decode(data[start:end]))
    return list(_scanned(data, start)) if quick is None else quick


def _measured(data: bytes, start: int, values: dict[str, msgspec.Raw]) -> list[_Member] | None:
    """Where members are, by the lengths of their values; None if a name is there twice."""
    found, at = list[_Member](), start + 1
    for name, value in values.items():
        head = _NAME.match(data, at)
        if head is None or _plain(head[1]) != name:
            return None
        begin, at = head.end(), head.end() + len(bytes(value))
        if data[begin:at] != bytes(value):
            return None
        found.append(_Member(name, begin, at))
    return found if _CLOSED.match(data, at) else None


def _scanned(data: bytes, start: int) -> Iterator[_Member]:
    """The same by looking at every token."""
    at = start + 1
    while True:
        token = _TOKEN.search(data, at)
        if token is None or token[0] in _CLOSING:
            return
        if token[0] == _COMMA:
            at = token.end()
            continue
        value = _VALUE.match(data, token.end())
        if value is None:
            return
        begin = value.start(1)
        at = _end(data, begin) if value[1] in _OPENING else value.end()
        yield _Member(_plain(token[0][1:-1]), begin, at)


def _end(data: bytes, start: int) -> int:
    """Where the object or array that begins at `start` ends."""
    depth, at = 0, start
    while (bracket := _BRACKET.match(data, at)) is not None:
        at = bracket.end()
        depth += 1 if bracket[1] in _OPENING else -1
        if not depth:
            return at
    return len(data)


def _plain(name: bytes) -> str:
    """A name without its escapes."""
    if b"\\" in name:
        return msgspec.json.decode(b'"%s"' % name, type=str)
    return name.decode()


def _written(values: dict[str, bytes]) -> bytes:
    return b",".join(b'"%s":%s' % (name.encode(), value) for name, value in values.items())


def _inserted(data: bytes, at: int, member: bytes) -> bytes:
    """With a member more, in front of those that are there."""
    comma = b"" if data[at:].lstrip()[:1] == b"}" else b","
    return b"".join((data[:at], member, comma, data[at:]))
