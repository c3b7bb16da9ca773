"""Where the entries of a federated answer come from, as its extensions say it."""

from collections.abc import Iterator
from typing import Any

from careledger.gateway.fhir_federated import SOURCE

Json = dict[str, Any]  # Any: FHIR in JSON


def marked(entry: Json) -> dict[str, str]:
    """Who keeps an entry and how it is marked; nothing where there was one custodian alone."""
    for said in _sources(entry):
        return {"Source": said["member"], "Mark": said["mark"]}
    return {}


def answered(outcome: Json) -> Iterator[str]:
    """A line for each source of an answer: `riverside: answered, as of ...`."""
    for said in _sources(outcome):
        standing = said.get("trouble") or said["standing"]
        when = f", as of {said['as-of']}" if "as-of" in said else ""
        where = f" ({said['refused']})" if "refused" in said else ""
        yield f"{said['member']}: {standing}{where}{when}"


def _sources(element: Json) -> Iterator[dict[str, str]]:
    for one in element.get("extension", []):
        if one.get("url") == SOURCE:
            yield {part["url"]: _value(part) for part in one["extension"]}


def _value(part: Json) -> str:
    value = next(value for name, value in part.items() if name != "url")
    return str(value["code"] if isinstance(value, dict) else value)
