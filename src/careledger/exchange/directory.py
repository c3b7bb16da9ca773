"""The organisation's own directory by identifier, for conditional creates and references."""

from collections import defaultdict
from re import compile as regex
from typing import Final
from urllib.parse import parse_qsl

from careledger.fhir.errors import BadParameterValue, UnsupportedRequest
from careledger.fhir.index import Facts, Token
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.vault.vault import Vault

_CONDITIONAL: Final = regex(r"([A-Z][A-Za-z]+)\?(.+)")


class Directory:
    """Who is who among practitioners, organisations and places. In memory, read once."""

    def __init__(self, vault: Vault) -> None:
        """Read what the vault's directory holds."""
        self._found = defaultdict[tuple[str, Token], set[str]](set)
        for entry in vault.search_directory(lambda _: True):
            self.add(entry.facts)

    def add(self, facts: Facts) -> None:
        """Know of a resource that is now in the directory."""
        if facts.type in DIRECTORY_TYPES and facts.id is not None:
            for identifier in facts.identifiers:
                self._found[facts.type, identifier].add(facts.id)

    def find(self, type_: str, condition: str) -> set[str]:
        """Ids of what has the identifier that the condition names.

        Raises:
            UnsupportedRequest: another condition than an identifier, or a type of patients' data.
            BadParameterValue: not `system|value`.
        """
        parameters = parse_qsl(condition, keep_blank_values=True)
        if type_ not in DIRECTORY_TYPES or [name for name, _ in parameters] != ["identifier"]:
            raise UnsupportedRequest("one identifier, of a type that is about no patient")
        system, bar, value = parameters[0][1].partition("|")
        if not bar or not value:
            raise BadParameterValue("system|value", "identifier")
        return self._found.get((type_, (system, value)), set())

    def resolve(self, reference: str) -> str | None:
        """What `Type?identifier=system|value` refers to; None unless it is exactly one.

        Raises:
            UnsupportedRequest, BadParameterValue: as `find` does.
        """
        match = _CONDITIONAL.fullmatch(reference)
        found = self.find(match[1], match[2]) if match is not None else set()
        return f"{match[1]}/{next(iter(found))}" if match is not None and len(found) == 1 else None
