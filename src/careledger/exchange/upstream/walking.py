"""Reading all that the organisation's own FHIR server has, or what changed there, page by page."""

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from careledger.exchange.bodies import Name
from careledger.exchange.upstream.client import MAXIMUM_BYTES, Json, UpstreamClient
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


class _Meta(msgspec.Struct, frozen=True):
    lastUpdated: str | None = None  # noqa: N815 - FHIR's name


class _Stamped(msgspec.Struct, frozen=True):
    meta: _Meta = _Meta()


def types_of(client: UpstreamClient) -> tuple[list[str], bool]:
    """The types to read, patients first, and whether Bulk Data `$export` is offered.

    By its CapabilityStatement; a server without one is asked for every type.
    """
    answer = client.get("metadata")
    rest: list[Json] = answer.json().get("rest") or [] if answer.ok else []
    server: Json = rest[0] if rest else {}
    named = {one.get("type") for one in server.get("resource") or []}
    types = (named & set(MODULES)) or set(MODULES)
    operations = [*(server.get("operation") or [])]
    for one in server.get("resource") or []:
        operations += one.get("operation") or []
    exports = any(one.get("name") == "export" for one in operations)
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
    count = PAGE
    while True:
        query = [("_sort", "_lastUpdated"), ("_count", str(count))]
        if since is not None:
            query.append(("_lastUpdated", f"ge{since}"))
        answer = client.get(type_, query)
        while True:
            if not answer.ok:
                raise UpstreamDown(f"the organisation's own FHIR server answered {answer.status}")
            bundle = read_bundle(answer.body)
            found = _found(bundle)
            yield found
            if bundle.next is None:
                break
            answer = client.get(bundle.next)
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
    manifest = answer.json()
    files = [(str(one.get("type")), str(one.get("url"))) for one in manifest.get("output") or []]
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


def _pages(client: UpstreamClient, bundle: Bundle) -> Iterator[Found]:
    """A history goes from the newest to the oldest: of each resource the first one counts."""
    seen = set[Name]()
    while True:
        found = _found(bundle, seen)
        yield found
        if bundle.next is None:
            return
        answer = client.get(bundle.next)
        if not answer.ok:
            raise UpstreamDown(f"the organisation's own FHIR server answered {answer.status}")
        bundle = read_bundle(answer.body)


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
    return min(float(retry_after), _LONGEST_WAIT_S) if retry_after.isdigit() else 1.0
