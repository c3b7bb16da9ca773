"""What stands behind the `=` of a search parameter, read according to the parameter's kind.

FHIR R4 3.1.1.4. Errors name the parameter and what was expected, never what was received.
"""

from dataclasses import dataclass, replace
from re import compile as regex
from typing import Final, cast, get_args

from careledger.fhir.dates import EARLIEST, LATEST, search_span
from careledger.fhir.errors import BadParameterValue, TooCostly
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.search.escapes import split, unescape
from careledger.fhir.search.folding import fold
from careledger.fhir.search.near import near_operand
from careledger.fhir.search.numbers import number_operand
from careledger.fhir.search.query import (
    CompositeOperand,
    DateOperand,
    Modifier,
    NumberOperand,
    Operand,
    Prefix,
    QuantityOperand,
    ReferenceOperand,
    Simple,
    StringOperand,
    TokenOperand,
    UriOperand,
)
from careledger.fhir.search.table import ANY, Kind, Parameter

MAXIMUM_VALUES: Final = 1_000
"""Alternatives of one parameter."""

_ID: Final = regex(r"[A-Za-z0-9\-.]{1,64}")
_ABSOLUTE: Final = regex(r"[A-Za-z][A-Za-z0-9+.\-]{0,15}:")
_PREFIXES: Final = get_args(Prefix)


@dataclass(frozen=True, slots=True)
class Setting:
    """What the meaning of a value depends on besides the parameter.

    base: the URL below which this server's resources are, without a slash at the end; "" for none.
    now: UTC second, for `ap` of dates; None where nobody asks by that.
    """

    base: str = ""
    now: int | None = None


def alternatives(name: str, value: str) -> list[str]:
    """Split a value at its commas.

    Raises:
        TooCostly: more than `MAXIMUM_VALUES`.
        BadParameterValue: nothing between two commas, or nothing at all.
    """
    parts = split(value, ",", MAXIMUM_VALUES)
    if parts is None:
        raise TooCostly(f"at most {MAXIMUM_VALUES} values with commas between them", name)
    if not all(parts):
        raise BadParameterValue("values, with commas only between them", name)
    return parts


def operand(  # noqa: PLR0911  one for each form
    name: str, parameter: Parameter, modifier: Modifier, type_: str, text: str, setting: Setting
) -> Operand:
    """Read one alternative; `type_` is that of a modifier such as `subject:Patient`, or "".

    Raises:
        BadParameterValue.
    """
    if parameter.kind == "composite":
        return _composite(name, parameter, text, setting)
    if parameter.kind == "reference" and modifier == "identifier":
        return _token(name, text)
    if parameter.kind == "reference":
        return _reference(name, parameter, type_, text, setting)
    if parameter.kind == "special":
        return near_operand(name, text)
    if modifier == "of-type":
        return _typed(name, text)
    if modifier == "text":
        return TokenOperand(None, unescape(text))
    if modifier in ("in", "not-in"):
        return TokenOperand(None, _uri(name, text).uri)
    if parameter.code == "_id" and not _ID.fullmatch(text):
        raise BadParameterValue("ids", name)
    return _simple(name, parameter.kind, text, setting)


def _simple(  # noqa: PLR0911  one for each kind
    name: str, kind: Kind, text: str, setting: Setting
) -> Simple:
    match kind:
        case "string":
            return _string(name, text)
        case "token":
            return _token(name, text)
        case "reference":
            return _reference(name, None, "", text, setting)
        case "date":
            return _date(name, text, setting)
        case "number":
            return _number(name, text)
        case "quantity":
            return _quantity(name, text)
        case "uri":
            return _uri(name, text)
        case "composite" | "special":
            raise BadParameterValue("a parameter of another kind", name)


def _composite(name: str, parameter: Parameter, text: str, setting: Setting) -> CompositeOperand:
    wanted = len(parameter.components)
    parts = split(text, "$", wanted)
    if parts is None or len(parts) != wanted or not all(parts):
        raise BadParameterValue(f"{wanted} values with $ between them", name)
    return CompositeOperand(
        tuple(
            (one.kind, _simple(name, one.kind, part, setting))
            for one, part in zip(parameter.components, parts, strict=True)
        )
    )


