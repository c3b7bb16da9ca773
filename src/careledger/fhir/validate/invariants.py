"""Invariants: the FHIRPath expressions that R4 and profiles attach to elements.

Expressions are evaluated by fhirpathpy. A few that it cannot do, or that say nothing without other
resources at hand, are done here or left undecided: whoever asks is told which.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any, Final  # Any: JSON, as fhirpathpy takes it

from fhirpathpy import apply_parsed_path
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models
from fhirpathpy.parser import parse

from careledger.fhir.validate.library import Rule

_EVALUATING: Final = Lock()
"""fhirpathpy keeps its constants in one place for all threads."""

_OPTIONS: Final = {
    "traceFn": lambda *_: None,
    "userInvocationTable": {
        "hasValue": {"fn": lambda found: [_has_value(found)], "arity": {0: []}},
        "resolve": {"fn": lambda _: [], "arity": {0: []}},
    },
}
"""Its `trace` prints what it is given, which is clinical, unless it is given this. FHIR's own
functions (FHIR R4 2.9.1.6.1) are added; `resolve` finds nothing, since no other resource is read.
"""

_TAG: Final = re.compile(r"<\s*/?\s*([A-Za-z0-9]+)((?:\s[^<>]*)?)/?>")
_SCRIPTED: Final = re.compile(r"\son[a-z]+\s*=|javascript:", re.IGNORECASE)
_HTML: Final = frozenset(
    "a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em "  # noqa: SIM905 - thirty lines otherwise
    "h1 h2 h3 h4 h5 h6 hr i img li ol p pre q samp small span strong sub sup "
    "table tbody td tfoot th thead tr tt ul var".split()
)
"""XHTML elements that a narrative may have (FHIR R4 2.4.0)."""

Json = Mapping[str, Any]  # JSON


def holds(rule: Rule, node: Any, root: Json, path: str) -> bool | None:  # node: any JSON
    """Whether `node`, at the R4 path `path` inside the resource `root`, keeps the rule.

    None if that cannot be decided here.
    """
    known = _BY_HAND.get(rule.key)
    if known is not None:
        return known(node)
    try:
        with _EVALUATING:
            found = _compiled(rule.expression, path)(node, {"resource": root, "rootResource": root})
    except Exception:  # noqa: BLE001 - an evaluator that fails must not fail the validation
        return None
    return not found or found[0] is not False


@lru_cache(maxsize=4_096)
def _compiled(expression: str, path: str) -> Callable[[Any, Json], list[object]]:  # JSON
    parsed = parse(expression)  # type: ignore[no-untyped-call] # fhirpathpy types its front only

    def evaluate(node: Any, context: Json) -> list[object]:  # JSON
        # fhirpathpy types its front only
        start = ResourceNode.create_node(node, path)  # type: ignore[no-untyped-call]
        found: list[object] = apply_parsed_path(  # type: ignore[no-untyped-call]
            start, parsed, dict(context), models["r4"], _OPTIONS
        )
        return found

    return evaluate


def _has_value(found: list[object]) -> bool:
    one = found[0].data if len(found) == 1 and isinstance(found[0], ResourceNode) else found
    return not isinstance(one, dict | list) or (isinstance(one, list) and len(one) == 1)


def _is_in_order(node: Any) -> bool | None:  # JSON
    """rng-2: low is not above high; undecided where their units differ."""
    low, high = node.get("low"), node.get("high")
    if low is None or high is None:
        return True
    if any(low.get(name) != high.get(name) for name in ("system", "code", "unit")):
        return None
    return "value" not in low or "value" not in high or low["value"] <= high["value"]


def _codes_are_unique(node: Any) -> bool:  # JSON
    """csd-1: no code twice in a code system, however deep."""
    codes = list(_codes(node))
    return len(codes) == len(set(codes))


def _codes(node: Any) -> Iterator[str]:  # JSON
    for one in node.get("concept", ()):
        yield one.get("code", "")
        yield from _codes(one)


def _contained_are_used(node: Any) -> bool:  # JSON
    """dom-3: a contained resource is referred to, or refers to its container."""
    used = set(_references(node))
    return all(
        f"#{one.get('id')}" in used or "#" in set(_references(one))
        for one in node.get("contained", ())
        if isinstance(one, dict)
    )


def _references(node: object) -> Iterator[str]:
    """Every reference, canonical or URI inside: dom-3 counts all of them."""
    if isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str) and value.startswith("#") and name != "id":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            if isinstance(value, str) and value.startswith("#"):
                yield value
            else:
                yield from _references(value)


def _is_narrative(node: Any) -> bool:  # JSON
    """txt-1: basic formatting only; no scripts, forms, frames or outside style."""
    if not isinstance(node, str):
        return True
    plain = re.sub(r"<!--.*?-->|<\?.*?\?>", "", node, flags=re.DOTALL)
    tags = list(_TAG.finditer(plain))
    return all(
        tag[1].lower() in _HTML and not _SCRIPTED.search(tag[2]) for tag in tags
    ) and plain.count("<") == len(tags)


def _says_something(node: Any) -> bool:  # JSON
    """txt-2: a narrative has content besides blanks."""
    if not isinstance(node, str):
        return True
    return "<img" in node or bool(re.sub(r"<[^<>]*>|\s|&nbsp;|&#160;", "", node))


_BY_HAND: Final[Mapping[str, Callable[[Any], bool | None]]] = {  # JSON
    "csd-1": _codes_are_unique,
    "rng-2": _is_in_order,
    "dom-3": _contained_are_used,
    "txt-1": _is_narrative,
    "txt-2": _says_something,
}
