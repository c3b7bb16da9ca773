"""The protobuf wire format, as far as ABCI uses it, over structs that name their field numbers.

A message is a `Message`; `Annotated[bytes, 3]` is field 3. Numbers are varints (int64, uint32, bool
and enums are the same on the wire), text and bytes have a length, a message within one is optional,
a tuple is repeated. That is all that ABCI 2.0 has; https://protobuf.dev/programming-guides/encoding
has the rest. Fields at their default are left out, unknown ones skipped, as proto3 wants it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import Record

MAX_VARINT_BYTES = 10
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SIGN = 1 << 63


class BadMessage(LedgerError):
    """Not a message of that type."""


class Message(Record):
    """A protobuf message: each field is `Annotated` with its number, and has its default."""


M = TypeVar("M", bound=Message)

Kind = Literal["number", "flag", "text", "bytes", "message"]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    number: int
    kind: Kind
    message: type[Message] | None
    repeated: bool


@cache
def _fields(type_: type[Message]) -> tuple[_Field, ...]:
    hints = get_type_hints(type_, include_extras=True)
    return tuple(_field(name, *get_args(hints[name])) for name in type_.__struct_fields__)


def _field(name: str, type_: Any, number: int) -> _Field:  # Any: an annotation
    repeated = get_origin(type_) is tuple
    if repeated:
        type_ = get_args(type_)[0]
    elif isinstance(type_, UnionType):
        type_ = next(one for one in get_args(type_) if one is not NoneType)
    if issubclass(type_, Message):
        return _Field(name, number, "message", type_, repeated)
    kinds: dict[type, Kind] = {bool: "flag", str: "text", bytes: "bytes"}
    return _Field(name, number, kinds.get(type_, "number"), None, repeated)


# --- encode ------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """A number in base 128, least significant first; negative ones as 64 bits."""
    value &= (1 << 64) - 1
    if value < 0x80:  # noqa: PLR2004 - seven bits a byte
        return _ONE_BYTE[value]
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - likewise
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_ONE_BYTE = [bytes([value]) for value in range(128)]


def encode(message: Message) -> bytes:
    """The bytes of `message`, fields in the order of the class."""
    parts: list[bytes] = []
    for field in _fields(type(message)):
        value = getattr(message, field.name)
        if not field.repeated:
            if value or (field.kind == "message" and value is not None):
                parts += _encode_field(field, value)
        elif field.kind == "number" and value:  # packed
            packed = b"".join(map(varint, value))
            parts += [varint(field.number << 3 | _LENGTH), varint(len(packed)), packed]
        else:
            before: object = None
            encoded: tuple[bytes, ...] = ()
            for one in value:
                if one is not before:  # a block's results are the same one over and over
                    before, encoded = one, _encode_field(field, one)
                parts += encoded
    return b"".join(parts)


def _encode_field(field: _Field, value: Any) -> tuple[bytes, ...]:  # Any: what the field holds
    if field.kind in {"number", "flag"}:
        return varint(field.number << 3 | _VARINT), varint(value)
    if field.kind == "message":
        value = encode(value)
    elif field.kind == "text":
        value = value.encode()
    return varint(field.number << 3 | _LENGTH), varint(len(value)), value


# --- decode ------------------------------------------------------------------------------------


def decode(data: bytes, type_: type[M]) -> M:
    """Inverse of `encode`. Of a field that comes twice and is not repeated, the last counts.

    Raises:
        BadMessage: not such a message.
    """
    by_number = _by_number(type_)
    found: dict[str, Any] = {}  # Any: what the fields hold
    lists: dict[str, list[Any]] = {}
    try:
        for number, wire, value in parts(data):
            field = by_number.get(number)
            if field is None:
                continue
            if not field.repeated:
                found[field.name] = _decode_field(field, wire, value)
            elif field.kind == "number" and wire == _LENGTH:
                lists.setdefault(field.name, []).extend(_packed(value))
            else:
                lists.setdefault(field.name, []).append(_decode_field(field, wire, value))
    except (IndexError, UnicodeDecodeError) as error:
        raise BadMessage(type_.__name__) from error
    found |= {name: tuple(values) for name, values in lists.items()}
    return type_(**found)


@cache
def _by_number(type_: type[Message]) -> dict[int, _Field]:
    return {field.number: field for field in _fields(type_)}


def parts(data: bytes) -> Iterator[tuple[int, int, Any]]:  # Any: a number or bytes, by wire type
    """Field number, wire type and value of each field in `data`.

    Raises:
        BadMessage: not a protobuf message.
        IndexError: it ends too soon.
    """
    at, end = 0, len(data)
    while at < end:
        tag = data[at]
        if tag < 0x80:  # noqa: PLR2004 - one byte, which nearly every tag has
            at += 1
        else:
            tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _LENGTH:
            size, at = read_varint(data, at)
        elif wire == _VARINT:
            value, at = read_varint(data, at)
            yield number, wire, value - (1 << 64) if value >= _SIGN else value
            continue
        elif wire in {_FIXED64, _FIXED32}:
            size = 8 if wire == _FIXED64 else 4
        else:
            raise BadMessage("wire type", wire)
        if size > end - at:
            raise BadMessage("ends too soon", size, end - at)
        yield number, wire, data[at : at + size]
        at += size


def read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends.

    Raises:
        BadMessage: longer than a number can be.
        IndexError: it ends too soon.
    """
    byte = data[at]
    if byte < 0x80:  # noqa: PLR2004 - seven bits a byte
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    byte = data[at + 1]
    if byte < 0x80:  # noqa: PLR2004 - two bytes, as of most lengths
        return value | byte << 7, at + 2
    for place in range(at + 1, at + MAX_VARINT_BYTES):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - likewise
            return value & ((1 << 64) - 1), place + 1
        shift += 7
    raise BadMessage("a number of more than 64 bits")


def _packed(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = read_varint(data, at)
        yield value - (1 << 64) if value >= _SIGN else value


def _decode_field(field: _Field, wire: int, value: Any) -> Any:  # Any: what the field holds
    kind = field.kind
    if wire == _LENGTH:
        if kind == "bytes":
            return value
        if field.message is not None:
            return decode(value, field.message)
        if kind == "text":
            return value.decode()
    elif wire == _VARINT and kind == "number":
        return value
    elif wire == _VARINT and kind == "flag":
        return bool(value)
    raise BadMessage(field.name, wire)
