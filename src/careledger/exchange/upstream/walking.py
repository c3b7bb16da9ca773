"""Reading all that the organisation's own FHIR server has, or what changed there, page by page."""

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from careledger.exchange.bodies import Name
from careledger.exchange.upstream.client import MAXIMUM_BYTES, Answer, UpstreamClient
from careledger.exchange.upstream.errors import UpstreamDown, UpstreamLies
from careledger.exchange.upstream.fetching import Bundle, read_bundle
from careledger.exchange.upstream.position import later
from careledger.fhir.r4.registry import MODULES
from careledger.vault.deposit import DIRECTORY_TYPES

PAGE: Final = 200
MOST: Final = 20_000
"""A server that gives no next page is asked for at most so many at once."""

EXPORT_WITHIN_S: Final = 12 * 3600.0
_ACCEPTED, _OK = 202, 200
_LONGEST_WAIT_S: Final = 30.0

_NOT_RECORDS: Final = frozenset(("Bundle", "Parameters", "OperationOutcome", "CapabilityStatement"))


class Found(NamedTuple):
    """Some resources, the names of some that were deleted, and the newest change among them."""

    resources: list[bytes]
    deleted: list[Name]
    newest: str | None


class _Operation(msgspec.Struct, frozen=True):
    name: str = ""


class _Served(msgspec.Struct, frozen=True):
    type: str = ""
    operation: tuple[_Operation, ...] | None = None


class _Rest(msgspec.Struct, frozen=True):
    resource: tuple[_Served, ...] | None = None
    operation: tuple[_Operation, ...] | None = None


class _Statement(msgspec.Struct, frozen=True):
    """What we read of a CapabilityStatement."""

    rest: tuple[_Rest, ...] | None = None


class _File(msgspec.Struct, frozen=True):
    type: str
    url: str


class _Manifest(msgspec.Struct, frozen=True):
    """What we read of the manifest of an export."""

    output: tuple[_File, ...] | None = None


class _Meta(msgspec.Struct, frozen=True):
    lastUpdated: str | None = None  # noqa: N815 - FHIR's name


class _Stamped(msgspec.Struct, frozen=True):
    meta: _Meta = _Meta()


def types_of(client: UpstreamClient) -> tuple[list[str], bool]:
    """The types to read, patients first, and whether Bulk Data `$export` is offered.

    By its CapabilityStatement; a server without one is asked for every type.
    """
    answer = client.get("metadata")
    rest = answer.read(_Statement).rest if answer.ok else None
    server = rest[0] if rest else _Rest()
    served = server.resource or ()
    types = ({one.type for one in served} & set(MODULES)) or set(MODULES)
    operations = [*(server.operation or ())]
    for one in served:
        operations += one.operation or ()
    exports = any(one.name == "export" for one in operations)
    order = {"Patient": 0}
    ordered = sorted(
        types - _NOT_RECORDS,
        key=lambda type_: (order.get(type_, 2 - (type_ in DIRECTORY_TYPES)), type_),
    )
    return ordered, exports


def walk(client: UpstreamClient, type_: str, since: str | None = None) -> Iterator[Found]:
    """Every resource of a type, changed at `since` or later, in the order of change.

    By next links where the server gives them, else from the last change seen on.

    Raises:
        UpstreamDown: it did not answer, or does not search this type by time.
        UpstreamLies: it answered something else.
    """
    count, followed = PAGE, set[str]()
    while True:
        query = [("_sort", "_lastUpdated"), ("_count", str(count))]
        if since is not None:
            query.append(("_lastUpdated", f"ge{since}"))
        bundle = _page(client.get(type_, query))
        while True:
            found = _found(bundle)
            yield found
            after = _after(client, bundle, followed)
            if after is None:
                break
            bundle = after
        if len(bundle.entry) < count or bundle.link:
            return
        if found.newest == since or found.newest is None:  # more of one instant than fit a page
            count *= 4
            if count > MOST:
                raise UpstreamLies("it gives no further page")
        since = found.newest


