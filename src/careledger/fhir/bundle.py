"""Transaction and batch bundles taken apart: each entry's request, and its resource as received."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from re import compile as regex
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast, get_args

from msgspec import Struct
from msgspec.structs import replace

from careledger.fhir.errors import (
    DanglingReference,
    EntryIncomplete,
    EntryRepeated,
    FhirError,
    UnsupportedRequest,
)
from careledger.fhir.patch.json_patch import JSON_PATCH
from careledger.fhir.references import references
from careledger.fhir.resource import check_bytes, decode, resource_type

if TYPE_CHECKING:
    from careledger.fhir.r4.binary import Binary
    from careledger.fhir.r4.bundle import Bundle as BundleModel
    from careledger.fhir.r4.bundle import BundleEntry

Kind = Literal["transaction", "batch"]
Verb = Literal["DELETE", "POST", "PUT", "PATCH", "GET", "HEAD"]
"""In the order FHIR R4 3.1.0.11.2 gives; PUT and PATCH are one step, so are GET and HEAD."""

PatchKind = Literal["json", "fhirpath"]

VERBS: Final = get_args(Verb)
READS: Final[frozenset[Verb]] = frozenset(("GET", "HEAD"))
_URL: Final = regex(r"([A-Z][A-Za-z]+)(?:/([A-Za-z0-9\-.]{1,64})|\?(.+))?")
_READ_URL: Final = regex(r"/?(?:([A-Z][A-Za-z]+)(?=[/?]|\Z))?(?!.*//)[\x21-\x7e]{0,8000}")
_FULL_URL_END: Final = regex(r"https?://.*?/([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})")


class Entry(Struct, frozen=True, array_like=True):
    """One request of a bundle (a Struct, because there are hundreds in each).

    position: place in the bundle as received, from 0.
    resource: the very bytes received, unchecked: resolve references, then `parse_resource` them;
        of a PATCH the patch, whose form `patch` names.
    references: what its `reference` members say that must be resolved before it is stored:
        `urn:...` and `Type?search`.
    error: why this entry alone is refused, in a batch; a transaction is refused as a whole.
    """

    position: int
    full_url: str | None
    method: Verb
    url: str
    type: str
    id: str | None = None
    condition: str | None = None
    if_none_exist: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    patch: PatchKind | None = None
    resource: bytes | None = None
    references: tuple[str, ...] = ()
    error: FhirError | None = None

    @property
    def place(self) -> str:
        """Return where in the bundle this entry is."""
        return f"Bundle.entry[{self.position}]"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A transaction or a batch."""

    type: Kind
    entries: tuple[Entry, ...]

    def in_order(self) -> tuple[Entry, ...]:
        """Return the entries in the order of processing (FHIR R4 3.1.0.11.2)."""
        return tuple(sorted(self.entries, key=lambda entry: VERBS.index(entry.method)))

    def mapping(self, targets: Sequence[str | None]) -> dict[str, str]:
        """Return what each entry's fullUrl becomes, given `Type/id` (or None) for each entry.

        A fullUrl `https://server/Patient/7` also stands for the relative reference `Patient/7`.
        """
        found: dict[str, str] = {}
        for entry, target in zip(self.entries, targets, strict=True):
            if entry.full_url is None or target is None:
                continue
            found[entry.full_url] = target
            if (end := _FULL_URL_END.fullmatch(entry.full_url)) is not None:
                found.setdefault(end[1], target)
        return found


def parse_bundle(data: bytes) -> Bundle:
    """Take a transaction or batch apart, checking the envelope but not the resources.

    Raises:
        InvalidResource: the bytes are not a Bundle resource within the limits.
        InvalidBundle: an entry cannot be acted on (in a batch it carries the error instead).
    """
    model = _envelope(data)
    if model.type not in get_args(Kind):
        raise UnsupportedRequest("transaction or batch", "Bundle.type")
    kind = cast("Kind", model.type)
    entries = tuple(
        _entry(position, entry, kind) for position, entry in enumerate(model.entry or ())
    )
    return Bundle(kind, _linked(entries, kind))


def resources_in(data: bytes) -> tuple[bytes, ...]:
    """Return the bytes of every resource of a bundle of any type, such as a searchset.

    Raises:
        InvalidResource: the bytes are not a Bundle resource within the limits.
    """
    resources = (bytes(entry.resource) for entry in _envelope(data).entry or ())
    return tuple(resource for resource in resources if resource)


def _envelope(data: bytes) -> "BundleModel":
    check_bytes(data)
    if resource_type(data) != "Bundle":
        raise UnsupportedRequest("Bundle", "resourceType")
    return cast("BundleModel", decode("Bundle", data))


def _entry(position: int, model: "BundleEntry", kind: Kind) -> Entry:
    place = f"Bundle.entry[{position}]"
    request = model.request
    if request is None or request.method is None or request.url is None:
        raise EntryIncomplete("a request with method and url", f"{place}.request")
    raw = bytes(model.resource) or None
    read, error = _Read("GET", ""), None
    try:
        read = _read(request.method, request.url, raw, place)
    except FhirError as refused:
        if kind == "transaction":
            raise
        error = refused
    return Entry(
        position=position,
        full_url=model.fullUrl,
        method=read.method,
        url=request.url,
        type=read.type,
        id=read.id,
        condition=read.condition,
        if_none_exist=request.ifNoneExist,
        if_match=request.ifMatch,
        if_none_match=request.ifNoneMatch,
        if_modified_since=request.ifModifiedSince,
        patch=read.patch,
        resource=read.resource,
        references=read.references,
        error=error,
    )


