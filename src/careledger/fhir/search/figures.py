"""The amounts of a resource with their digits as written, read from its bytes.

Decimals in the models are floats, and `1.00` says more than `1.0` (FHIR R4 3.1.1.4.6). So for each
type a second, small struct is built that holds nothing but the paths to amounts; the decoder skips
all else. It is read only where the model shows that there is an amount.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from threading import Lock
from typing import Any, Final  # Any: each function takes the datatype it is listed under

import msgspec
from msgspec import Raw, Struct

from careledger.fhir.search.values import QuantityValue, Values

CURRENCIES: Final = "urn:iso:std:iso:4217"
"""The system of Money.currency (ISO 4217)."""

_NONE: Final = Raw()
_BUILDING: Final = Lock()


class _Quantity(Struct, frozen=True, gc=False):
    value: Raw = _NONE
    comparator: str = ""
    unit: str = ""
    system: str = ""
    code: str = ""


class _Money(Struct, frozen=True, gc=False):
    value: Raw = _NONE
    currency: str = ""


class _Range(Struct, frozen=True, gc=False):
    low: _Quantity = _Quantity()
    high: _Quantity = _Quantity()


class _SampledData(Struct, frozen=True, gc=False):
    origin: _Quantity = _Quantity()
    factor: Raw = _NONE
    lowerLimit: Raw = _NONE  # noqa: N815  the names FHIR gives them
    upperLimit: Raw = _NONE  # noqa: N815
    data: str = ""


class _Position(Struct, frozen=True, gc=False):
    latitude: Raw = _NONE
    longitude: Raw = _NONE


def _written(raw: Raw) -> str:
    return bytes(raw).decode()


def _quantity(quantity: Any) -> tuple[QuantityValue, ...]:
    value = _written(quantity.value)
    if not value:
        return ()
    rest = quantity.system, quantity.code, quantity.unit, quantity.comparator
    return (QuantityValue(value, *rest),)


def _money(money: Any) -> tuple[QuantityValue, ...]:
    value, currency = _written(money.value), money.currency
    system = CURRENCIES if currency else ""
    return (QuantityValue(value, system, currency, currency),) if value else ()


def _range(both: Any) -> tuple[QuantityValue, ...]:
    """Return its bounds."""
    return _quantity(both.low) + _quantity(both.high)


def _sampled_data(sampled: Any) -> tuple[QuantityValue, ...]:
    """Return the lowest and the highest of the values, as the parameter's definition says.

    `L` and `U` are the limits of the device, `E` is an error (FHIR R4 2.24.0.8).
    """
    try:
        origin, factor = Decimal(_written(sampled.origin.value)), _factor(sampled.factor)
        limits = {"L": _written(sampled.lowerLimit), "U": _written(sampled.upperLimit)}
        points = [
            Decimal(limits[word]) if word in limits else Decimal(word)
            for word in sampled.data.split()
            if limits.get(word, word) not in {"", "E"}
        ]
    except InvalidOperation:
        return ()
    unit = sampled.origin.system, sampled.origin.code, sampled.origin.unit
    bounds = sorted({min(points), max(points)}) if points else ()
    return tuple(QuantityValue(f"{origin + factor * point:f}", *unit) for point in bounds)


def _factor(raw: Raw) -> Decimal:
    return Decimal(_written(raw) or "1")


def _decimal(raw: Any) -> tuple[str, ...]:
    written = _written(raw)
    return (written,) if written else ()


def _bounds(both: Any) -> tuple[str, ...]:
    return _decimal(both.low.value) + _decimal(both.high.value)


def _position(position: Any) -> tuple[Values, ...]:
    """Return latitude and longitude as numbers `"0"` and `"1"`."""
    both = _decimal(position.latitude), _decimal(position.longitude)
    return (Values(numbers={"0": both[0], "1": both[1]}),) if all(both) else ()


AMOUNTS: Final[Mapping[tuple[str, str], tuple[Any, Callable[[Any], tuple[Any, ...]]]]] = {
    ("quantity", "Quantity"): (_Quantity, _quantity),
    ("quantity", "Age"): (_Quantity, _quantity),
    ("quantity", "Duration"): (_Quantity, _quantity),
    ("quantity", "Money"): (_Money, _money),
    ("quantity", "Range"): (_Range, _range),
    ("quantity", "SampledData"): (_SampledData, _sampled_data),
    ("number", "decimal"): (Raw, _decimal),
    ("number", "Range"): (_Range, _bounds),
    ("special", "BackboneElement"): (_Position, _position),
}
"""By kind of parameter and R4 datatype: what to decode, and the values there."""

Shape = dict[str, Any]  # names to (whether an array, Shape or the struct of an amount)


def figures(type_: str, shape: Shape) -> "msgspec.json.Decoder[Struct]":
    """Build the decoder of the amounts at the places that `shape` names.

    One thread at a time: see `fhir.resource.decoder`; the structs above are in all of them.
    """
    with _BUILDING:
        return msgspec.json.Decoder(_struct(type_, shape))


def _struct(name: str, shape: Shape) -> type[Struct]:
    fields: list[tuple[str, Any, Any]] = []
    for member, (many, below) in shape.items():
        inner: Any = _struct(f"{name}_{member}", below) if isinstance(below, dict) else below
        kind = list[inner] if many else inner
        fields.append((member, kind, _NONE) if kind is Raw else (member, kind | None, None))
    return msgspec.defstruct(name, fields, frozen=True, gc=False)
