"""A FHIR R4 resource: its bytes as received, checked, and the model read from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from re import compile as regex
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec

from careledger.fhir.errors import InvalidResource, NotAResource, NotJson, TooDeep, TooLarge, join
from careledger.fhir.nesting import MAXIMUM_DEPTH, is_deeper
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.validation import check_members, refusal

if TYPE_CHECKING:
    from careledger.fhir.model import Model

MAXIMUM_BYTES: Final = 50_000_000

_BUILDING: Final = Lock()

_OPENING: Final = regex(rb'[ \t\r\n]*\{[ \t\r\n]*"resourceType"[ \t\r\n]*:[ \t\r\n]*"([A-Za-z]+)"')


class _Head(msgspec.Struct):
    resourceType: str  # noqa: N815  the name FHIR gives it


@dataclass(frozen=True, slots=True)
class Resource:
    """A checked resource. `raw` is what is sealed and committed; the model is for reading only.

    Decimals in the model are floats: whoever needs `1.00` as written reads `raw`.
    """

    type: str
    id: str | None
    model: "Model"
    raw: bytes


def decoder(type_: str) -> "msgspec.json.Decoder[Model]":
    """Return the decoder of a resource type; its module is loaded when first asked for.

    One thread at a time: msgspec hands a second thread what the first has half built, and crashes.
    """
    with _BUILDING:
        return _decoder(type_)


@cache
def _decoder(type_: str) -> "msgspec.json.Decoder[Model]":
    module = import_module(f"careledger.fhir.r4.{MODULES[type_]}")
    return msgspec.json.Decoder(getattr(module, type_))


def resource_type(data: bytes) -> str:
    """Return the type that the bytes name, usually without decoding them.

    Raises:
        NotJson: not JSON text.
        NotAResource: no `resourceType`, or none of R4.
    """
    opening = _OPENING.match(data)
    if opening is not None:
        type_ = opening[1].decode()
    else:
        try:
            type_ = msgspec.json.decode(data, type=_Head).resourceType
        except (msgspec.ValidationError, RecursionError):
            raise NotAResource("an object with a resourceType") from None
        except (msgspec.DecodeError, UnicodeError):
            raise NotJson("one JSON document in UTF-8") from None
    if type_ not in MODULES:
        raise NotAResource("the name of an R4 resource type", "resourceType")
    return type_


def parse_resource(data: bytes) -> Resource:
    """Check a resource and everything inside it; keep its bytes.

    Raises:
        InvalidResource: see `careledger.fhir.errors`.
    """
    check_bytes(data)
    if is_deeper(data, MAXIMUM_DEPTH):
        raise TooDeep(f"at most {MAXIMUM_DEPTH} objects and arrays inside one another")
    return parse_within_limits(data)


def check_bytes(data: bytes) -> None:
    """Refuse more bytes than the limit before anything reads them.

    Raises:
        TooLarge.
    """
    if len(data) > MAXIMUM_BYTES:
        raise TooLarge(f"at most {MAXIMUM_BYTES} bytes")


def parse_within_limits(data: bytes) -> Resource:
    """Check a resource whose size and depth, or its bundle's, are known to be within the limits."""
    type_ = resource_type(data)
    model = decode(type_, data)
    for place, nested in nested_resources(type_, model):
        try:
            parse_within_limits(nested)
        except InvalidResource as error:
            raise error.under(join(type_, place)) from None
    return Resource(type_, getattr(model, "id", None), model, data)


def decode(type_: str, data: bytes) -> "Model":
    """Decode one resource into its model; resources nested in it stay unread bytes."""
    try:
        model = decoder(type_).decode(data)
    except msgspec.ValidationError as error:
        raise refusal(type_, error) from None
    except (msgspec.DecodeError, UnicodeError):
        raise NotJson("one JSON document in UTF-8") from None
    except RecursionError:
        raise TooDeep(f"at most {MAXIMUM_DEPTH} objects and arrays inside one another") from None
    check_members(type_, data, model)
    return model


def nested_resources(type_: str, model: "Model") -> Iterator[tuple[str, bytes]]:
    """Yield the place and the bytes of every resource directly inside another."""
    for index, raw in enumerate(getattr(model, "contained", None) or ()):
        yield f"contained[{index}]", bytes(raw)
    if type_ == "Bundle":
        for index, entry in enumerate(getattr(model, "entry", None) or ()):
            yield from _present(f"entry[{index}].resource", entry.resource)
            if entry.response is not None:
                yield from _present(f"entry[{index}].response.outcome", entry.response.outcome)
    elif type_ == "Parameters":
        yield from _parameters("parameter", getattr(model, "parameter", None))


def _parameters(place: str, parameters: object) -> Iterator[tuple[str, bytes]]:
    if not isinstance(parameters, list):
        return
    for index, parameter in enumerate(parameters):
        yield from _present(f"{place}[{index}].resource", parameter.resource)
        yield from _parameters(f"{place}[{index}].part", parameter.part)


def _present(place: str, raw: msgspec.Raw) -> Iterator[tuple[str, bytes]]:
    data = bytes(raw)
    if data:
        yield place, data
