"""Walking a resource beside a profile: how often, which type, which codes, which invariants.

FHIR R4 5.1 (profiling), 2.33 (`$validate`). The resource has passed `parse_resource`, so its
structure is R4's; this says what more is asked of it. What cannot be decided here is said too.
"""

import json
from collections.abc import Iterator, Sequence
from re import compile as regex
from typing import Any, Final  # Any: JSON

from careledger.fhir.resource import parse_resource
from careledger.fhir.validate.findings import Finding, Severity
from careledger.fhir.validate.instances import Instance, Json, instances, other_types
from careledger.fhir.validate.invariants import holds
from careledger.fhir.validate.library import Element, Library, Profile, Rule, library
from careledger.fhir.validate.slicing import codes_in, has_code, is_like, slice_of

MOST: Final = 200
"""So many findings are given; a resource with more is wrong from the ground up."""

_LITERAL: Final = regex(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/.+)?")


def validate(data: bytes, profiles: Sequence[str] = ()) -> list[Finding]:
    """Hold a resource against R4, the profiles that it claims and those asked for.

    Raises:
        FhirError: it is no R4 resource at all; see `parse_resource`.
    """
    resource = parse_resource(data)
    root: dict[str, Any] = json.loads(data)  # JSON
    shelf = library()
    walk = _Walk(root, shelf)
    base = shelf.of_type(resource.type)
    if base is not None:
        walk.resource(root, base, resource.type)
    claimed = (root.get("meta") or {}).get("profile") or ()
    for url in dict.fromkeys([*profiles, *claimed]):
        profile = shelf.profile(url)
        if profile is None:
            asked = url in profiles
            walk.add(
                Finding(
                    "error" if asked else "information",
                    "not-found",
                    resource.type if asked else f"{resource.type}.meta.profile",
                    "this server has no such profile: nothing was held against it",
                )
            )
        elif profile.type != resource.type:
            text = f"the profile is for {profile.type}"
            walk.add(Finding("error", "structure", f"{resource.type}.meta.profile", text))
        else:
            walk.resource(root, profile, resource.type)
    return list(walk.found)


