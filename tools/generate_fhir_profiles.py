"""Generate src/careledger/fhir/validate/definitions: what `$validate` holds resources against.

    python -m tools.generate_fhir_profiles [FOLDER]

FOLDER (default ../shared/data/fhir-spec) holds the R4 definitions as generate_fhir_models.py reads
them, and the US Core 6.1.0 package as HL7 publishes it (us_core_610.tgz, CC0). Of each
StructureDefinition only what can be checked is kept. The same input gives the same bytes.
"""

import gzip
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from tools.fhir_definitions import Json, load, nested_codes, package
from tools.generate_fhir_models import DEFINITIONS, ROOT

TARGET = ROOT / "src" / "careledger" / "fhir" / "validate" / "definitions"
BUILT_IN = {"ele-1", "ext-1"}
"""Constraints of every element and extension, which the validator knows without an expression."""

MOST_CODES = 2_000
"""Value sets with more codes than this are left out; none of the two sources has one."""


def element(content: Json) -> Json:
    """Return an element with short names, and nothing that says nothing."""
    kinds = [
        [kind["code"].rpartition("/")[2], kind.get("profile", []), kind.get("targetProfile", [])]
        for kind in content.get("type", ())
    ]
    found: Json = {"i": content["id"], "t": kinds}
    if content.get("min"):
        found["n"] = content["min"]
    if content.get("max", "*") != "*":
        found["x"] = int(content["max"])
    for name, value in content.items():
        if name.startswith(("fixed", "pattern")):
            found["v"] = [name.startswith("fixed"), value]
    if "slicing" in content:
        slicing = content["slicing"]
        marks = [[one["type"], one["path"]] for one in slicing.get("discriminator", ())]
        found["d"] = [slicing["rules"], marks]
    if "valueSet" in content.get("binding", {}) and content["binding"]["strength"] in (
        "required",
        "extensible",
    ):
        binding = content["binding"]
        found["b"] = [binding["strength"], binding["valueSet"].partition("|")[0]]
    if "contentReference" in content:
        found["r"] = content["contentReference"].rpartition("#")[2]
    rules = [
        [rule["key"], rule["severity"], rule["human"], rule["expression"]]
        for rule in content.get("constraint", ())
        if rule["key"] not in BUILT_IN and "expression" in rule
    ]
    if rules:
        found["c"] = rules
    return found


def profile(content: Json) -> Json:
    """Return what is kept of a StructureDefinition."""
    return {
        "url": content["url"],
        "version": content.get("version", ""),
        "type": content["type"],
        "profile": content.get("derivation") == "constraint",
        "elements": [element(one) for one in content["snapshot"]["element"]],
    }


def value_sets(resources: Iterable[Json]) -> dict[str, list[list[str]]]:
    """Return the codes of every value set that lists them, or whose code system is here."""
    everything = list(resources)
    known = {one["url"]: one for one in everything}
    found: dict[str, list[list[str]]] = {}
    for one in everything:
        if one["resourceType"] == "ValueSet" and (codes := expansion(one, known)) is not None:
            found[one["url"]] = codes
    return found


def expansion(content: Json, known: dict[str, Json]) -> list[list[str]] | None:
    """Return system and code of all that is in a value set, or None if it cannot be known here."""
    compose = content.get("compose", {})
    if "exclude" in compose:
        return None
    found: list[list[str]] = []
    for include in compose.get("include", ()):
        some = included(include, known)
        if some is None:
            return None
        found += some
    return found if found and len(found) <= MOST_CODES else None


def included(include: Json, known: dict[str, Json]) -> list[list[str]] | None:
    """Return what one part of a value set includes."""
    if "valueSet" in include:
        several = [url.partition("|")[0] for url in include["valueSet"]]
        if len(several) > 1 or "system" in include or several[0] not in known:
            return None
        return expansion(known[several[0]], known)
    system = known.get(include.get("system", ""))
    if "concept" in include:
        return [[include["system"], concept["code"]] for concept in include["concept"]]
    if "filter" in include or system is None or system.get("content") != "complete":
        return None
    return [[include["system"], code] for code in nested_codes(system.get("concept", []))]


def write(target: Path, name: str, profiles: list[Json], sets: dict[str, list[list[str]]]) -> None:
    """Write one file of definitions, compressed, without a date."""
    bound = {one["b"][1] for content in profiles for one in content["elements"] if "b" in one}
    kept = {url: codes for url, codes in sorted(sets.items()) if url in bound}
    text = json.dumps({"profiles": profiles, "sets": kept}, separators=(",", ":"), sort_keys=True)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0, filename="") as file:
        file.write(text.encode())
    target.mkdir(parents=True, exist_ok=True)
    (target / f"{name}.json.gz").write_bytes(packed.getvalue())


def main(folder: Path, target: Path = TARGET) -> None:
    """Write both files."""
    sets = load(folder, "valuesets")
    definitions = [*load(folder, "profiles-types"), *load(folder, "profiles-resources")]
    base = [
        profile(one)
        for one in definitions
        if one["resourceType"] == "StructureDefinition" and "snapshot" in one
    ]
    write(target, "r4", sorted(base, key=lambda one: one["url"]), value_sets(sets))
    guide = package(folder / "us_core_610.tgz")
    profiles = [profile(one) for one in guide if one["resourceType"] == "StructureDefinition"]
    write(target, "us_core_6_1_0", profiles, value_sets([*sets, *guide]))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFINITIONS)
