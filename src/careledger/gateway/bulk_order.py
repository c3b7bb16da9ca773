"""The parameters of a bulk export, in a URL or in Parameters (Bulk Data Access 2.0)."""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from careledger.exchange.bulk.order import Asked, Level, Order
from careledger.fhir.dates import search_span
from careledger.fhir.errors import BadParameterValue, FhirError, UnknownParameter
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.search.parse import parse
from careledger.fhir.search.query import Search
from careledger.fhir.search.table import IndexSet
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_http import is_strict
from careledger.gateway.outcome import Refused

FORMATS: Final = frozenset(("application/fhir+ndjson", "application/ndjson", "ndjson"))

_KNOWN: Final = frozenset(
    ("_outputFormat", "_since", "_type", "_typeFilter", "_elements", "patient")
)
_MOST: Final = 200
_PATIENT: Final = "Patient/"

Pairs = list[tuple[str, str]]


class _Reference(msgspec.Struct):
    reference: str = ""


class _Parameter(msgspec.Struct):
    name: str
    valueString: str | None = None  # noqa: N815 - the names FHIR gives them
    valueInstant: str | None = None  # noqa: N815
    valueReference: _Reference | None = None  # noqa: N815


class _Parameters(msgspec.Struct, tag="Parameters", tag_field="resourceType"):
    parameter: list[_Parameter] = []


def pairs_in(request: Request, body: bytes) -> Pairs:
    """Every parameter, from the URL and from Parameters in the body.

    Raises:
        Refused: 400, not Parameters.
    """
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "_format"]
    if body:
        try:
            given = msgspec.json.decode(body, type=_Parameters)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Refused(400, "structure", "send Parameters, or nothing") from error
        pairs += [(one.name, _text(one)) for one in given.parameter]
    if len(pairs) > _MOST:
        raise Refused(400, "too-costly", f"at most {_MOST} parameters")
    return pairs


def _text(one: _Parameter) -> str:
    if one.valueReference is not None:
        return one.valueReference.reference
    return one.valueInstant or one.valueString or ""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """All that an order is made from; kept with the export, so that it can be made again."""

    level: Level
    caller: Caller
    pairs: Pairs
    members: tuple[str, ...] | None
    """The patients of the group, for that level."""


def asked_in(request: Request, owner: str, recipe: Recipe) -> Asked:
    """What of the request is kept."""
    return Asked(
        owner=owner,
        bound=bound_to(recipe.caller),
        url=_path(request),
        recipe=msgspec.msgpack.encode(recipe),
    )


def order_again(asked: Asked, indexed: IndexSet) -> Order:
    """The order of an export that an earlier run left.

    Raises:
        DecodeError: another release kept it.
        FhirError: a search parameter that is not indexed any more.
    """
    return order_of(msgspec.msgpack.decode(asked.recipe, type=Recipe), indexed)


def bound_to(caller: Caller) -> str:
    """Under what an export is ordered: whoever reaches less must not fetch what it wrote."""
    who, scopes = caller.identity, sorted(map(str, caller.scopes.granted))
    return "|".join((who.practitioner or "", who.role or "", *scopes))


def _path(request: Request) -> str:
    """The request without the host, which is whatever the client says that it is."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def order_of(recipe: Recipe, indexed: IndexSet) -> Order:
    """The export asked for.

    Raises:
        FhirError: a parameter, or its value, that is not answered.
    """
    caller, members, pairs = recipe.caller, recipe.members, recipe.pairs
    types = _types(value for name, value in pairs if name == "_type")
    patients = tuple(value.removeprefix(_PATIENT) for name, value in pairs if name == "patient")
    if patients and recipe.level == "system":
        raise BadParameterValue("patients at the patient or group level only", "patient")
    if members is not None and patients:
        members = tuple(one for one in members if one in patients)
    return Order(
        level=recipe.level,
        asker=caller.asker,
        limits=caller.limits,
        patients=members if members is not None else (patients or None),
        types=types,
        since=_since([value for name, value in pairs if name == "_since"]),
        filters=_filters((value for name, value in pairs if name == "_typeFilter"), types, indexed),
        elements=_elements(value for name, value in pairs if name == "_elements"),
    )


def check(request: Request, pairs: Pairs) -> None:
    """Refuse what is unknown, and formats that there are none of.

    Raises:
        FhirError: 400.
    """
    if is_strict(request):
        unknown = next((name for name, _ in pairs if name not in _KNOWN), None)
        if unknown is not None:
            raise UnknownParameter(f"one of {', '.join(sorted(_KNOWN))}", "parameter")
    formats = [value.replace(" ", "+") for name, value in pairs if name == "_outputFormat"]
    if any(one not in FORMATS for one in formats):
        raise BadParameterValue("application/fhir+ndjson", "_outputFormat")


def _types(values: Iterable[str]) -> frozenset[str] | None:
    named = [one.strip() for value in values for one in value.split(",") if one.strip()]
    if any(one not in MODULES for one in named):
        raise BadParameterValue("names of R4 resource types", "_type")
    return frozenset(named) or None


def _since(values: list[str]) -> int | None:
    if not values:
        return None
    found = search_span(values[0].replace(" ", "+")) if len(values) == 1 else None
    if found is None:
        raise BadParameterValue("one instant", "_since")
    return found[0]


def _filters(
    values: Iterable[str], types: frozenset[str] | None, indexed: IndexSet
) -> Mapping[str, list[Search]]:
    """`Type?search`, several of them separated by commas that stand before a type."""
    found: dict[str, list[Search]] = {}
    for value in values:
        for one in _apart(value):
            type_, mark, query = one.partition("?")
            if not mark or type_ not in MODULES or (types is not None and type_ not in types):
                raise BadParameterValue("Type?search, of a type that is exported", "_typeFilter")
            try:
                search = parse(type_, parse_qsl(query, keep_blank_values=True), indexed=indexed)
            except FhirError as error:
                raise error.under("_typeFilter") from None
            found.setdefault(type_, []).append(search)
    return found


def _apart(value: str) -> list[str]:
    parts: list[str] = []
    for part in value.split(","):
        if parts and part.partition("?")[0] not in MODULES:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts


def _elements(values: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """`element` for every type, `Type.element` for one."""
    found: dict[str, list[str]] = {}
    for one in (part.strip() for value in values for part in value.split(",")):
        head, dot, rest = one.partition(".")
        type_, element = (head, rest) if dot and head in MODULES else ("*", one)
        if not element.isascii() or not element.isalpha():
            raise BadParameterValue("names of elements, or Type.element", "_elements")
        found.setdefault(type_, []).append(element)
    general = found.get("*", [])
    return {type_: tuple(dict.fromkeys([*general, *some])) for type_, some in found.items()}
