"""What a gateway was sent, as it must come out again: number formats included."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tests.e2e.network import Json


class Number(str):
    """A number as it was written: `1.0` is not `1.00`."""

    __slots__ = ()


def parse(data: str | bytes) -> Any:
    """JSON, with its numbers as they are written."""
    return json.loads(data, parse_float=Number, parse_int=Number)


def bare(resource: Json) -> Json:
    """Without what the server adds: version and time."""
    meta = {
        name: value
        for name, value in resource.get("meta", {}).items()
        if name not in {"versionId", "lastUpdated"}
    }
    rest = {name: value for name, value in resource.items() if name != "meta"}
    return rest | ({"meta": meta} if meta else {})


class Loaded:
    """Resources of bundles under the names that a server gives them, references resolved."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._identifiers: dict[str, str] = {}
        self.resources: dict[str, Json] = {}

    def add(self, entries: Iterable[Json], names: Iterable[str]) -> list[str]:
        """Entries of one bundle, and the `Type/id` that each was given; these in order."""
        given = list(zip(entries, names, strict=True))
        for entry, name in given:
            self._names[entry["fullUrl"]] = name
            resource = entry["resource"]
            for one in _identifiers(resource):
                self._identifiers[f"{resource['resourceType']}?identifier={one}"] = name
        for entry, name in given:
            self.resources[name] = self._resolved(entry["resource"]) | {
                "id": name.partition("/")[2]
            }
        return [name for _, name in given]

    def _resolved(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._resolved(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._resolved(inner, name) for inner in value]
        if name == "reference" and isinstance(value, str):
            return self._names.get(value) or self._identifiers.get(value) or value
        return value


def _identifiers(resource: Json) -> Iterator[str]:
    found = resource.get("identifier", [])
    for one in found if isinstance(found, list) else [found]:
        yield f"{one.get('system', '')}|{one.get('value', '')}"


def place(response: Json) -> str:
    """The `Type/id` in an entry of a transaction response."""
    match = re.search(r"([A-Z]\w+/[A-Za-z0-9\-.]{1,64})(?:/_history/\d+)?$", response["location"])
    assert match is not None, response
    return match[1]