class _Read(NamedTuple):
    method: Verb
    type: str
    id: str | None = None
    condition: str | None = None
    references: tuple[str, ...] = ()
    resource: bytes | None = None
    patch: PatchKind | None = None


def _read(method: str, url: str, resource: bytes | None, place: str) -> _Read:
    """Read the url and hold it against the verb and the resource (FHIR R4 3.1.0.11)."""
    if method not in VERBS:
        raise UnsupportedRequest(" or ".join(VERBS), f"{place}.request.method")
    verb = cast("Verb", method)
    if verb in READS:
        return _reading(verb, url, place)
    type_, id_, condition = _target(verb, url, place)
    if verb == "DELETE":
        return _Read(verb, type_, id_, condition)
    if resource is None:
        raise EntryIncomplete("a resource", f"{place}.resource")
    try:
        actual = resource_type(resource)
    except FhirError as error:
        raise error.under(f"{place}.resource") from None
    if verb == "PATCH":
        kind, patch = _patch(resource, actual, place)
        return _Read(verb, type_, id_, condition, open_references(patch), patch, kind)
    if actual != type_:
        raise EntryIncomplete("the type of the resource", f"{place}.request.url")
    return _Read(verb, type_, id_, condition, open_references(resource), resource)


def _target(verb: Verb, url: str, place: str) -> tuple[str, str | None, str | None]:
    """Type, id and criteria that the url of a change names."""
    match = _URL.fullmatch(url)
    if match is None:
        raise UnsupportedRequest("Type, Type/id or Type?search", f"{place}.request.url")
    type_, id_, condition = match.groups()
    if verb == "POST" and (id_ or condition):
        raise EntryIncomplete("a resource type alone", f"{place}.request.url")
    if verb != "POST" and not (id_ or condition):
        raise EntryIncomplete("Type/id or Type?search", f"{place}.request.url")
    return type_, id_, condition


def _reading(verb: Verb, url: str, place: str) -> _Read:
    """A read or search; what it asks is for whoever answers it to judge."""
    match = _READ_URL.fullmatch(url)
    if match is None or ".." in url:
        raise UnsupportedRequest("Type, Type/id or Type?search", f"{place}.request.url")
    return _Read(verb, match[1] or "")


def _patch(resource: bytes, type_: str, place: str) -> tuple[PatchKind, bytes]:
    """A patch as a bundle carries it: Parameters, or JSON Patch in a Binary (R4 3.1.0.11.1)."""
    if type_ == "Parameters":
        return "fhirpath", resource
    if type_ != "Binary":
        raise EntryIncomplete("Binary or Parameters", f"{place}.resource")
    model = cast("Binary", decode("Binary", resource))
    if (model.contentType or "").partition(";")[0].strip() != JSON_PATCH:
        raise UnsupportedRequest(JSON_PATCH, f"{place}.resource.contentType")
    try:
        return "json", b64decode(model.data or "", validate=False)
    except NotBase64:
        raise EntryIncomplete("base64", f"{place}.resource.data") from None


def open_references(data: bytes) -> tuple[str, ...]:
    """The references in `data` that must be resolved first, each once."""
    return tuple(dict.fromkeys(filter(is_open, references(data))))


def is_open(reference: str) -> bool:
    """Say whether a reference must be resolved first: to another entry, or by a search."""
    return reference.startswith("urn:") or is_conditional(reference)


def is_conditional(reference: str) -> bool:
    """Say whether a reference is a search: `Practitioner?identifier=...` (FHIR R4 3.1.0.11.2)."""
    if "?" not in reference:
        return False
    match = _URL.fullmatch(reference)
    return match is not None and match[3] is not None


def _linked(entries: tuple[Entry, ...], kind: Kind) -> tuple[Entry, ...]:
    """Find references to entries that are not there; in a batch no entry may refer to another."""
    known: set[str] = set()
    if kind == "transaction":
        for entry in entries:
            if entry.full_url is not None and entry.full_url in known:
                raise EntryRepeated("a fullUrl of its own", f"{entry.place}.fullUrl")
            if entry.full_url is not None:
                known.add(entry.full_url)
        for error in _dangling(entries, known):
            raise error
        return entries
    errors = {error.location: error for error in _dangling(entries, known)}
    if not errors:
        return entries
    return tuple(replace(e, error=e.error or errors.get(f"{e.place}.resource")) for e in entries)


def _dangling(entries: tuple[Entry, ...], known: set[str]) -> Iterator[DanglingReference]:
    for entry in entries:
        if any(text.startswith("urn:") and text not in known for text in entry.references):
            yield DanglingReference(
                "references to entries of the same transaction", f"{entry.place}.resource"
            )
