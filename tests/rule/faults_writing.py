"""Faults of what whoever writes may find out."""

from dataclasses import replace
from typing import Any

from tests.rule.patching import all_of, faults

FINDING = "careledger.exchange.writer:Finding"


def _finds_all(original: Any) -> Any:
    def find(self: Any, type_: str, criteria: str) -> Any:
        mine = type(self)._graph
        type(self)._graph = lambda one, *_: all_of(one._vault)
        try:
            return original(self, type_, criteria)
        finally:
            type(self)._graph = mine

    return find


def _resolves_all(original: Any) -> Any:
    def resolve(self: Any, reference: str) -> Any:
        mine = type(self)._graph
        type(self)._graph = lambda one, *_: all_of(one._vault)
        try:
            return original(self, reference)
        finally:
            type(self)._graph = mine

    return resolve


def _there_if_anywhere(original: Any) -> Any:
    return lambda self, type_, id_: (
        original(self, type_, id_) or (all_of(self._vault).get(type_, id_) is not None)
    )


def _a_patient_if_any(original: Any) -> Any:
    return lambda self, local: original(self, local) or self._vault.patient(local) is not None


def _keeps_records(original: Any) -> Any:
    """Whoever may write is taken for one of the organisation's systems."""

    def writing_caller(request: Any, services: Any) -> Any:
        return replace(original(request, services), keeps_records=True)

    return writing_caller


WRITING = faults(
    ("conditions are compared with everything", (f"{FINDING}.find", _finds_all)),
    ("conditional references lead everywhere", (f"{FINDING}.resolve", _resolves_all)),
    ("an id that is withheld is taken", (f"{FINDING}.is_there", _there_if_anywhere)),
    (
        "references to what is withheld are let in",
        (f"{FINDING}.may_refer_to", _there_if_anywhere),
    ),
    ("a withheld patient is one to write for", (f"{FINDING}.is_patient", _a_patient_if_any)),
    (
        "$import takes from anybody",
        ("careledger.gateway.bulk_import:writing_caller", _keeps_records),
    ),
    (
        "whoever writes keeps records",
        ("careledger.gateway.fhir_write:writing_caller", _keeps_records),
    ),
)
