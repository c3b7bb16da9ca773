"""Just enough FHIR Shorthand to read IHE PCF's examples: instances of rules `* path = value`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_RULE = re.compile(r"\* (\S+) = (.+)")
_STEP = re.compile(r"(\w+)((?:\[[^\]]*\])*)")
_CODE = re.compile(r"(\S*)#(\S+)(?: \"(.*)\")?")
_REFERENCE = re.compile(r"Reference\((.+)\)")

_LISTS = frozenset(
    [
        "category",
        "performer",
        "organization",
        "policy",
        "purpose",
        "actor",
        "securityLabel",
        "security",
        "data",
        "coding",
    ]
)
_NOT_NEEDED = ("value", "component", "note")
"""What was measured, which no consent looks at, in syntax of its own."""
_CONCEPTS = frozenset(["scope", "category", "role", "code"])


def instances(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every instance in the .fsh files of `folder`, by id: its profile, and what it stands for."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for file in sorted(folder.glob("*.fsh")):
        for block in re.split(r"^Instance:", file.read_text(), flags=re.MULTILINE)[1:]:
            name = block.split()[0]
            profile = re.search(r"^InstanceOf:\s*(\S+)", block, flags=re.MULTILINE)
            assert profile is not None
            found[name] = profile[1], {"id": name} | _instance(block)
    return found


def consents(folder: Path) -> dict[str, dict[str, Any]]:
    """The Consent instances among them."""
    profiles = {"BasicConsent", "IntermediateConsent", "AdvancedConsent"}
    return {
        name: {"resourceType": "Consent"} | resource
        for name, (profile, resource) in instances(folder).items()
        if profile in profiles
    }


def _instance(block: str) -> dict[str, Any]:
    resource: dict[str, Any] = {}
    text = re.sub(r'""".*?"""', '""', block, flags=re.DOTALL)
    for path, value in _rules(text):
        if path.startswith(_NOT_NEEDED):
            continue
        _assign(resource, path, value)
    return resource


def _rules(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if match := _RULE.fullmatch(line.strip()):
            yield match[1], match[2].strip()


def _assign(resource: dict[str, Any], path: str, value: str) -> None:
    steps = [(m[1], m[2]) for m in map(_STEP.fullmatch, path.split(".")) if m is not None]
    holder: Any = resource
    for depth, (name, index) in enumerate(steps):
        last = depth == len(steps) - 1
        nested = name == "provision" and depth > 0
        if name in _LISTS or nested:
            items = holder.setdefault(name, [])
            if last:
                items.append(_value(name, value))
                return
            if not items or "[+]" in index:
                items.append({})
            holder = items[-1]
        elif last:
            holder[name] = _value(name, value)
        else:
            holder = holder.setdefault(name, {})


def _value(name: str, text: str) -> Any:
    if match := _REFERENCE.match(text):
        return {"reference": match[1]}
    if text.startswith('"'):
        return text.strip('"')
    if match := _CODE.match(text):
        system, code = match[1], match[2]
        if not system:
            return code
        system = {"LOINC": "http://loinc.org"}.get(system, system)
        coding = {"system": system, "code": code}
        return {"coding": [coding]} if name in _CONCEPTS else coding
    return text
