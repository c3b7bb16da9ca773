"""Versions on the way out: `meta.versionId` and `meta.lastUpdated` set in the bytes of a resource.

FHIR R4 3.1.0.8 wants both in every answer. What is stored and committed to stays as it was;
two members are spliced in, and every other byte is left alone, number formats included.
"""

from collections.abc import Iterator
from re import compile as regex
from typing import Final, NamedTuple

import msgspec

_TOKEN: Final = regex(rb'"(?:[^"\\]|\\.)*"|[{}\[\],]')
_VALUE: Final = regex(rb'[\s:]*("(?:[^"\\]|\\.)*"|[{\[]|[^\s,}\]]+)')
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
    for member in _members(data, meta.start):
        if member.name in values:
            parts += data[at : member.start], values[member.name]
            at = member.end
            missing.pop(member.name, None)
    whole = b"".join((data[: meta.start], *parts, data[at:]))
    return _inserted(whole, meta.start + 1, _written(missing)) if missing else whole


def _meta(data: bytes) -> _Member | None:
    """The last `meta` of the outermost object, as every reader of JSON takes it."""
    count = data.count(b'"meta"')
    is_plain = b"\\u" not in data
    if is_plain and not count:
        return None
    found = None
    for member in _members(data, data.index(b"{")):
        if member.name == "meta":
            found = member
            if is_plain and count == 1:
                break
    return found


def _members(data: bytes, start: int) -> Iterator[_Member]:
    """The members of the object that begins at `start`."""
    at = start + 1
    while True:
        token = _TOKEN.search(data, at)
        if token is None or token[0] in _CLOSING:
            return
        if token[0] == _COMMA:
            at = token.end()
            continue
        name = token[0][1:-1]
        value = _VALUE.match(data, token.end())
        if value is None:
            return
        begin = value.start(1)
        at = _end(data, begin) if value[1] in _OPENING else value.end()
        yield _Member(_plain(name), begin, at)


def _end(data: bytes, start: int) -> int:
    """Where the object or array that begins at `start` ends."""
    depth = 0
    for token in _TOKEN.finditer(data, start):
        first = token[0]
        if first in _OPENING:
            depth += 1
        elif first in _CLOSING:
            depth -= 1
            if not depth:
                return token.end()
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
