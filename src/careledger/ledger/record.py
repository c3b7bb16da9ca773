"""Records: everything the ledger signs or hashes, and its one encoding."""

import contextlib
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, NewType, NoReturn, TypeVar, dataclass_transform, get_args

import cbor2
import msgspec

from careledger.ledger.errors import Malformed

Digest = NewType("Digest", bytes)
"""SHA-256 digest; 32 bytes."""

TransactionId = NewType("TransactionId", bytes)
"""SHA-256 of the COSE Sig_structure; 32 bytes."""

MemberId = NewType("MemberId", str)
"""A participating organisation: `[a-z][a-z0-9-]{1,39}`, as admitted."""

AccountId = NewType("AccountId", str)
"""A natural person or device: "@" and 26 lowercase base32 characters (16 random bytes)."""

SignerId = MemberId | AccountId
"""Whoever signs: a member or an account; the leading "@" tells them apart."""

MEMBER_ID = re.compile(r"[a-z][a-z0-9-]{1,39}")
ACCOUNT_ID = re.compile(r"@[a-z2-7]{26}")

Instant = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
"""Whole UTC seconds since 1970-01-01, as ordered in a block; below 2**53 so JSON keeps it exact."""

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
"""A number of things."""

Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""A field of exactly 32 bytes."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""A short public text."""

PublicName = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=64,
        pattern="^[^\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]{1,64}\\Z",
    ),
]
"""What people read as somebody's name: no line break, escape or turned direction in it, with which
it could write a line of a log by itself."""

MemberName = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{1,39}\\Z")]
"""A field that holds a `MemberId`."""

AccountName = Annotated[str, msgspec.Meta(pattern="^@[a-z2-7]{26}\\Z")]
"""A field that holds an `AccountId`."""

MAX_DEPTH = 16
"""Deepest nesting of a record, so that no node runs out of stack before another."""

MAX_BYTES = 1 << 20
"""Largest encoded record, in bytes."""

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class _RecordMeta(msgspec.StructMeta):
    """Makes every record frozen, keyword-only and closed, without each class saying so."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],  # Any: what a class body may hold
        **options: Any,  # Any: msgspec's own options
    ) -> "_RecordMeta":
        defaults: dict[str, Any] = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True}
        made = super().__new__(mcls, name, bases, namespace, **(defaults | options))
        # Now, while modules load, and not in two threads at once: msgspec builds what it needs of
        # a type at first use, and hands a second thread the half of it.
        with contextlib.suppress(NameError):  # of a field's type that is only defined later
            msgspec.msgpack.Decoder(made)
        return made


# Said again for type checkers, which read msgspec.Struct's own before a metaclass's.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, metaclass=_RecordMeta):
    """An immutable value with exactly one encoding. No floats, no local time, no unbounded ints."""


def digest(data: bytes) -> Digest:
    """SHA-256 of `data`."""
    return Digest(hashlib.sha256(data).digest())


def encode(value: object) -> bytes:
    """The deterministic CBOR of `value` (RFC 8949 4.2.1; map keys are text).

    Maps are put in order here, because cbor2's canonical form does it at four times the cost; the
    two are the same for records. COSE header maps, which mix integers and text: `cose`.
    """
    if type(value) is tuple and _PLAIN.issuperset(map(type, value)):
        return cbor2.dumps(value)  # the bindings of sealed things, which are many: half the cost
    return cbor2.dumps(_in_order(msgspec.to_builtins(value, builtin_types=(bytes,))))


def _in_order(value: object) -> object:
    """`value` with every map's keys in the order of their encodings; the encoder keeps it."""
    if type(value) is dict:
        return {
            key: _in_order(value[key]) if type(value[key]) in _CONTAINERS else value[key]
            for key in _order(tuple(value))
        }
    if isinstance(value, list | tuple):
        return [_in_order(one) if type(one) in _CONTAINERS else one for one in value]
    return value


_CONTAINERS = (dict, list, tuple)
_PLAIN = frozenset((str, bytes, int))
"""Types that are encoded as they are; what derives from them is not among them."""


@lru_cache(maxsize=1 << 12)  # a record type has few sets of keys
def _order(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(keys, key=cbor2.dumps))


def _no_tag(*_: object) -> NoReturn:
    raise Malformed


_BUILT_IN_TAGS = dict.fromkeys(
    (*range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799),
    _no_tag,
)
"""Tags that the decoder would otherwise turn into values: big integers, dates, expressions, and
references (28, 29), with which 200 bytes unfold into a value without end."""


def load_cbor(data: bytes, *, most: int = MAX_BYTES) -> object:
    """Plain values from definite-length, duplicate-free CBOR without tags, at most `most` bytes.

    Trailing bytes are unchecked.

    Raises:
        Malformed: not such CBOR.
    """
    if len(data) > most:
        raise Malformed
    try:
        return cbor2.loads(
            data,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_BUILT_IN_TAGS,
            tag_hook=_no_tag,
        )
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Malformed from error


def decode(data: bytes, type_: type[T]) -> T:
    """Inverse of `encode`.

    Raises:
        Malformed: `encode` would not have produced these bytes.
    """
    try:
        value = _convert(load_cbor(data), type_)
    except (msgspec.ValidationError, TypeError) as error:
        raise Malformed from error
    if encode(value) != data:
        raise Malformed
    return value


def decode_trusted(data: bytes, type_: type[T]) -> T:
    """Like `decode`, for rows this node wrote itself: without the re-encoding."""
    return _convert(cbor2.loads(data), type_)


def _convert(plain: object, type_: type[T]) -> T:
    """`plain` as a `type_`; of a union, as the record that it names.

    msgspec works a union out anew at each call, at fifteen times the cost of the one record.
    """
    one: Any = type_  # Any: whichever record of the union it is
    records = _records_of(one)
    if records is not None and type(plain) is dict:
        name = plain.get("type")
        if type(name) is str:
            one = records.get(name, type_)
    value: T = msgspec.convert(plain, one, builtin_types=(bytes,))
    return value


@lru_cache(maxsize=1 << 10)  # there are as many as there are types of rows and messages
def _records_of(type_: Any) -> Mapping[str, Any] | None:  # Any: a type, or a union of them
    """The records of a union by the name that each has in `type`; None of any other type."""
    if not isinstance(type_, UnionType):
        return None
    found: dict[str, Any] = {}
    for one in get_args(type_):
        if not (isinstance(one, type) and issubclass(one, Record)):
            return None
        config = one.__struct_config__
        if config.tag_field != "type" or not isinstance(config.tag, str) or config.array_like:
            return None
        if config.tag in found:
            return None
        found[config.tag] = one
    return found
