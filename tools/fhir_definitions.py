"""The official FHIR definitions as the generators read them: files, names, value sets."""

import gzip
import json
import keyword
import re
import tarfile
from pathlib import Path
from typing import Any

Json = dict[str, Any]  # the definitions are read as they are, and only by the generators


def load(folder: Path, name: str) -> list[Json]:
    """Return the resources of a definitions bundle, or the one resource of a file."""
    packed = folder / f"{name}.json.gz"
    data = (
        gzip.decompress(packed.read_bytes())
        if packed.exists()
        else (folder / f"{name}.json").read_bytes()
    )
    content = json.loads(data)
    return [entry["resource"] for entry in content["entry"]] if "entry" in content else [content]


def package(path: Path) -> list[Json]:
    """Return the resources of an implementation guide's package."""
    with tarfile.open(path) as archive:
        names = [name for name in archive.getnames() if name.startswith("package/")]
        flat = sorted(name for name in names if name.count("/") == 1 and name.endswith(".json"))
        files = [archive.extractfile(name) for name in flat]
        contents = [json.load(file) for file in files if file is not None]
    return [one for one in contents if "resourceType" in one]


def class_name(path: str) -> str:
    """`Observation.component` -> `ObservationComponent`."""
    return "".join(part[:1].upper() + part[1:] for part in path.split("."))


def module_name(resource: str) -> str:
    """`CarePlan` -> `care_plan`."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", resource).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def attribute(name: str) -> str:
    """Return the Python attribute of an element: a keyword gets a trailing underscore."""
    return f"{name}_" if keyword.iskeyword(name) else name


def primitive_alias(code: str) -> str:
    """`dateTime` -> `DateTime`."""
    return code[:1].upper() + code[1:]


class ValueSets:
    """Expands the value sets of required bindings, as far as the definitions enumerate them."""

    def __init__(self, resources: list[Json]) -> None:
        self.systems = {r["url"]: r for r in resources if r["resourceType"] == "CodeSystem"}
        self.sets = {r["url"]: r for r in resources if r["resourceType"] == "ValueSet"}
        self.literals: dict[str, list[str]] = {}
        self.codings: dict[str, list[tuple[str, str]]] = {}

    def expand(self, url: str) -> list[tuple[str, str]] | None:
        """Return the codings, or None where they are not all listed (MIME types, currencies)."""
        content = self.sets.get(url.partition("|")[0])
        if content is None or content["compose"].get("exclude"):
            return None
        found: list[tuple[str, str]] = []
        for include in content["compose"]["include"]:
            system = self.systems.get(include.get("system", ""))
            if include.get("filter") or include.get("valueSet"):
                return None
            if "concept" in include:
                found += [(include["system"], concept["code"]) for concept in include["concept"]]
            elif system is not None and system["content"] == "complete":
                found += [
                    (include["system"], code) for code in nested_codes(system.get("concept", []))
                ]
            else:
                return None
        return list(dict.fromkeys(found))

    def literal(self, url: str) -> str | None:
        """Return the name of the Literal for a bound `code`."""
        name = class_name(url.partition("|")[0].rpartition("/")[2].replace("-", ".")) + "Code"
        codings = self.expand(url)
        if codings is None:
            return None
        self.literals[name] = list(dict.fromkeys(code for _, code in codings))
        return name

    def constant(self, url: str) -> str | None:
        """Return the name of the set of codings for a bound Coding or CodeableConcept."""
        name = url.partition("|")[0].rpartition("/")[2].replace("-", "_").upper()
        codings = self.expand(url)
        if codings is None:
            return None
        self.codings[name] = codings
        return name


def nested_codes(concepts: list[Json]) -> list[str]:
    """Return the codes of a code system and of everything below them."""
    return [code for c in concepts for code in (c["code"], *nested_codes(c.get("concept", [])))]
