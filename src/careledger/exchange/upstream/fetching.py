"""Resources by name from the organisation's own FHIR server, each checked to be what was asked."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from careledger.exchange.bodies import Name
from careledger.exchange.upstream.client import Json, UpstreamClient
from careledger.exchange.upstream.errors import UpstreamDown, UpstreamLies

AT_ONCE: Final = 50
"""So many in one request."""

HISTORY_PAGES: Final = 10
"""So far back an older version is looked for."""

_OK: Final = 200
_TYPE_AND_ID: Final = 2
_ABSENT: Final = (404, 410)


class _Head(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815 - FHIR's name
    id: str = ""


class _Response(msgspec.Struct, frozen=True):
    status: str = ""


class _Request(msgspec.Struct, frozen=True):
    method: str = ""
    url: str = ""


class _Search(msgspec.Struct, frozen=True):
    mode: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One entry of a bundle."""

    resource: msgspec.Raw = msgspec.Raw()
    """As written; empty where there is none."""
    response: _Response = _Response()
    request: _Request = _Request()
    search: _Search = _Search()

    @property
    def is_match(self) -> bool:
        """Whether it is what was asked for, not what goes with it."""
        return bool(bytes(self.resource)) and self.search.mode in ("", "match")

    @property
    def is_deletion(self) -> bool:
        """Whether it is the deletion of a resource, in a history."""
        return not bytes(self.resource) and self.request.method == "DELETE"

    @property
    def name(self) -> Name:
        """Type and id of what it is about.

        Raises:
            UpstreamLies: it does not say.
        """
        if bytes(self.resource):
            return name_of(bytes(self.resource))
        parts = self.request.url.split("?")[0].split("/_history")[0].split("/")
        if len(parts) < _TYPE_AND_ID:
            raise UpstreamLies("an entry about nothing")
        return parts[-2], parts[-1]


class Bundle(msgspec.Struct, frozen=True):
    """A bundle whose resources are left as they are written."""

    resourceType: str = ""  # noqa: N815 - FHIR's name
    type: str = ""
    total: int | None = None
    link: list[dict[str, Json]] = []
    entry: list[Entry] = []

    @property
    def next(self) -> str | None:
        """Where the next page is."""
        for link in self.link:
            if link.get("relation") == "next" and isinstance(link.get("url"), str):
                return str(link["url"])
        return None


def read_bundle(data: bytes) -> Bundle:
    """A bundle that was answered.

    Raises:
        UpstreamLies: it is none.
    """
    try:
        bundle = msgspec.json.decode(data, type=Bundle)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UpstreamLies("the answer is no bundle") from None
    if bundle.resourceType != "Bundle":
        raise UpstreamLies("the answer is no bundle")
    return bundle


def name_of(raw: bytes) -> Name:
    """Type and id that a resource gives itself.

    Raises:
        UpstreamLies: it is no resource.
    """
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UpstreamLies("the answer is no resource") from None
    return head.resourceType, head.id


def fetch_one(client: UpstreamClient, name: Name) -> bytes | None:
    """The newest version of a resource; None if it is absent.

    Raises:
        UpstreamDown: it did not answer, or would not.
        UpstreamLies: it answered with another resource.
    """
    answer = client.get("/".join(name))
    if answer.status in _ABSENT:
        return None
    if answer.status != _OK:
        raise UpstreamDown(f"the organisation's own FHIR server answered {answer.status}")
    return _checked(answer.body, name)


def fetch(client: UpstreamClient, names: Sequence[Name]) -> dict[Name, bytes | None]:
    """The newest versions, None for what is absent; what was not answered is not in it.

    Raises:
        UpstreamLies: it answered with another resource.
    """
    found: dict[Name, bytes | None] = {}
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        try:
            if len(some) == 1:
                found[some[0]] = fetch_one(client, some[0])
            else:
                found |= _fetch_batch(client, some)
        except UpstreamDown:
            continue
    return found


def older(client: UpstreamClient, name: Name) -> Iterator[bytes]:
    """The versions of a resource that its history has, the newest first; as far as it is offered.

    Raises:
        UpstreamDown: it did not answer.
        UpstreamLies: it answered with another resource.
    """
    path: str | None = "/".join((*name, "_history"))
    for _ in range(HISTORY_PAGES):
        if path is None:
            return
        answer = client.get(path)
        if not answer.ok:
            return
        bundle = read_bundle(answer.body)
        for entry in bundle.entry:
            if bytes(entry.resource):
                yield _checked(bytes(entry.resource), name)
        path = bundle.next


def _fetch_batch(client: UpstreamClient, names: Sequence[Name]) -> dict[Name, bytes | None]:
    """As one batch (FHIR R4 3.1.0.11), whose entries are answered one by one in their order."""
    asked = [{"request": {"method": "GET", "url": "/".join(name)}} for name in names]
    body = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": asked}).encode()
    answer = client.send("POST", "", body=body)
    if not answer.ok:  # it takes no batches
        return {name: fetch_one(client, name) for name in names}
    entries = read_bundle(answer.body).entry
    if len(entries) != len(names):
        raise UpstreamLies("another number of answers than of questions")
    found: dict[Name, bytes | None] = {}
    for name, entry in zip(names, entries, strict=True):
        status = entry.response.status[:3]
        if status in map(str, _ABSENT):
            found[name] = None
        elif status == str(_OK) and bytes(entry.resource):
            found[name] = _checked(bytes(entry.resource), name)
    return found


def _checked(raw: bytes, name: Name) -> bytes:
    if name_of(raw) != name:
        raise UpstreamLies("another resource than the one that was asked for")
    return raw
