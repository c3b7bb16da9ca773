"""The names of search parameters, read: modifiers, chains and `_has`, down to conditions.

FHIR R4 3.1.1.4.5, 3.1.1.5. A name is read from left to right, each part once, within bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from re import compile as regex
from typing import Final, cast, get_args

from careledger.fhir.errors import BadParameterValue, TooCostly, UnknownParameter
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.search.operands import Setting, alternatives, operand
from careledger.fhir.search.query import Chain, Condition, Criterion, Has, Modifier
from careledger.fhir.search.table import ANY, IndexSet, Kind, Parameter

MAXIMUM_DEPTH: Final = 3
"""References followed, forwards or backwards, one behind the other."""
MAXIMUM_CONDITIONS: Final = 300
"""Conditions of one search, each type that a chain may pass through counted."""
MAXIMUM_NAME: Final = 256

_SHOWN: Final = regex(r"[A-Za-z_][A-Za-z0-9_\-.:]{0,63}")
_HAS: Final = "_has:"
_LIST: Final = "_list"
_MODIFIERS: Final = frozenset(get_args(Modifier)) - {""}
_LEGAL: Final[Mapping[Kind, frozenset[str]]] = {
    "string": frozenset({"missing", "exact", "contains"}),
    "token": frozenset({"missing", "text", "not", "in", "not-in", "above", "below"}),
    "reference": frozenset({"missing", "identifier"}),
    "uri": frozenset({"missing", "above", "below"}),
    "date": frozenset({"missing"}),
    "number": frozenset({"missing"}),
    "quantity": frozenset({"missing"}),
    "composite": frozenset({"missing"}),
    "special": frozenset({"missing"}),
}
_OF_IDS: Final = frozenset({"missing", "not"})
_UNANSWERED: Final = {
    "_text": "a search without _text: the words of narratives are not indexed",
    "_content": "a search without _content: the words of resources are not indexed",
    "_filter": "parameters in place of _filter, which is not answered",
    "_query": "parameters in place of _query: no named queries are defined",
    "_contained": "_contained=false: contained resources are not found by themselves",
    "_containedType": "_contained=false: contained resources are not found by themselves",
}


def shown(name: str) -> str:
    """Return a name that may stand in an error: as received if it could be one, else nothing."""
    return name if _SHOWN.fullmatch(name) else ""


@cache
def known(types: tuple[str, ...], indexed: IndexSet) -> Mapping[str, Parameter]:
    """Return the parameters that can be asked of all these types at once; of none, of every."""
    first = indexed.parameters(types[0] if types else None)
    if len(types) <= 1:
        return first
    every = [indexed.parameters(one) for one in types[1:]]
    return {
        code: parameter
        for code, parameter in first.items()
        if all(code in other and _alike(parameter, other[code]) for other in every)
    }


def _legal(parameter: Parameter) -> frozenset[str]:
    if parameter.code == "_id":
        return _OF_IDS
    is_identifier = parameter.kind == "token" and parameter.of_identifiers
    return _LEGAL[parameter.kind] | ({"of-type"} if is_identifier else frozenset())


def _alike(one: Parameter, other: Parameter) -> bool:
    return one.kind == other.kind and [c.kind for c in one.components] == [
        c.kind for c in other.components
    ]


@dataclass(slots=True)
class Reader:
    """Reads the conditions of one search, and counts them."""

    indexed: IndexSet
    setting: Setting
    name: str = ""
    """Of the parameter that is being read, as it may be shown."""
    count: int = field(default=0)

    def condition(self, types: tuple[str, ...], name: str, value: str) -> Condition:
        """Read one parameter of a search on these types.

        Raises:
            UnknownParameter: no such parameter or modifier.
            BadParameterValue, TooCostly.
        """
        self.name = shown(name)
        if len(name) > MAXIMUM_NAME:
            raise TooCostly(f"names of parameters of at most {MAXIMUM_NAME} characters")
        return self._condition(types, name, value, MAXIMUM_DEPTH)

    def _condition(self, types: tuple[str, ...], name: str, value: str, depth: int) -> Condition:
        self.count += 1
        if self.count > MAXIMUM_CONDITIONS:
            raise TooCostly(
                f"at most {MAXIMUM_CONDITIONS} conditions: name the type, as in subject:Patient",
                self.name,
            )
        if name == _LIST:
            return self._list(value)
        if name.startswith(_HAS):
            return self._has(types, name.removeprefix(_HAS), value, depth)
        head, dot, rest = name.partition(".")
        if dot:
            return self._chain(types, head, rest, value, depth)
        return self._criterion(types, name, value)

    def _criterion(self, types: tuple[str, ...], name: str, value: str) -> Criterion:
        code, colon, modifier = name.partition(":")
        parameter = self._parameter(types, code)
        type_ = ""
        if colon and parameter.kind == "reference" and modifier in MODULES:
            type_ = self._target(parameter, modifier)
        elif colon and modifier not in (legal := _legal(parameter)):
            raise UnknownParameter(f"no modifier but {', '.join(sorted(legal))} here", self.name)
        if modifier == "missing":
            return Criterion(code, parameter.kind, "missing", (), self._boolean(value))
        asked = cast("Modifier", modifier if modifier in _MODIFIERS else "")
        operands = tuple(
            operand(self.name, parameter, asked, type_, one, self.setting)
            for one in alternatives(self.name, value)
        )
        return Criterion(code, parameter.kind, asked, operands)

    def _boolean(self, value: str) -> bool:
        if value not in ("true", "false"):
            raise BadParameterValue("true or false", self.name)
        return value == "true"

    def _parameter(self, types: tuple[str, ...], code: str) -> Parameter:
        if code in _UNANSWERED:
            raise UnknownParameter(_UNANSWERED[code], self.name)
        found = known(types, self.indexed).get(code)
        if found is None:
            raise UnknownParameter(
                "a search parameter that is indexed here, as the CapabilityStatement lists them",
                self.name,
            )
        return found

    def _target(self, parameter: Parameter, type_: str) -> str:
        if not parameter.may_lead_to(type_):
            raise UnknownParameter("a type that this parameter may lead to", self.name)
        return type_

    def _chain(self, types: tuple[str, ...], head: str, rest: str, value: str, depth: int) -> Chain:
        self._check_depth(depth)
        code, colon, type_ = head.partition(":")
        parameter = self._parameter(types, code)
        if parameter.kind != "reference":
            raise UnknownParameter("a reference in front of the dot", self.name)
        if colon:
            if type_ not in MODULES:
                raise UnknownParameter("a resource type between colon and dot", self.name)
            targets: tuple[str, ...] = (self._target(parameter, type_),)
        else:
            targets = parameter.targets
        if targets == (ANY,):
            targets = tuple(sorted(MODULES))
        ways: list[tuple[str, Condition]] = []
        unknown: UnknownParameter | None = None
        for target in targets:
            try:
                ways.append((target, self._condition((target,), rest, value, depth - 1)))
            except UnknownParameter as error:
                unknown = error
        if not ways:
            raise unknown or UnknownParameter("a reference that leads somewhere", self.name)
        return Chain(code, tuple(ways))

    def _has(self, types: tuple[str, ...], rest: str, value: str, depth: int) -> Has:
        self._check_depth(depth)
        parts = rest.split(":", 2)
        if len(parts) != 3 or parts[0] not in MODULES:  # noqa: PLR2004  type, reference, parameter
            raise UnknownParameter("_has:Type:reference:parameter", self.name)
        source, code, name = parts
        parameter = self._parameter((source,), code)
        leads_here = not types or any(map(parameter.may_lead_to, types))
        if parameter.kind != "reference" or not leads_here:
            raise UnknownParameter("a reference that may lead to the type searched", self.name)
        return Has(source, code, self._condition((source,), name, value, depth - 1))

    def _list(self, value: str) -> Has:
        """What a List refers to, by its id: one that may not be seen is an empty one."""
        self._parameter(("List",), "item")
        return Has("List", "item", self._criterion(("List",), "_id", value))

    def _check_depth(self, depth: int) -> None:
        if depth <= 0:
            raise TooCostly(f"at most {MAXIMUM_DEPTH} references one behind the other", self.name)
