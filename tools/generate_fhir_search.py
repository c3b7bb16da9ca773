"""Generate src/careledger/fhir/r4/search.py: what feeds the thin search, and whose data it is.

Run by generate_fhir_models.py, from the same folder of definitions. The elements come from the
official SearchParameters and the patient CompartmentDefinition; only the choice of one `code`,
`category` and `date` parameter per type is ours, below.
"""

import keyword
import re
from pathlib import Path

from tools.fhir_definitions import Json, load

CODE = ("code", "vaccine-code", "type")
CATEGORY = ("category", "class")
DATE = (
    "date",
    "onset-date",
    "effective-time",
    "effective",
    "authoredon",
    "authored",
    "authored-on",
    "occurrence",
    "whenhandedover",
    "started",
    "created",
    "sent",
    "recorded",
    "identified",
    "collected",
    "datewritten",
    "datetime",
    "start",
    "start-date",
    "period",
    "timestamp",
    "issued",
)
DATE_OF = {"MedicationRequest": "authoredon"}  # its `date` is when doses are due
ENCOUNTER = ("encounter", "context")
AUTHORS = (
    "author",
    "performer",
    "performer.actor",
    "requester",
    "recorder",
    "asserter",
    "provider",
    "enterer",
    "participant.individual",
    "careTeam.provider",
    "source",
    "informationSource",
    "sender",
    "owner",
    "collection.collector",
    "operator",
    "prescriber",
    "verification.verifiedBy",
)
# R4's compartment leaves these out although they may name a patient; R5's does not.
BESIDE_THE_COMPARTMENT = {
    "Contract": ["patient"],
    "Device": ["patient"],
    "GuidanceResponse": ["patient"],
}
WHOSE_FIRST = ("subject", "patient", "beneficiary", "individual", "candidate", "for_")
KINDS = {
    "code": ("CodeableConcept", "Coding", "code"),
    "category": ("CodeableConcept", "Coding", "code"),
    "date": ("date", "dateTime", "instant", "Period", "Timing"),
    "reference": ("Reference",),
}
PATH = re.compile(
    r"\(?(\w+)\.([\w.]+?)(?:\.where\(resolve\(\) is \w+\)|\.as\((\w+)\)| as (\w+))*\)?"
)


def concrete(elements: dict[str, Json], type_: str, path: str, kinds: tuple[str, ...]) -> list[str]:
    """Return the attributes a path stands for: a choice element has one per type."""
    single = elements.get(f"{type_}.{path}")
    if single is not None:
        found = [path] if any(kind["code"] in kinds for kind in single.get("type", ())) else []
    else:
        choice = elements.get(f"{type_}.{path}[x]", {"type": []})
        codes = [kind["code"] for kind in choice["type"] if kind["code"] in kinds]
        found = [path + code[:1].upper() + code[1:] for code in codes]
    return [
        ".".join(f"{p}_" if keyword.iskeyword(p) else p for p in one.split(".")) for one in found
    ]


def paths(
    elements: dict[str, Json], type_: str, parameter: Json, kinds: tuple[str, ...]
) -> list[str]:
    """Return the attribute paths of a search parameter on one type."""
    found: list[str] = []
    for part in re.split(r"\s*\|\s*", parameter.get("expression", "")):
        match = PATH.fullmatch(part.strip())
        if match and match[1] == type_:
            cast = match[3] or match[4]
            allowed = tuple(kind for kind in kinds if cast in (None, kind))
            found += concrete(elements, type_, match[2], allowed)
    return list(dict.fromkeys(found))


def chosen(
    elements: dict[str, Json],
    type_: str,
    parameters: dict[str, Json],
    names: tuple[str, ...],
    kind: str,
) -> tuple[str, list[str]]:
    """Return the first of these parameters that this type has, with its paths."""
    for name in names:
        if name in parameters and (found := paths(elements, type_, parameters[name], KINDS[kind])):
            return name, found
    return "", []


def row(
    elements: dict[str, Json], type_: str, parameters: dict[str, Json], compartment: list[str]
) -> str:
    """Return the table row of a type."""
    code = chosen(elements, type_, parameters, CODE, "code")
    category = chosen(elements, type_, parameters, CATEGORY, "category")
    date = chosen(elements, type_, parameters, (DATE_OF.get(type_, ""), *DATE), "date")
    encounter = chosen(elements, type_, parameters, ENCOUNTER, "reference")
    if not code[1]:
        code = "", concrete(elements, type_, "type", KINDS["code"])
    if not encounter[1]:
        encounter = "", concrete(elements, type_, "encounter", KINDS["reference"])
    whose = [
        p
        for name in compartment
        if name in parameters
        for p in paths(elements, type_, parameters[name], KINDS["reference"])
    ]
    whose.sort(
        key=lambda path: WHOSE_FIRST.index(path) if path in WHOSE_FIRST else len(WHOSE_FIRST)
    )
    authors = [
        name for path in AUTHORS for name in concrete(elements, type_, path, KINDS["reference"])
    ]
    identifier = [
        path for path in ["identifier"] if concrete(elements, type_, path, ("Identifier",))
    ]
    fields = {
        "code_parameter": code[0],
        "code": tuple(code[1]),
        "category_parameter": category[0],
        "category": tuple(category[1]),
        "date_parameter": date[0],
        "date": tuple(date[1]),
        "patient": tuple(dict.fromkeys(whose)),
        "author": tuple(authors),
        "encounter": tuple(encounter[1]),
        "identifier": tuple(identifier),
    }
    arguments = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return f"    {type_!r}: Elements({arguments}),"


def main(folder: Path, header: str, target: Path) -> None:
    """Write the module `search` into `target`."""
    parameters: dict[str, dict[str, Json]] = {}
    for parameter in load(folder, "search-parameters"):
        for base in parameter["base"]:
            parameters.setdefault(base, {})[parameter["code"]] = parameter
    [definition] = load(folder, "compartmentdefinition-patient")
    compartment = {entry["code"]: entry.get("param", []) for entry in definition["resource"]}
    lines = []
    for resource in sorted(load(folder, "profiles-resources"), key=lambda r: str(r.get("name"))):
        if (
            resource.get("kind") == "resource"
            and not resource["abstract"]
            and resource["fhirVersion"] == "4.0.1"
        ):
            elements = {e["path"]: e for e in resource["snapshot"]["element"]}
            type_ = resource["name"]
            inside = compartment.get(type_) or BESIDE_THE_COMPARTMENT.get(type_, [])
            lines.append(row(elements, type_, parameters.get(type_, {}), inside))
    names = ("code_parameter", "code", "category_parameter", "category", "date_parameter", "date")
    fields = [
        f"    {name}: {'str' if name.endswith('_parameter') else 'tuple[str, ...]'}"
        for name in (*names, "patient", "author", "encounter", "identifier")
    ]
    (target / "search.py").write_text(
        f'{header}"""Which elements of each R4 type feed the search and say whose it is."""\n\n'
        "from typing import Final, NamedTuple\n\n\nclass Elements(NamedTuple):\n"
        '    """Attribute paths by use, and the official search parameters behind three."""\n\n'
        + "\n".join(fields)
        + "\n\n\nELEMENTS: Final = {\n"
        + "\n".join(lines)
        + "\n}\n",
        encoding="utf-8",
    )
