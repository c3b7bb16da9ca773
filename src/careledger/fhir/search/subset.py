"""Parts of a resource, as `_elements` and `_summary` ask for them, cut out of its bytes.

FHIR R4 3.1.1.5.8, 3.1.1.5.9. What is kept stays as it was written, number formats and all; a tag in
`meta` says that it is not everything, so that nobody stores it as if it were.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import msgspec

from careledger.fhir.r4.summaries import SUMMARIES
from careledger.fhir.resource import resource_type
from careledger.fhir.search.query import Summary

SUBSETTED: Final = (
    b'{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue",'
    b'"code":"SUBSETTED","display":"Resource encoded in summary mode"}'
)


class Tree(dict[str, "Tree"]):
    """Names, each with what is below it."""


Members = dict[str, msgspec.Raw]
Keep = Callable[[str], bool]

_ALWAYS: Final = frozenset({"resourceType", "id", "meta", "implicitRules"})
_MEMBERS: Final = msgspec.json.Decoder(Members)
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


def subset(data: bytes, *, elements: Sequence[str] = (), summary: Summary = "false") -> bytes:
    """Return the part of a checked resource that was asked for, or all of it.

    `elements` are names of elements at the top; they go before `summary`. Elements that must be
    there, or that change the meaning of others, are always kept.

    Raises:
        InvalidResource: not a resource.
    """
    if not elements and summary not in ("true", "text", "data"):
        return data
    type_ = resource_type(data)
    members = _MEMBERS.decode(data)
    kept = _kept(type_, tuple(elements), summary)
    dropped = _dropped(type_) if summary == "true" and not elements else Tree()
    found: Members = {}
    for name, raw in members.items():
        part = _without(raw, dropped.get(name, Tree())) if kept(name) else None
        if part is not None:
            found[name] = part
    return _written(_tagged(found))


def _kept(type_: str, elements: tuple[str, ...], summary: Summary) -> Keep:
    if not elements and summary == "data":
        return lambda name: name not in ("text", "_text")
    names = _named(type_, elements) if elements else _summary(type_, summary)
    return lambda name: name.removeprefix("_") in names


@cache
def _summary(type_: str, summary: Summary) -> frozenset[str]:
    row = SUMMARIES[type_]
    further = {"text"} if summary == "text" else set(row.summary.split())
    return _ALWAYS | frozenset(row.required.split()) | further


def _named(type_: str, elements: tuple[str, ...]) -> frozenset[str]:
    row = SUMMARIES[type_]
    choices = dict(one.split("=") for one in row.choices.split())
    found = set(row.required.split())
    for name in elements:
        found.update(choices.get(name, name).split(","))
    return _ALWAYS | found


@cache
def _dropped(type_: str) -> Tree:
    """What a summary leaves out below the top, as a tree of names; an empty one is left out."""
    tree = Tree()
    for path in SUMMARIES[type_].dropped.split():
        branch = tree
        for name in path.split("."):
            branch = branch.setdefault(name, Tree())
    return tree


def _without(raw: msgspec.Raw, tree: Tree) -> msgspec.Raw | None:
    """Take the leaves of a tree out of an object, or every object of an array; None: all of it."""
    if not tree:
        return raw
    data = bytes(raw)
    if data.lstrip()[:1] == b"[":
        parts = [_without(one, tree) for one in _ITEMS.decode(data)]
        items = b",".join(bytes(one) for one in parts if one is not None)
        return msgspec.Raw(b"[" + items + b"]") if items else None
    found: Members = {}
    for name, inner in _MEMBERS.decode(data).items():
        branch = tree.get(name.removeprefix("_"))
        part = inner if branch is None else _without(inner, branch) if branch else None
        if part is not None:
            found[name] = part
    return msgspec.Raw(_written(found)) if found else None


def _tagged(members: Members) -> Members:
    """Say in `meta` that this is not everything."""
    meta = _MEMBERS.decode(members["meta"]) if "meta" in members else {}
    tags = [bytes(one) for one in _ITEMS.decode(meta["tag"])] if "tag" in meta else []
    if not any(_is_subsetted(tag) for tag in tags):
        tags.append(SUBSETTED)
    meta["tag"] = msgspec.Raw(b"[" + b",".join(tags) + b"]")
    found: Members = {}
    for name in ("resourceType", "id"):
        if name in members:
            found[name] = members[name]
    found["meta"] = msgspec.Raw(_written(meta))
    return found | {name: raw for name, raw in members.items() if name not in found}


def _is_subsetted(tag: bytes) -> bool:
    coding = msgspec.json.decode(tag)
    return isinstance(coding, dict) and coding.get("code") == "SUBSETTED"


def _written(members: Members) -> bytes:
    return (
        b"{"
        + b",".join(msgspec.json.encode(name) + b":" + bytes(raw) for name, raw in members.items())
        + b"}"
    )
