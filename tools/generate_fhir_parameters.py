"""Generate src/careledger/fhir/r4/parameter_table.py: every R4 search parameter, as plain paths.

Run by generate_fhir_models.py, from the same folder of definitions. The expressions of the official
SearchParameters use little of FHIRPath; what they use is resolved here against the definitions of
the types, so that a path ends in a known datatype and a choice is the list of its members.

One line per parameter: code, kind, the last part of its canonical URL, targets (`*`: any type,
`-`: none), paths. A path is JSON names joined by dots; `*` marks an array, `[a=b]` keeps elements
whose `a` is `b`, `[is=T]` references to T, `[0]` the first; the datatype stands after the colon,
for a code with the system that its binding implies. A composite's paths lead to its anchors (`.`:
the resource); a line for each component follows, with paths from the anchor or, after `/`, from the
resource.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tools.fhir_definitions import Json, load

CANONICAL = "http://hl7.org/fhir/SearchParameter/"
QUANTITIES = ("Quantity", "Age", "Count", "Distance", "Duration", "Money", "Range", "SampledData")
TEXTS = ("string", "markdown")
URIS = ("uri", "url", "canonical", "oid", "uuid")
KINDS = {
    "string": (*TEXTS, "HumanName", "Address"),
    "token": (
        *("Coding", "CodeableConcept", "Identifier", "ContactPoint", "code", "boolean"),
        *("id", "string", *URIS),
    ),
    "reference": ("Reference", "canonical", "uri", "Resource"),
    "date": ("date", "dateTime", "instant", "Period", "Timing"),
    "number": ("integer", "positiveInt", "unsignedInt", "decimal", "Range"),
    "quantity": QUANTITIES,
    "uri": URIS,
    "special": ("BackboneElement",),
}
"""Which datatypes a kind of parameter takes values from (FHIR R4 3.1.1.4)."""

UNANSWERED = ("Resource-content", "Resource-query", "DomainResource-text")
DECEASED = "Patient.deceased.exists() and Patient.deceased != false"
SWAPPED = "DocumentReference-relationship"
"""R4 gives each of its components the definition of the other."""
MANY_TYPES = 140
EXTENSIONS = "http://hl7.org/fhir/StructureDefinition"


class Extra(NamedTuple):
    """A parameter of an extension, which only the package of R4 examples publishes."""

    id: str
    kind: str
    base: str
    path: str
    targets: str = "-"


EXTRAS = (
    Extra(
        "diagnosticreport-genetic-DiagnosticReport-assessed-condition",
        "reference",
        "DiagnosticReport",
        f"extension*[url={EXTENSIONS}/DiagnosticReport-geneticsAssessedCondition]"
        ".valueReference:Reference",
        "Condition",
    ),
    Extra(
        "observation-genetic-Observation-gene-identifier",
        "token",
        "Observation",
        f"extension*[url={EXTENSIONS}/observation-geneticsGene].valueCodeableConcept:CodeableConcept",
    ),
    Extra(
        "patient-extensions-Patient-mothersMaidenName",
        "string",
        "Patient",
        f"extension*[url={EXTENSIONS}/patient-mothersMaidenName].valueString:string",
    ),
)
"""Those whose extension R4 defines and whose code is the end of their id."""


class End(NamedTuple):
    """Where an expression leads: the path so far and what stands there."""

    path: str
    type: str
    """The datatype; "" where `inside` is an element with children of its own."""
    inside: str
    """Under which prefix the definitions list what is inside: `Patient.contact`, `HumanName`."""
    system: str = ""
    targets: frozenset[str] = frozenset()
    """To which types a reference that stands there may lead."""

    def format(self) -> str:
        """Return the path as it stands in the table."""
        return f"{self.path}:{self.type}" + f"({self.system})" * bool(self.system)


class Definitions:
    """The elements of every type, and the systems that required bindings imply."""

    def __init__(self, folder: Path) -> None:
        self.elements: dict[str, Json] = {}
        self.resources: list[str] = []
        for name in ("profiles-types", "profiles-resources"):
            for definition in load(folder, name):
                if definition["resourceType"] != "StructureDefinition":
                    continue
                for element in definition["snapshot"]["element"]:
                    self.elements.setdefault(element["path"], element)
                concrete = definition["kind"] == "resource" and not definition["abstract"]
                if concrete and definition["fhirVersion"] == "4.0.1":
                    self.resources.append(definition["name"])
        self.sets = {
            r["url"]: r for r in load(folder, "valuesets") if r["resourceType"] == "ValueSet"
        }

    def step(self, end: End, name: str) -> list[End]:
        """Return where one more name leads: several ends for a choice."""
        path = f"{end.inside}.{name}"
        joined = f"{end.path}.{name}" if end.path else name
        element = self.elements.get(path)
        if element is None:
            element = self.elements[f"{path}[x]"]
            return [
                End(f"{joined}{code[:1].upper()}{code[1:]}", code, code, "", targets(kind))
                for kind in element["type"]
                for code in [kind["code"]]
            ]
        many = "*" if element["max"] != "1" else ""
        if "contentReference" in element:
            inside = element["contentReference"].partition("#")[2]
            return [End(joined + many, "BackboneElement", inside)]
        code = element["type"][0]["code"].replace("http://hl7.org/fhirpath/System.String", "string")
        inside = path if code in ("BackboneElement", "Element") else code
        led = targets(element["type"][0])
        return [End(joined + many, code, inside, self.system(element, code), led)]

    def system(self, element: Json, code: str) -> str:
        """Return the one system whose codes a required binding allows, "" if there is none."""
        binding = element.get("binding", {})
        if code != "code" or binding.get("strength") != "required":
            return ""
        content = self.sets.get(binding.get("valueSet", "").partition("|")[0], {})
        systems = {part.get("system") for part in content.get("compose", {}).get("include", ())}
        return systems.pop() or "" if len(systems) == 1 else ""


def targets(kind: Json) -> frozenset[str]:
    """Return to which types an element of this type may lead."""
    return frozenset(url.rpartition("/")[2] for url in kind.get("targetProfile", ()))


STEP = re.compile(
    r"as\((\w+)\)|where\((resolve\(\) is \w+|\w+='[^']*')\)|(\w+)(\[0\])?|(%resource)"
)


def ends(definitions: Definitions, start: End, expression: str) -> list[End]:
    """Follow one expression without `|` from an element; a choice not narrowed gives every type."""
    text = re.sub(r"\(([\w.]+) as (\w+)\)", r"\1.as(\2)", expression)
    text = text[1:-1] if text.startswith("(") else text
    found, at = [start], 0
    while at < len(text):
        match = STEP.match(text, at)
        if match is None:
            raise ValueError(expression)
        cast, test, name, first, _ = match.groups()
        if cast:
            found = [end for end in found if end.type.lower() == cast.lower()]
        elif test:
            rule = re.sub(r"resolve\(\) is ", "is=", test).replace("'", "")
            found = [end._replace(path=f"{end.path}[{rule}]") for end in found]
        elif name:
            found = [after for end in found for after in definitions.step(end, name)]
            found = [end._replace(path=end.path + (first or "")) for end in found]
        at = match.end() + 1
    return found


def leaves(
    definitions: Definitions, type_: str, start: End, expression: str, kind: str
) -> list[End]:
    """Return the ends of an expression on one type, as far as the kind takes values from them."""
    if expression == DECEASED:
        return [End(".", "deceased", "")]
    found: list[End] = []
    for part in re.split(r"\s*\|\s*", expression):
        bare = part.strip("()")
        root, _, rest = bare.partition(".")
        from_start = root not in (type_, "Resource", "DomainResource")
        if from_start and root in definitions.elements and root[0].isupper():
            continue
        if part.startswith("%resource."):
            reached, mark = ends(definitions, End("", "", type_), part.partition(".")[2]), "/"
        elif from_start:
            reached, mark = ends(definitions, start, part), ""
        else:
            at = End("", "", type_)
            text = part.replace(f"{root}.", "", 1) if rest else ""
            reached, mark = ends(definitions, at, text) if text else [at], ""
        found += [end._replace(path=mark + end.path) for end in reached if end.type in KINDS[kind]]
    return list(dict.fromkeys(found))


def anchors(definitions: Definitions, type_: str, expression: str) -> list[End]:
    """Return the elements that a composite is anchored at."""
    found: list[End] = []
    for part in re.split(r"\s*\|\s*", expression):
        root, _, rest = part.partition(".")
        if root == type_:
            at = End("", "", type_)
            found += ends(definitions, at, rest) if rest else [at]
    return found


def named(parameter: Json, found: list[End]) -> str:
    """Return the targets of a parameter that the elements of this type allow."""
    official = frozenset(parameter.get("target", ()))
    allowed = frozenset[str]().union(*(end.targets for end in found))
    if all(end.targets for end in found) and "Resource" not in allowed:
        official = official & allowed or official
    return "*" if len(official) > MANY_TYPES else ",".join(sorted(official)) or "-"


def rows(definitions: Definitions, type_: str, parameter: Json, all_: dict[str, Json]) -> list[str]:
    """Return the lines of a parameter on one type."""
    kind, expression = parameter["type"], parameter["expression"]
    start = End("", "", type_)
    name = parameter["url"].removeprefix(CANONICAL)
    if kind != "composite":
        found: list[End] = leaves(definitions, type_, start, expression, kind)
        if not found:
            raise ValueError(f"{name} on {type_}")
        paths = " ".join(end.format() for end in found)
        return [f"{parameter['code']} {kind} {name} {named(parameter, found)} {paths}"]
    places = anchors(definitions, type_, expression)
    lines = [f"{parameter['code']} {kind} {name} - {' '.join(e.path or '.' for e in places)}"]
    parts = [all_[component["definition"]] for component in parameter["component"]]
    for component, part in zip(
        parameter["component"], reversed(parts) if name == SWAPPED else parts, strict=True
    ):
        found = []
        for place in places:
            here = place._replace(path="")
            found += leaves(definitions, type_, here, component["expression"], part["type"])
        if not found:
            raise ValueError(f"{name} on {type_}: {component['expression']}")
        code = part["url"].removeprefix(CANONICAL)
        paths = " ".join(end.format() for end in dict.fromkeys(found))
        lines.append(f"+ {part['type']} {code} - {paths}")
    return lines


def write(target: Path, name: str, header: str, sentence: str, found: dict[str, list[str]]) -> None:
    """Write a module with a table of parameters by type."""
    body = "\n".join(
        f'    {type_!r}: """\\\n' + "".join(f"{line}\n" for line in lines) + '""",'
        for type_, lines in found.items()
    )
    (target / f"{name}.py").write_text(
        f'{header}"""{sentence}"""\n\nfrom typing import Final\n\nTABLE: Final = {{\n{body}\n}}\n',
        encoding="utf-8",
    )


def table(definitions: Definitions, parameters: Iterable[Json]) -> dict[str, list[str]]:
    """Return the lines of every type; under "" those that every type has."""
    all_ = {parameter["url"]: parameter for parameter in parameters}
    found: dict[str, list[str]] = {"": [], **{name: [] for name in sorted(definitions.resources)}}
    for parameter in sorted(all_.values(), key=lambda each: (str(each["code"]), str(each["url"]))):
        if parameter["id"] in UNANSWERED:
            continue
        for base in parameter["base"]:
            on = "Resource" if base in ("Resource", "DomainResource") else base
            key = "" if on == "Resource" else base
            found[key] += rows(definitions, on, parameter, all_)
    for extra in EXTRAS:
        code = extra.id.rpartition(f"{extra.base}-")[2]
        found[extra.base].append(f"{code} {extra.kind} {extra.id} {extra.targets} {extra.path}")
    return found


def main(folder: Path, header: str, target: Path) -> None:
    """Write the module `parameter_table` into `target`."""
    found = table(Definitions(folder), load(folder, "search-parameters"))
    sentence = "Every R4 search parameter by type, as `fhir.search.table` reads it."
    write(target, "parameter_table", header, sentence, found)
