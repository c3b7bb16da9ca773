"""The primitive types of FHIR R4 as Python types with their patterns."""

from typing import Final

from tools.fhir_definitions import Json, primitive_alias

DAY: Final = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|[12][0-9]))"
)
TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]++)?+"
ZONE: Final = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
YEAR: Final = "(?!0000)[0-9]{4}"
NO_SPACE: Final = r"[!-~]*+\Z|\S*"

# The specification's patterns, except: days fit their month ("dates SHALL be valid dates"), and
# some are written so that they match the same faster, or cannot backtrack.
PATTERNS: Final = {
    "date": f"{YEAR}(?:-(?:{DAY}|0[1-9]|1[0-2]))?",
    "dateTime": f"{YEAR}(?:-(?:{DAY}(?:T{TIME}{ZONE})?+|0[1-9]|1[0-2]))?",
    "instant": f"{YEAR}-{DAY}T{TIME}{ZONE}",
    "base64Binary": r"\s*(?>[0-9a-zA-Z+/=]{4}\s*)++",
    "code": r"\S++(?:\s\S++)*+",
    "uri": NO_SPACE,
    "url": NO_SPACE,
    "canonical": NO_SPACE,
}
# Strings need one character; the specification's pattern for them asks for no more than that.
PLAIN: Final = {
    "boolean": "bool",
    "decimal": "float",
    "integer": "Annotated[int, Meta(ge=-2147483648, le=2147483647)]",
    "positiveInt": "Annotated[int, Meta(ge=1, le=2147483647)]",
    "unsignedInt": "Annotated[int, Meta(ge=0, le=2147483647)]",
    "string": "Annotated[str, Meta(min_length=1)]",
    "markdown": "Annotated[str, Meta(min_length=1)]",
    "xhtml": "str",
}


def primitives(types: list[Json]) -> str:
    """Return the aliases of the primitive types."""
    lines = ["from typing import Annotated", "", "from msgspec import Meta", ""]
    for definition in types:
        if definition["kind"] != "primitive-type":
            continue
        name = definition["name"]
        value = next(e for e in definition["snapshot"]["element"] if e["path"] == f"{name}.value")
        official = [
            x["valueString"]
            for t in value["type"]
            for x in t.get("extension", [])
            if "valueString" in x
        ]
        pattern = PATTERNS.get(name) or (official[0] if official else "")
        text = PLAIN.get(name) or f"Annotated[str, Meta(pattern=r'\\A(?:{pattern})\\Z')]"
        lines.append(f"{primitive_alias(name)} = {text}")
    return "\n".join(lines) + "\n"
