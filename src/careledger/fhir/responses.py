"""Bundles that go out: resources are spliced in as bytes, never written anew."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec


class Found(msgspec.Struct, frozen=True):
    """One resource of a search result."""

    full_url: str
    resource: bytes
    mode: Literal["match", "include", "outcome"] = "match"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one entry of a transaction or batch.

    status: HTTP status with its text, `201 Created`.
    last_modified: a FHIR instant.
    outcome: an OperationOutcome resource.
    """

    status: str
    location: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    resource: bytes | None = None
    outcome: bytes | None = None
    full_url: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version in a history; `resource` is None where it is a deletion.

    url: `Type/id`. last_modified: a FHIR instant.
    """

    full_url: str
    url: str
    is_first: bool
    resource: bytes | None
    etag: str
    last_modified: str


class _Request(msgspec.Struct):
    method: str
    url: str


class _Link(msgspec.Struct):
    relation: str
    url: str


class _Search(msgspec.Struct):
    mode: str


class _Response(msgspec.Struct, omit_defaults=True):
    status: str
    location: str | None = None
    etag: str | None = None
    lastModified: str | None = None  # noqa: N815  the name FHIR gives it
    outcome: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Entry(msgspec.Struct, omit_defaults=True):
    fullUrl: str | None = None  # noqa: N815  the name FHIR gives it
    resource: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    search: _Search | None = None
    request: _Request | None = None
    response: _Response | None = None


class _Bundle(msgspec.Struct, tag="Bundle", tag_field="resourceType", omit_defaults=True):
    type: str
    id: str | None = None
    timestamp: str | None = None
    total: int | None = None
    link: list[_Link] | None = None
    entry: list[_Entry] | None = None


def searchset(
    found: Iterable[Found],
    *,
    total: int | None,
    self_url: str,
    next_url: str | None = None,
    timestamp: str | None = None,
) -> bytes:
    """Return a searchset bundle; `total` counts the matches on every page, None leaves it out."""
    links = _links(self_url, next_url)
    entries = [
        _Entry(fullUrl=one.full_url, resource=msgspec.Raw(one.resource), search=_Search(one.mode))
        for one in found
    ]
    return msgspec.json.encode(
        _Bundle("searchset", timestamp=timestamp, total=total, link=links, entry=entries or None)
    )


def history_bundle(
    versions: Iterable[Version],
    *,
    self_url: str,
    next_url: str | None = None,
    timestamp: str | None = None,
) -> bytes:
    """Return a history bundle: each version with the request that would have made it."""
    entries = [
        _Entry(
            fullUrl=one.full_url,
            resource=_raw(one.resource),
            request=_Request("DELETE" if one.resource is None else "PUT", one.url),
            response=_Response(_became(one), None, one.etag, one.last_modified),
        )
        for one in versions
    ]
    return msgspec.json.encode(
        _Bundle(
            "history", timestamp=timestamp, link=_links(self_url, next_url), entry=entries or None
        )
    )


def _became(version: Version) -> str:
    if version.resource is None:
        return "204 No Content"
    return "201 Created" if version.is_first else "200 OK"


def _links(self_url: str, next_url: str | None) -> list[_Link]:
    return [_Link("self", self_url), *([_Link("next", next_url)] if next_url is not None else [])]


def collection(found: Iterable[Found], *, timestamp: str | None = None) -> bytes:
    """Return a collection bundle: resources that belong together, such as an exported record."""
    entries = [_Entry(fullUrl=one.full_url, resource=msgspec.Raw(one.resource)) for one in found]
    return msgspec.json.encode(_Bundle("collection", timestamp=timestamp, entry=entries or None))


def response_bundle(
    kind: Literal["transaction", "batch"],
    answers: Iterable[Answer],
    *,
    timestamp: str | None = None,
) -> bytes:
    """Return the response to a transaction or batch, in the order of its entries."""
    entries = [
        _Entry(
            fullUrl=answer.full_url,
            resource=_raw(answer.resource),
            response=_Response(
                answer.status,
                answer.location,
                answer.etag,
                answer.last_modified,
                _raw(answer.outcome),
            ),
        )
        for answer in answers
    ]
    return msgspec.json.encode(
        _Bundle(f"{kind}-response", timestamp=timestamp, entry=entries or None)
    )


def _raw(data: bytes | None) -> msgspec.Raw | msgspec.UnsetType:
    return msgspec.UNSET if data is None else msgspec.Raw(data)
