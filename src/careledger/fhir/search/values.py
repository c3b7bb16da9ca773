"""What the search knows of a resource: the values behind each of its search parameters.

FHIR R4 3.1.1.4. Values are kept as written; folding of case and accents, and the meaning of a
number's precision, belong to whoever compares. They are clinical data, sealed like the resource.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from careledger.fhir.dates import Span


class TokenValue(NamedTuple):
    """A code, identifier, boolean, id or contact point; "" where a part is not given."""

    system: str
    code: str
    text: str = ""
    """What `:text` looks in: the display or text that stands beside the code."""


class ReferenceValue(NamedTuple):
    """A reference; `type` and `id` of a literal one, with `url` for one outside this server."""

    type: str = ""
    id: str = ""
    url: str = ""
    """As written, where it is absolute, a URN, a fragment or canonical; else ""."""
    version: str = ""
    identifier: TokenValue | None = None
    """For `:identifier`: what Reference.identifier says."""


class QuantityValue(NamedTuple):
    """An amount, with `value` as written: its digits say how precise it is."""

    value: str
    system: str = ""
    code: str = ""
    unit: str = ""
    comparator: str = ""


class Values(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The values of one resource, by the code of the parameter; a parameter without any is absent.

    A composite has, for each element it is anchored at, the values of its components there, each
    under the component's place (`"0"`, `"1"`).
    """

    strings: dict[str, tuple[str, ...]] = {}
    tokens: dict[str, tuple[TokenValue, ...]] = {}
    """Of identifiers also, under `of_type(code)`, those with a type: its coding, and the value as
    text.
    """
    references: dict[str, tuple[ReferenceValue, ...]] = {}
    dates: dict[str, tuple[Span, ...]] = {}
    """First and last UTC second of each, both inside; see `fhir.dates`."""
    numbers: dict[str, tuple[str, ...]] = {}
    """As written."""
    quantities: dict[str, tuple[QuantityValue, ...]] = {}
    uris: dict[str, tuple[str, ...]] = {}
    composites: "dict[str, tuple[Values, ...]]" = {}


NOTHING: Final = Values()


def of_type(code: str) -> str:
    """Under which name the typed identifiers of a parameter are."""
    return f"{code}:of-type"


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Values)


def encode_values(values: Values) -> bytes:
    """Values as they stand in the facts of a resource (MessagePack); `NOTHING` is empty."""
    return b"" if values == NOTHING else _ENCODER.encode(values)


@lru_cache(maxsize=65_536)
def decode_values(data: bytes) -> Values:
    """Inverse of `encode_values`.

    Raises:
        msgspec.MsgspecError: it would not have produced these bytes.
    """
    return _DECODER.decode(data) if data else NOTHING


def forget_values() -> None:
    """Keep no decoded values in memory: those of somebody who was erased may be among them."""
    decode_values.cache_clear()
