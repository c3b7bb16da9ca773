"""Faults of decisions: consents, scopes, other members; and of exports."""

from dataclasses import replace
from typing import Any

from msgspec import structs

from careledger.exchange.limits import Limits
from careledger.mechanisms.terms import Provision, Terms
from careledger.vault.deposit import DIRECTORY_TYPES
from tests.rule.patching import Replace, all_of, always, faults, hidden, is_hidden, peek

REACH = "careledger.exchange.reach:Reach"
HOLDINGS = "careledger.exchange.holdings:Holdings"
PERMITS = "careledger.exchange.permits:Permits"
PARTNERS = "careledger.exchange.partners:Partners"
EXPORT = "careledger.exchange.bulk.writing:Writer"
TOKEN = "careledger.gateway.auth_limits:TokenLimits"


def _writes_all(original: Any) -> Any:
    def _patient(self: Any, reach: Any, local: str) -> None:
        original(self, reach, local)
        vault = reach._vault
        for node in all_of(vault).of_type(None, frozenset((local,)), lambda _: True):
            if is_hidden(reach, node.type, node.id):
                self._line(local, peek(vault, node.type, node.id))

    return _patient


def _deletions_of_all(original: Any) -> Any:
    def deleted(self: Any, local: str, since: Any) -> Any:
        yield from original(self, local, since)
        ref = self._vault.patient(local)
        patient = self._vault._opener._patients.patient(ref)
        for one in self._vault._opener.index(patient, until=2**53).of_type(None):
            if one.deleted and self._holdings.unseal(one.type, one.id) is None:
                yield peek(self._vault, one.type, one.id)

    return deleted


def _deletions_of_the_family(original: Any) -> Any:
    del original
    return lambda self, opened, local: True


def _everything_refers_to_all(original: Any) -> Any:
    def _included(reach: Any, matches: Any, asked: Any) -> Any:
        found = original(reach, matches, asked)
        met = {(one.type, one.id) for one in found}
        for node in hidden(reach):
            if node.type in DIRECTORY_TYPES - {"Group"} and (node.type, node.id) not in met:
                found.append(peek(reach._vault, node.type, node.id))
        return found

    return _included


# --- consent -------------------------------------------------------------------------------------


def _own_account_only(original: Any) -> Any:
    return lambda self, asker, action, accounts, now: original(
        self, asker, action, accounts if asker.account else accounts[:1], now
    )


def _anybody_is_oneself(original: Any) -> Any:
    def decide(self: Any, asker: Any, action: Any, accounts: Any, now: Any) -> Any:
        if asker.account is not None:
            asker = replace(asker, account=accounts[0])
        return original(self, asker, action, accounts, now)

    return decide


def _always_as(action: str) -> Replace:
    def patch(original: Any) -> Any:
        return lambda self, asker, _, accounts, now: original(self, asker, action, accounts, now)

    return patch


def _terms_that_are_missing_say_nothing(original: Any) -> Any:
    nothing = Terms(base=Provision(effect="deny", types=("Basic",)))
    return lambda *given: original(*given) or nothing


def _remembers_over_blocks(original: Any) -> Any:
    return lambda self, question, now: original(self, question, structs.replace(now, height=1))


def _unconfined(original: Any) -> Any:
    del original
    return property(lambda _: None)


def _partner_sees_the_directory(original: Any) -> Any:
    def _confined(self: Any, session: Any, limits: Limits) -> Limits:
        return Limits(original(self, session, limits).patient, limits.visible)

    return _confined


def _partner_sees_everybody(original: Any) -> Any:
    def _confined(self: Any, session: Any, limits: Limits) -> Limits:
        return Limits(None, original(self, session, limits).visible)

    return _confined


def _partner_beyond_scopes(original: Any) -> Any:
    def _confined(self: Any, session: Any, limits: Limits) -> Limits:
        return original(self, session, Limits(limits.patient))  # type: ignore[no-any-return] # patched

    return _confined


CONSENT = faults(
    (
        "$everything brings directory entries beyond the scopes",
        ("careledger.gateway.fhir_everything:_included", _everything_refers_to_all),
    ),
    ("an export is written with what is withheld", (f"{EXPORT}._patient", _writes_all)),
    (
        "an export is not looked at again when it is fetched",
        ("careledger.exchange.bulk.writing:_stands", always(answer=True)),
    ),
    ("an export has withheld deletions", (f"{REACH}.deleted", _deletions_of_all)),
    (
        "a merged patient's deletions stand twice",
        (f"{REACH}._is_own", _deletions_of_the_family),
    ),
    (
        "only the first permit of a merged patient is asked",
        ("careledger.exchange.holdings:Holding.rest_covers", always(answer=True)),
    ),
    ("only the own account of a merged patient", (f"{PERMITS}.decide", _own_account_only)),
    (
        "a patient is taken for another",
        (f"{PERMITS}.decide", _anybody_is_oneself),
        (f"{REACH}._only", always(answer=None)),
    ),
    ("a denial of searching is not asked", (f"{PERMITS}.decide", _always_as("read"))),
    ("a denial of reading is not asked", (f"{PERMITS}.decide", _always_as("search"))),
    (
        "terms that have not come say nothing",
        ("careledger.mechanisms.workforce:_terms", _terms_that_are_missing_say_nothing),
    ),
    (
        "any purpose will do",
        ("careledger.mechanisms.workforce:includes", always(answer=True)),
    ),
    ("what was permitted stays so over blocks", (f"{PERMITS}._answer", _remembers_over_blocks)),
    ("a Binary goes without its documents", (f"{HOLDINGS}._goes_with", always(answer=True))),
    (
        "what an older version had as its content goes free",
        ("careledger.vault.deposit:with_attached", lambda _: lambda facts, before: facts),
    ),
    ("the patient of a launch does not confine", (f"{TOKEN}.confined_to", _unconfined)),
    ("a patient's scopes reach everybody", (f"{TOKEN}._is_about", always(answer=True))),
    (
        "restrictions of scopes are not asked",
        ("careledger.gateway.auth_limits:is_within", always(answer=True)),
    ),
    ("scopes only open the door", (f"{TOKEN}.visible", always(answer=True))),
    (
        "everybody sees who is on a roster",
        ("careledger.exchange.reach:ROSTERS", lambda _: frozenset()),
    ),
    (
        "a letter brings what is denied as another, merged patient",
        ("careledger.exchange.deciding:check_merged", always(answer=None)),
    ),
    (
        "a grant opens what is denied as another, merged patient",
        ("careledger.exchange.partners:check_merged", always(answer=None)),
    ),
    (
        "another member sees the directory",
        (f"{PARTNERS}._confined", _partner_sees_the_directory),
    ),
    ("another member sees everybody", (f"{PARTNERS}._confined", _partner_sees_everybody)),
    (
        "another member's scopes are not asked",
        (f"{PARTNERS}._confined", _partner_beyond_scopes),
    ),
)