def history(client: UpstreamClient, since: str) -> Iterator[Found] | None:
    """What changed at `since` or later, deletions too, each at its newest; None if not offered.

    Raises:
        UpstreamDown: it did not answer.
        UpstreamLies: it answered something else.
    """
    answer = client.get("_history", [("_since", since), ("_count", str(PAGE))])
    if not answer.ok:
        return None
    first = read_bundle(answer.body)
    return _pages(client, first) if first.type == "history" else None


def export(client: UpstreamClient, types: list[str]) -> Iterator[Found]:
    """Everything of `types` by Bulk Data export (2.0), patients first.

    Raises:
        UpstreamDown: it did not answer, or would not.
        UpstreamLies: it answered something else, or keeps the files at another server.
    """
    asked = client.get("$export", [("_type", ",".join(types))], prefer="respond-async")
    if asked.status != _ACCEPTED or "content-location" not in asked.headers:
        raise UpstreamDown("no export")
    place = asked.headers["content-location"]
    end = time.monotonic() + EXPORT_WITHIN_S
    while (answer := client.get(place, accept="application/json")).status == _ACCEPTED:
        if time.monotonic() > end:
            raise UpstreamDown("the export does not end")
        time.sleep(_wait_s(answer.headers.get("retry-after", "")))
    if answer.status != _OK:
        raise UpstreamDown("the export failed")
    files = [(one.type, one.url) for one in answer.read(_Manifest).output or ()]
    for _, url in sorted(files, key=lambda file: (file[0] != "Patient", file)):
        for lines in _lines(client, url):
            yield Found(lines, [], None)
    client.send("DELETE", place)


def _lines(client: UpstreamClient, url: str) -> Iterator[list[bytes]]:
    """The lines of a file of an export, a page of them at a time."""
    page, rest = list[bytes](), b""
    said = {"accept": "application/fhir+ndjson"}
    with client.stream("GET", url, headers=said) as answer:
        if answer.status_code != _OK:
            raise UpstreamDown("a file of the export is missing")
        for piece in answer.iter_bytes():
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > MAXIMUM_BYTES:
                raise UpstreamLies("a line of the export is too long")
            page += filter(bytes.strip, lines)
            if len(page) >= PAGE:
                yield page
                page = []
    page += filter(bytes.strip, [rest])
    if page:
        yield page


def _pages(client: UpstreamClient, first: Bundle) -> Iterator[Found]:
    """A history goes from the newest to the oldest: of each resource the first one counts."""
    seen, followed = set[Name](), set[str]()
    bundle: Bundle | None = first
    while bundle is not None:
        yield _found(bundle, seen)
        bundle = _after(client, bundle, followed)


def _after(client: UpstreamClient, bundle: Bundle, followed: set[str]) -> Bundle | None:
    """The next page; None after the last.

    Raises:
        UpstreamLies: its link was followed before: that would never end.
    """
    link = bundle.next
    if link is None:
        return None
    if link in followed:
        raise UpstreamLies("pages that lead round in a circle")
    followed.add(link)
    return _page(client.get(link))


def _page(answer: Answer) -> Bundle:
    if not answer.ok:
        raise UpstreamDown(f"the organisation's own FHIR server answered {answer.status}")
    return read_bundle(answer.body)


def _found(bundle: Bundle, seen: set[Name] | None = None) -> Found:
    found = Found([], [], None)
    newest: str | None = None
    for entry in bundle.entry:
        name = entry.name
        if seen is not None:
            if name in seen:
                continue
            seen.add(name)
        if entry.is_match:
            found.resources.append(bytes(entry.resource))
            newest = _newest(newest, bytes(entry.resource))
        elif entry.is_deletion:
            found.deleted.append(name)
    return found._replace(newest=newest)


def _newest(one: str | None, raw: bytes) -> str | None:
    try:
        stamped = msgspec.json.decode(raw, type=_Stamped).meta.lastUpdated
    except msgspec.MsgspecError:
        return one
    return later(one, stamped)


def _wait_s(retry_after: str) -> float:
    is_number = retry_after.isascii() and retry_after.isdigit()
    return min(float(retry_after), _LONGEST_WAIT_S) if is_number else 1.0
