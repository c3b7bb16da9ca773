"""Generate src/careledger/fhir/r4/terminology_table.py: the code systems and value sets of R4.

Run by generate_fhir_models.py, from the same folder of definitions. A code system is its codes, one
a line, each below its parent by one more leading space; only complete ones are kept. A value set
is one line per rule, in fields parted by tabs: `+` or `-` (include, exclude), the code system or
nothing, then `all`, `codes` and codes, `where` and property, operator and value of each filter, or
`sets` and canonicals.
"""

from pathlib import Path

from tools.fhir_definitions import Json, load


def codes(concepts: list[Json], depth: int = 0) -> list[str]:
    """Return the lines of concepts and of what is below them."""
    return [
        line
        for concept in concepts
        for line in (
            f"{' ' * depth}{concept['code']}",
            *codes(concept.get("concept", []), depth + 1),
        )
    ]


def rule(sign: str, part: Json) -> str:
    """Return the line of one include or exclude."""
    fields = [sign, part.get("system", "")]
    if "valueSet" in part:
        if "system" in part:
            raise ValueError(part)
        fields += ["sets", *part["valueSet"]]
    elif "concept" in part:
        fields += ["codes", *(concept["code"] for concept in part["concept"])]
    elif "filter" in part:
        fields.append("where")
        for each in part["filter"]:
            fields += [each["property"], each["op"], each["value"]]
    else:
        fields.append("all")
    return "\t".join(fields)


def rules(content: Json) -> list[str]:
    """Return the lines of a value set."""
    compose = content["compose"]
    return [
        *(rule("+", part) for part in compose["include"]),
        *(rule("-", part) for part in compose.get("exclude", ())),
    ]


def literal(lines: list[str]) -> str:
    """Return lines as a readable string literal."""
    return "".join(f"        {line + chr(10)!r}\n" for line in lines) or "        ''\n"


def main(folder: Path, header: str, target: Path) -> None:
    """Write the module `terminology_table` into `target`."""
    resources = sorted(load(folder, "valuesets"), key=lambda each: str(each["url"]))
    systems = [
        f"    {r['url']!r}: (\n{literal(codes(r.get('concept', [])))}    ),"
        for r in resources
        if r["resourceType"] == "CodeSystem" and r["content"] == "complete"
    ]
    sets = [
        f"    {r['url']!r}: (\n{literal(rules(r))}    ),"
        for r in resources
        if r["resourceType"] == "ValueSet"
    ]
    (target / "terminology_table.py").write_text(
        f'{header}"""The code systems and value sets of R4, as `fhir.concepts` reads them."""\n\n'
        "from typing import Final\n\nSYSTEMS: Final[dict[str, str]] = {\n"
        + "\n".join(systems)
        + "\n}\n\nSETS: Final[dict[str, str]] = {\n"
        + "\n".join(sets)
        + "\n}\n",
        encoding="utf-8",
    )