class _Walk:
    """One validation; `found` keeps each finding once, in order."""

    def __init__(self, root: Json, shelf: Library) -> None:
        self.root, self._library = root, shelf
        self.found: dict[Finding, None] = {}
        self._judged: set[tuple[str, str]] = set()

    def add(self, finding: Finding) -> None:
        """Keep a finding, as long as there are not too many."""
        if len(self.found) < MOST:
            self.found[finding] = None

    def resource(self, value: Json, profile: Profile, place: str) -> None:
        """Hold a whole resource against a profile of it."""
        outer, self.root = self.root, value
        self._rules(profile.root.rules, value, place, profile.type)
        self._members(value, profile, profile.root.id, place, profile.type)
        self.root = outer

    def _members(self, value: Json, profile: Profile, id_: str, place: str, path: str) -> None:
        """Everything directly inside an element that the profile has children for."""
        children = profile.children.get(id_, ())
        names = frozenset(one.name for one in children)
        for child in children:
            found = instances(value, child, place)
            self._count(child, len(found), f"{place}.{child.name}")
            for name in other_types(value, child, names):
                text = "this type is not allowed here"
                self.add(Finding("error", "structure", f"{place}.{name}", text))
            inner = f"{path}.{child.name.removesuffix('[x]')}"
            for one in found:
                self._one(one, child, profile, inner)
            if child.slicing is not None or child.id in profile.slices:
                self._slices(found, child, profile, inner, f"{place}.{child.name}")

    def _slices(
        self,
        found: Sequence[Instance],
        element: Element,
        profile: Profile,
        path: str,
        place: str,
    ) -> None:
        slices = profile.slices.get(element.id, ())
        counts = dict.fromkeys((one.id for one in slices), 0)
        for one in found:
            chosen = slice_of(one, element, slices, profile, self._library)
            if chosen is not None:
                counts[chosen.id] += 1
                self._one(one, chosen, profile, path)
            elif element.slicing is not None and element.slicing.rules == "closed":
                text = "none of the slices of the profile"
                self.add(Finding("error", "structure", one.place, text))
        for one_slice in slices:
            name = one_slice.id.rpartition(":")[2]
            self._count(one_slice, counts[one_slice.id], f"{place}:{name}")

    def _count(self, element: Element, count: int, place: str) -> None:
        if count < element.least:
            text = f"at least {element.least} needed, {count} found"
            self.add(Finding("error", "required", place, text))
        if element.most is not None and count > element.most:
            text = f"at most {element.most} allowed, {count} found"
            self.add(Finding("error", "structure", place, text))

    def _one(self, one: Instance, element: Element, profile: Profile, path: str) -> None:
        """One occurrence against what the profile says of its element, then of its type."""
        if one.value is None:
            return
        if element.value is not None and not is_like(
            one.value, element.value[1], exactly=element.value[0]
        ):
            wanted = json.dumps(element.value[1], ensure_ascii=False)
            self.add(Finding("error", "value", one.place, f"the profile asks for {wanted}"))
        self._binding(one, element, is_narrowed=profile.profile)
        self._targets(one, element)
        self._rules(element.rules, one.value, one.place, path)
        if not isinstance(one.value, dict):
            return
        if one.type == "Extension" and not _keeps_ext_1(one.value):
            text = "ext-1: Must have either extensions or value[x], not both"
            self.add(Finding("error", "invariant", one.place, text))
        for inside, id_ in self._content(one, element, profile):
            at = path if inside is profile else one.type
            if id_ == inside.root.id and "resourceType" in one.value:
                self.resource(one.value, inside, one.place)
            else:
                if id_ == inside.root.id:
                    self._rules(inside.root.rules, one.value, one.place, inside.type)
                self._members(one.value, inside, id_, one.place, at)

    def _content(
        self, one: Instance, element: Element, profile: Profile
    ) -> Iterator[tuple[Profile, str]]:
        """Where the parts of an occurrence are described: here, elsewhere here, or by its type."""
        if profile.children.get(element.id):
            yield profile, element.id
            if profile.profile:
                yield from self._typed(one, element)
            return
        if element.reference is not None:
            yield profile, element.reference
            return
        yield from self._typed(one, element)

    def _typed(self, one: Instance, element: Element) -> Iterator[tuple[Profile, str]]:
        base = self._library.of_type(one.type)
        if base is not None and one.type not in ("BackboneElement", "Element"):
            yield base, base.root.id
        for kind in element.kinds:
            for url in kind.profiles if kind.code == one.type else ():
                narrowed = self._library.profile(url)
                if narrowed is not None:
                    yield narrowed, narrowed.root.id
        if one.type == "Extension" and isinstance(one.value, dict):
            known = self._library.profile(str(one.value.get("url", "")))
            if known is not None and known.type == "Extension":
                yield known, known.root.id

    def _binding(self, one: Instance, element: Element, *, is_narrowed: bool) -> None:
        if element.binding is None:
            return
        strength, url = element.binding
        codes, name = self._library.sets.get(url), url.rpartition("/")[2]
        if codes is None:
            if strength == "required" and is_narrowed:
                text = f"its code was not looked up: the value set {name} is not here"
                self.add(Finding("information", "not-supported", one.place, text))
            return
        if has_code(one.value, codes):
            return
        if not codes_in(one.value) and strength == "extensible":
            return
        text = f"no code of the value set {name}"
        if strength == "required":
            self.add(Finding("error", "code-invalid", one.place, text))
        else:
            text += ": allowed only if the concept is not in it"
            self.add(Finding("warning", "code-invalid", one.place, text))

    def _targets(self, one: Instance, element: Element) -> None:
        """A reference leads to a type that the profile allows; where to is not looked up."""
        targets = [
            url for kind in element.kinds if kind.code == "Reference" for url in kind.targets
        ]
        if one.type != "Reference" or not targets or not isinstance(one.value, dict):
            return
        match = _LITERAL.fullmatch(str(one.value.get("reference", "")))
        stated = match[1] if match is not None else one.value.get("type")
        allowed = {self._type_of(url) for url in targets}
        if stated is not None and stated not in allowed and "Resource" not in allowed:
            text = f"a reference to {' or '.join(sorted(allowed))}"
            self.add(Finding("error", "value", one.place, text))

    def _type_of(self, url: str) -> str:
        profile = self._library.profile(url)
        return url.rpartition("/")[2] if profile is None else profile.type

    def _rules(self, rules: Sequence[Rule], value: Any, place: str, path: str) -> None:  # JSON
        for rule in rules:
            if (place, rule.key) in self._judged:
                continue
            self._judged.add((place, rule.key))
            kept = holds(rule, value, self.root, path)
            if kept is None:
                text = f"{rule.key} was not decided: {rule.human}"
                self.add(Finding("information", "not-supported", place, text))
            elif not kept:
                severity: Severity = "warning" if rule.severity == "warning" else "error"
                self.add(Finding(severity, "invariant", place, f"{rule.key}: {rule.human}"))


def _keeps_ext_1(extension: Json) -> bool:
    """Exactly one of a value and extensions inside (FHIR R4 2.4.1.1, ext-1)."""
    has_value = any(name.lstrip("_").startswith("value") for name in extension)
    return has_value is not ("extension" in extension)
