"""COSE_Sign1 messages (RFC 9052 4.2) with one accepted encoding."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cbor2

from careledger.ledger.errors import Malformed
from careledger.ledger.record import load_cbor

Label = int | str
Headers = Mapping[Label, object]

ALGORITHM, CONTENT_TYPE, KEY_ID, CWT_CLAIMS = 1, 3, 4, 15
"""Header labels (RFC 9052 3.1, RFC 9597)."""

_TAG = b"\xd2"
"""Tag 18 (RFC 9052 4.2)."""

_SIGN1 = _TAG + b"\x84"
"""The tag, and an array of four."""

_EMPTY_MAP = b"\xa0"


@dataclass(frozen=True, kw_only=True)
class Sign1:
    """One signed message; `headers` is what `protected` decodes to."""

    protected: bytes
    headers: Headers
    unprotected: Headers
    payload: bytes | None
    signature: bytes


def encode_headers(headers: Headers) -> bytes:
    """Deterministic CBOR of a header map: keys by their encoded bytes (RFC 8949 4.2.1)."""
    if len(headers) > 23:  # noqa: PLR2004 - one-byte map head
        raise Malformed
    return cbor2.dumps(_in_order(headers))


def _in_order(value: object) -> object:
    """`value` with every map's keys in the order of their encodings; the encoder keeps it."""
    if isinstance(value, dict):
        return {
            label: _in_order(value[label]) if type(value[label]) in _CONTAINERS else value[label]
            for label in _order(tuple(value))
        }
    if isinstance(value, list):
        return [_in_order(one) for one in value]
    return value


_CONTAINERS = (dict, list)


@lru_cache(maxsize=256)  # the same few labels stand in every message
def _order(labels: tuple[Label, ...]) -> tuple[Label, ...]:
    return tuple(sorted(labels, key=cbor2.dumps))


def decode_headers(data: bytes) -> Headers:
    """Inverse of `encode_headers`.

    Raises:
        Malformed: not its output, or a label that is neither an integer nor text (`True` is not 1).
    """
    headers = load_cbor(data)
    if not isinstance(headers, dict):
        raise Malformed
    _check(headers)
    if encode_headers(headers) != data:
        raise Malformed
    return headers


_LABELS = frozenset({int, str})  # exact: bool is a kind of int
_PLAIN = frozenset({int, str, bytes, bool, type(None)})


def _check(value: object) -> None:
    """Refuse labels and values of any type but the few, at any depth.

    Raises:
        Malformed: there is another.
    """
    if isinstance(value, dict):
        if not _LABELS.issuperset(map(type, value)):
            raise Malformed
        value = value.values()
    elif not isinstance(value, list):
        raise Malformed
    for one in value:
        if type(one) not in _PLAIN:
            _check(one)


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """What is signed (RFC 9052 4.4): context, protected headers, no external data, payload."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def encode_sign1(
    protected: bytes, payload: bytes | None, signature: bytes, unprotected: Headers | None = None
) -> bytes:
    """The tagged message; `payload` None means detached (RFC 9052 2)."""
    parts = [protected, _in_order(unprotected or {}), payload, signature]
    return _TAG + cbor2.dumps(parts)


def decode_sign1(data: bytes, *, unprotected: bool = False) -> Sign1:
    """Inverse of `encode_sign1`; a filled unprotected header only where `unprotected` allows it.

    Raises:
        Malformed: `encode_sign1` would not have produced these bytes.
    """
    if data[:2] != _SIGN1:
        raise Malformed
    usual = _split(data)
    if usual is not None:
        protected, payload, signature = usual
        headers = decode_headers(protected)
        return Sign1(
            protected=protected,
            headers=headers,
            unprotected={},
            payload=payload,
            signature=signature,
        )
    parts = load_cbor(data[1:])
    if not isinstance(parts, list) or len(parts) != 4:  # noqa: PLR2004 - RFC 9052 4.2
        raise Malformed
    protected, outer, payload, signature = parts
    if not isinstance(protected, bytes) or not isinstance(outer, dict):
        raise Malformed
    if not isinstance(signature, bytes) or not isinstance(payload, bytes | None):
        raise Malformed
    if protected == _EMPTY_MAP:  # RFC 9052 3 would have it signed as an empty string
        raise Malformed
    _check(outer)
    if (outer and not unprotected) or encode_sign1(protected, payload, signature, outer) != data:
        raise Malformed
    return Sign1(
        protected=protected,
        headers=decode_headers(protected),
        unprotected=outer,
        payload=payload,
        signature=signature,
    )


def _split(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Protected headers, payload and signature, where nothing is unprotected; else None.

    Each is a byte string, which has one deterministic encoding: what is read by it here need not be
    written again to be compared.
    """
    try:
        protected, at = _bytes_at(data, len(_SIGN1))
        if data[at : at + 1] != _EMPTY_MAP or protected == _EMPTY_MAP:
            return None
        payload, at = _bytes_at(data, at + 1)
        signature, at = _bytes_at(data, at)
    except (IndexError, ValueError):
        return None
    return (protected, payload, signature) if at == len(data) else None


def _bytes_at(data: bytes, at: int) -> tuple[bytes, int]:
    """The byte string of less than 64 KiB that begins at `at`, and where it ends.

    Raises:
        IndexError: its head is cut off.
        ValueError: another value, or its length takes more bytes than it must (RFC 8949 4.2.1).
    """
    size = data[at] - _BYTE_STRING
    at += 1
    if size == _ONE_MORE and data[at] >= _ONE_MORE:
        size, at = data[at], at + 1
    elif size == _TWO_MORE and data[at]:
        size, at = data[at] << 8 | data[at + 1], at + 2
    elif not 0 <= size < _ONE_MORE:
        raise ValueError
    return data[at : at + size], at + size


_BYTE_STRING, _ONE_MORE, _TWO_MORE = 0x40, 24, 25
"""Major type 2, and the additional values for a length of one or two bytes (RFC 8949 3)."""
