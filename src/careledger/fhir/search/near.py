"""Whether a place is within a distance of another: `near` of Location (FHIR R4 Location-near).

The Earth is taken for a sphere of its mean radius (IUGG, 6,371.0088 km), so a distance is right
within half a percent of that over WGS 84.
"""

from math import asin, cos, radians, sin, sqrt
from typing import Final

from careledger.fhir.errors import BadParameterValue
from careledger.fhir.search.escapes import split, unescape
from careledger.fhir.search.numbers import decimal
from careledger.fhir.search.query import NearOperand
from careledger.fhir.search.values import Values

DEFAULT_KM: Final = 50.0
"""Within which a place is near where no distance is said: R4 leaves that to the server."""

_RADIUS_KM: Final = 6371.0088
_KM: Final = {"km": 1.0, "m": 0.001, "[mi_i]": 1.609344, "[mi_us]": 1.609347219, "[nmi_i]": 1.852}
"""UCUM units of length, in kilometres; R4: without a unit, kilometres are meant."""
_POLE, _DATE_LINE = 90.0, 180.0


def near_operand(name: str, text: str) -> NearOperand:
    """Read `latitude|longitude`, `latitude|longitude|distance` or one with a unit behind that.

    Raises:
        BadParameterValue.
    """
    parts = [unescape(part) for part in split(text, "|", 4) or ()]
    latitude, longitude, distance, unit = [*parts, "", "", "", ""][:4]
    at = _degrees(latitude, _POLE), _degrees(longitude, _DATE_LINE)
    far = DEFAULT_KM if not distance else _amount(distance)
    factor = _KM.get(unit or "km")
    if at[0] is None or at[1] is None or far is None or far < 0 or factor is None:
        raise BadParameterValue(
            f"latitude|longitude|distance|unit, the unit one of {', '.join(_KM)}", name
        )
    return NearOperand(at[0], at[1], far * factor)


def is_near(operand: NearOperand, place: Values) -> bool:
    """Compare with a position as it is indexed: latitude and longitude as numbers 0 and 1."""
    (latitude,), (longitude,) = place.numbers["0"], place.numbers["1"]
    at = _degrees(latitude, _POLE), _degrees(longitude, _DATE_LINE)
    if at[0] is None or at[1] is None:
        return False
    return distance_km(operand.latitude, operand.longitude, at[0], at[1]) <= operand.within_km


def distance_km(latitude: float, longitude: float, other: float, further: float) -> float:
    """Return the way between two points along the surface (haversine)."""
    one, two = radians(latitude), radians(other)
    half_up, half_along = (two - one) / 2, radians(further - longitude) / 2
    chord = sin(half_up) ** 2 + cos(one) * cos(two) * sin(half_along) ** 2
    return 2 * _RADIUS_KM * asin(sqrt(min(1.0, chord)))


def _degrees(text: str, most: float) -> float | None:
    found = _amount(text)
    return found if found is not None and -most <= found <= most else None


def _amount(text: str) -> float | None:
    found = decimal(text)
    return None if found is None else float(found)
