"""The organisation's own directory by identifier, for conditional creates and references."""

from collections import defaultdict
from typing import Final
from urllib.parse import parse_qsl

from careledger.fhir.index import Facts, Token
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.vault.vault import Vault

_LONGEST: Final = 1_000


class Directory:
    """Who is who among practitioners, organisations and places. In memory, read once."""

    def __init__(self, vault: Vault) -> None:
        """Read what the vault's directory holds."""
        self._found = defaultdict[tuple[str, Token], set[str]](set)
        self._known: dict[tuple[str, str], tuple[Token, ...]] = {}
        for entry in vault.search_directory(lambda _: True):
            self.add(entry.facts)

    def add(self, facts: Facts) -> None:
        """Know of a resource that is now in the directory, and no more of what it was before."""
        if facts.type not in DIRECTORY_TYPES or facts.id is None:
            return
        self.drop(facts.type, facts.id)
        self._known[facts.type, facts.id] = facts.identifiers
        for identifier in facts.identifiers:
            self._found[facts.type, identifier].add(facts.id)

    def drop(self, type_: str, id_: str) -> None:
        """Know no more of a resource that is now deleted."""
        for identifier in self._known.pop((type_, id_), ()):
            self._found[type_, identifier].discard(id_)

    def answers(self, type_: str, criteria: str) -> bool:
        """Whether the criteria are one identifier with its system, of what is kept here."""
        return type_ in DIRECTORY_TYPES and _identifier(criteria) is not None

    def find(self, type_: str, criteria: str) -> set[str]:
        """Ids of what has the identifier; none where `answers` says no."""
        identifier = _identifier(criteria)
        return set() if identifier is None else set(self._found.get((type_, identifier), ()))


def _identifier(criteria: str) -> Token | None:
    if not criteria.startswith("identifier=") or len(criteria) > _LONGEST:
        return None
    parameters = parse_qsl(criteria, keep_blank_values=True)
    if len(parameters) != 1 or "," in parameters[0][1] or "\\" in parameters[0][1]:
        return None
    system, bar, value = parameters[0][1].partition("|")
    return (system, value) if bar and system and value else None
