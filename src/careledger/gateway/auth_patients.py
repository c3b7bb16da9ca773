"""Patients for whom an application may be opened: only those whom the person may see, and why."""

from re import compile as regex
from typing import Any, Final

import msgspec

from careledger.exchange.asker import Asker
from careledger.exchange.errors import AccessRefused
from careledger.exchange.exchange import Exchange
from careledger.exchange.reach import Reach
from careledger.fhir.dates import span
from careledger.fhir.search.graph import Node
from careledger.gateway.pages.steps import Choice

MOST: Final = 20
SHORTEST: Final = 2

_DATE: Final = regex(r"[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
_BETWEEN: Final = regex(r"[\s\-]+")
_NAMES: Final = ("name", "family", "given", "phonetic")


class PatientPicker:
    """Looks for patients in one person's reach; what it shows is in the patient's log."""

    def __init__(self, exchange: Exchange) -> None:
        """Look in `exchange`."""
        self._exchange = exchange

    def search(self, asker: Asker, text: str) -> list[Choice]:
        """Patients by the beginnings of their names, by birth date, or by a whole identifier."""
        wanted = text.strip().casefold()
        if len(wanted) < SHORTEST:
            return []
        with self._exchange.reach(asker, action="search") as reach:
            nodes = reach.of_type("Patient", None, lambda node: _is_named(node, wanted))
            found = [node for node, _ in zip(nodes, range(MOST), strict=False)]
            return [one for node in found for one in _choices(reach, node)]

    def find(self, asker: Asker, id_: str) -> Choice | None:
        """One patient by id; None if there is none in reach."""
        try:
            with self._exchange.reach(asker) as reach:
                node = reach.get("Patient", id_)
                return None if node is None else next(iter(_choices(reach, node)), None)
        except AccessRefused:
            return None

    def own(self, asker: Asker) -> Choice | None:
        """The entry of the patient who asks."""
        with self._exchange.reach(asker) as reach:
            node = next(iter(reach.of_type("Patient", None, lambda _: True)), None)
            return None if node is None else next(iter(_choices(reach, node)), None)

    def has_encounter(self, asker: Asker, id_: str, patient: str) -> bool:
        """Whether there is such an encounter of this patient in reach."""
        with self._exchange.reach(asker) as reach:
            node = reach.get("Encounter", id_)
            return node is not None and patient in node.facts.patients


def _is_named(node: Node, wanted: str) -> bool:
    facts, values = node.facts, node.values
    if wanted == node.id.casefold() or any(
        wanted == value.casefold() for _, value in facts.identifiers
    ):
        return True
    if _DATE.fullmatch(wanted):
        return span(wanted) in values.dates.get("birthdate", ())
    names = (text for name in _NAMES for text in values.strings.get(name, ()))
    words = {word for text in names for word in _BETWEEN.split(text.casefold())}
    asked = [word for word in _BETWEEN.split(wanted) if word]
    return bool(asked) and all(any(word.startswith(one) for word in words) for one in asked)


def _choices(reach: Reach, node: Node) -> list[Choice]:
    opened = reach.open(node)
    if opened is None or opened.deleted:
        return []
    found = msgspec.json.decode(opened.data)
    return [Choice(node.id, _name(found) or node.id, str(found.get("birthDate", "")))]


def _name(patient: dict[str, Any]) -> str:  # Any: JSON
    for name in patient.get("name", []):
        parts = [*name.get("given", []), name.get("family", "")]
        text = name.get("text") or " ".join(str(part) for part in parts if part)
        if text:
            return str(text)
    return ""
