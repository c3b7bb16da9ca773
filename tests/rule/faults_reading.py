"""Faults of reads and histories."""

from typing import Any

from careledger.gateway.outcome import Refused
from tests.rule.patching import Replace, always, faults, hidden, peek

REACH = "careledger.exchange.reach:Reach"


def _opens(*, older: bool) -> Replace:
    """Reads of what is withheld answer."""

    def patch(original: Any) -> Any:
        def open_version(self: Any, type_: str, id_: str, version: int | None = None) -> Any:
            found = original(self, type_, id_, version)
            if found is None and older == (version is not None):
                return peek(self._vault, type_, id_, version)
            return found

        return open_version

    return patch


def _older_only(original: Any) -> Any:
    def open_version(self: Any, type_: str, id_: str, version: int | None = None) -> Any:
        found = original(self, type_, id_, version)
        if found is None and version is not None and self.get(type_, id_) is not None:
            return peek(self._vault, type_, id_, version)
        return found

    return open_version


def _says_so(original: Any) -> Any:
    """A read of what is withheld is forbidden, one of what is absent is not found."""

    def _open(self: Any, caller: Any, type_: str, id_: str, version: int | None) -> Any:
        found = original(self, caller, type_, id_, version)
        vault = self._services.organisation.vault
        if found is None and vault.owner(type_, id_) is not None:
            raise Refused(403, "forbidden", "the patient does not allow it")
        return found

    return _open


def _not_found_says_whose(original: Any) -> Any:
    def _open(self: Any, caller: Any, type_: str, id_: str, version: int | None) -> Any:
        found = original(self, caller, type_, id_, version)
        if found is None and peek(self._services.organisation.vault, type_, id_) is not None:
            raise Refused(404, "not-found", f"no {type_} that you may see")
        return found

    return _open


def _etag_counts_all(original: Any) -> Any:
    return lambda opened: original(opened) | {"ETag": f'W/"{opened.seq}"'}


# --- histories -----------------------------------------------------------------------------------


def _history_of_one(original: Any) -> Any:
    def history(self: Any, type_: Any = None, id_: Any = None, *rest: Any, **more: Any) -> Any:
        found = list(original(self, type_, id_, *rest, **more))
        if not found and type_ and id_:
            found = [one for one in (peek(self._vault, type_, id_),) if one is not None]
        return iter(found)

    return history


def _history_of(several: str) -> Replace:
    """The history of a type, or of all, has what is withheld."""

    def patch(original: Any) -> Any:
        def history(self: Any, type_: Any = None, id_: Any = None, *rest: Any, **more: Any) -> Any:
            yield from original(self, type_, id_, *rest, **more)
            if id_ is None and (type_ is None) == (several == "all"):
                for node in hidden(self, type_):
                    opened = peek(self._vault, node.type, node.id)
                    if opened is not None:
                        yield opened

        return history

    return patch


def _current_at(original: Any) -> Any:
    def current_at(self: Any, time: Any, type_: Any = None, *rest: Any, **more: Any) -> Any:
        yield from original(self, time, type_, *rest, **more)
        for node in hidden(self, type_)[:1]:
            yield peek(self._vault, node.type, node.id)

    return current_at


READING = faults(
    ("a read opens what is withheld", (f"{REACH}.open_version", _opens(older=False))),
    ("a version of what is withheld", (f"{REACH}.open_version", _opens(older=True))),
    ("a withheld version, read by its number", (f"{REACH}.open_version", _older_only)),
    (
        "withheld is forbidden, absent is not found",
        ("careledger.gateway.fhir_read:Reads._open", _says_so),
    ),
    (
        "an error message names what is withheld",
        ("careledger.gateway.fhir_read:Reads._open", _not_found_says_whose),
    ),
    (
        "entity tags count over all patients",
        ("careledger.gateway.fhir_read:version_headers", _etag_counts_all),
        ("careledger.gateway.fhir_http:version_headers", _etag_counts_all),
    ),
    (
        "older versions are not asked about in the vault's history",
        ("careledger.vault.history:covers", always(answer=True)),
    ),
    ("the history of a resource that is withheld", (f"{REACH}.history", _history_of_one)),
    ("a type's history has what is withheld", (f"{REACH}.history", _history_of("type"))),
    ("the whole history has what is withheld", (f"{REACH}.history", _history_of("all"))),
    ("a history at a time has what is withheld", (f"{REACH}.current_at", _current_at)),
)
