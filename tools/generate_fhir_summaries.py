"""Generate src/careledger/fhir/r4/summaries.py: which elements a subset of a resource keeps.

Run by generate_fhir_models.py, from the same folder of definitions.
"""

from pathlib import Path

from tools.fhir_definitions import Json, load

OPENING = '''\
"""Which elements of each R4 type a subset of a resource keeps (FHIR R4 3.1.1.5.8)."""

from typing import Final, NamedTuple


class Row(NamedTuple):
    """Names with spaces between them; an element with a choice of types has all its names.

    required: elements at the top that must be there, or that change what others mean.
    summary: those of the summary.
    dropped: elements inside those of the summary that are not in it themselves.
    choices: `value=valueQuantity,valueString`
    """

    required: str
    summary: str
    dropped: str
    choices: str


SUMMARIES: Final = {
'''


def row(type_: str, elements: list[Json]) -> str:
    """Return the table row of a type."""
    names = {e["path"].removeprefix(f"{type_}."): e for e in elements if "." in e["path"]}
    required = [n for n, e in names.items() if "." not in n and (e["min"] or e.get("isModifier"))]
    summary = [n for n, e in names.items() if "." not in n and e.get("isSummary")]
    dropped = [
        name
        for name, e in names.items()
        if "." in name
        and not (e.get("isSummary") or e.get("isModifier") or e["min"])
        and name.rpartition(".")[2] != "id"
        and in_summary(name.rpartition(".")[0], names)
    ]
    choices = [
        f"{name.removesuffix('[x]')}={','.join(concrete(name, names[name]))}"
        for name in names
        if name.endswith("[x]") and "." not in name
    ]
    fields = {
        key: " ".join(one for name in chosen for one in concrete(name, names[name]))
        for key, chosen in {"required": required, "summary": summary, "dropped": dropped}.items()
    }
    arguments = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return f"    {type_!r}: Row({arguments}, choices={' '.join(choices)!r}),"


def concrete(name: str, element: Json) -> list[str]:
    """Return the names an element may have in JSON."""
    if not name.endswith("[x]"):
        return [name]
    base = name.removesuffix("[x]")
    codes = [kind["code"] for kind in element["type"]]
    return [base + code[:1].upper() + code[1:] for code in codes]


def in_summary(name: str, names: dict[str, Json]) -> bool:
    """Whether an element and every one around it is kept in a summary."""
    while name:
        if not (names[name].get("isSummary") or names[name]["min"]):
            return False
        name = name.rpartition(".")[0]
    return True


def main(folder: Path, header: str, target: Path) -> None:
    """Write the module `summaries` into `target`."""
    lines = [
        row(resource["name"], resource["snapshot"]["element"])
        for resource in sorted(
            load(folder, "profiles-resources"), key=lambda one: str(one.get("name"))
        )
        if resource.get("kind") == "resource"
        and not resource["abstract"]
        and resource["fhirVersion"] == "4.0.1"
    ]
    (target / "summaries.py").write_text(
        f"{header}{OPENING}" + "\n".join(lines) + "\n}\n", encoding="utf-8"
    )