def _string(name: str, text: str) -> StringOperand:
    plain = unescape(text)
    folded = fold(plain)
    if not folded:
        raise BadParameterValue("text", name)
    return StringOperand(plain, folded)


def _token(name: str, text: str) -> TokenOperand:
    parts = split(text, "|", 2)
    if parts is None or not any(parts):
        raise BadParameterValue("code, system|code, |code or system|", name)
    if len(parts) == 1:
        return TokenOperand(None, unescape(parts[0]))
    system, code = map(unescape, parts)
    return TokenOperand(system, code or None)


def _typed(name: str, text: str) -> TokenOperand:
    """An identifier by the coding of its type and its value (FHIR R4 3.1.1.5.2)."""
    parts = split(text, "|", 3)
    if parts is None or len(parts) != 3 or not all(parts):  # noqa: PLR2004  all three
        raise BadParameterValue("system|code|value, of the identifier's type and itself", name)
    system, code, value = map(unescape, parts)
    return TokenOperand(system, code, value)


def _uri(name: str, text: str) -> UriOperand:
    uri = unescape(text)
    if not uri or any(one.isspace() for one in uri):
        raise BadParameterValue("a URI", name)
    return UriOperand(uri)


def _reference(
    name: str, parameter: Parameter | None, type_: str, text: str, setting: Setting
) -> ReferenceOperand:
    plain = unescape(text)
    local = plain.removeprefix(f"{setting.base}/") if setting.base else plain
    if plain.startswith("#") or (local == plain and _ABSOLUTE.match(plain)):
        url, _, version = plain.partition("|")
        if not url or any(one.isspace() for one in plain):
            raise BadParameterValue("a reference", name)
        return ReferenceOperand(version=version, url=url)
    here = _local(name, parameter, type_, local)
    return here if local == plain else replace(here, url=plain)


def _local(name: str, parameter: Parameter | None, type_: str, text: str) -> ReferenceOperand:
    """`id`, `Type/id` or `Type/id/_history/version`."""
    parts = text.split("/", 4)
    kind, id_, version = type_, parts[0], ""
    if len(parts) >= 2:  # noqa: PLR2004  a type and an id
        kind, id_ = parts[0], parts[1]
    if len(parts) == 4 and parts[2] == "_history":  # noqa: PLR2004  and a version
        version = parts[3]
    elif len(parts) > 2:  # noqa: PLR2004
        id_ = ""
    if not _ID.fullmatch(id_) or (version and not _ID.fullmatch(version)):
        raise BadParameterValue("id, Type/id or an absolute URL", name)
    if (kind and kind not in MODULES) or (type_ and kind != type_):
        raise BadParameterValue("a reference to the type that was named", name)
    if not kind and parameter is not None and len(parameter.targets) == 1:
        kind = "" if parameter.targets == (ANY,) else parameter.targets[0]
    return ReferenceOperand(kind, id_, version)


def _prefixed(text: str) -> tuple[Prefix, str]:
    """Take the prefix off; whatever is no prefix stays in front."""
    head = text[:2]
    if head in _PREFIXES:
        return cast("Prefix", head), text[2:]
    return "eq", text


def _date(name: str, text: str, setting: Setting) -> DateOperand:
    prefix, rest = _prefixed(text)
    span = search_span(rest)
    if span is None:
        raise BadParameterValue(f"a date, with one of {', '.join(_PREFIXES)} before it", name)
    if prefix == "ap":
        if setting.now is None:
            raise BadParameterValue("a date without ap", name)
        gap = abs(setting.now - span[0]) // 10
        span = max(span[0] - gap, EARLIEST), min(span[1] + gap, LATEST)
    return DateOperand(prefix, span)


def _number(name: str, text: str) -> NumberOperand:
    prefix, rest = _prefixed(text)
    found = number_operand(prefix, rest)
    if found is None:
        raise BadParameterValue(f"a number, with one of {', '.join(_PREFIXES)} before it", name)
    return found


def _quantity(name: str, text: str) -> QuantityOperand:
    parts = split(text, "|", 3)
    if parts is None or len(parts) == 2:  # noqa: PLR2004  neither a number alone nor all three
        raise BadParameterValue("number, number|system|code or number||code", name)
    number = _number(name, parts[0])
    system, code = (unescape(part) or None for part in (*parts[1:], "", "")[:2])
    return QuantityOperand(number, system, code)
