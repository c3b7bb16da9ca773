"""Deciding a request at the custodian: committed state and terms in, permits or the refusal out."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from careledger.apps.consent.queries import (
    decide_break_glass,
    decide_own_access,
    is_denied,
    permits,
)
from careledger.apps.identity.queries import (
    is_acting_practitioner,
    is_patient_of,
    practitioner_roles,
)
from careledger.apps.records.basis import Basis, BreakGlassBasis, GrantBasis, OwnAccessBasis
from careledger.apps.records.queries import emergency
from careledger.exchange.errors import AccessRefused
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.organisation import Moment, Organisation
from careledger.exchange.release import Unopened, gather, is_out_of_reach
from careledger.ledger.errors import Malformed, UnknownSigner
from careledger.ledger.record import AccountId, MemberId
from careledger.ledger.state import View
from careledger.ledger.statement import parse_statement
from careledger.mechanisms.conflict import TermsOf
from careledger.mechanisms.emergency import CONTENT_TYPE, VerifiedEmergency, verify_emergency
from careledger.mechanisms.messages import Ask
from careledger.mechanisms.policy import Denied, Dimension, Permit
from careledger.mechanisms.request import VerifiedRequest
from careledger.vault.opening import Opened


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes: on which basis, a permit for each action asked, and what they open."""

    basis: Basis
    permits: tuple[Permit, ...]
    found: list[Opened]
    unopened: list[Unopened]
    """What they would open if it were still what was put."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """No, and in which dimensions, as requester and ledger may know it."""

    dimensions: tuple[Dimension, ...]


class Decider:
    """Decides for one custodian; remembers nothing between two decisions."""

    def __init__(self, organisation: Organisation, mailbox: Mailbox) -> None:
        """Decide by committed state and the terms in `mailbox`."""
        self._organisation, self._mailbox = organisation, mailbox

    def decide(
        self,
        ask: Ask,
        verified: VerifiedRequest,
        now: Moment,
        *,
        consent_id: bytes | None = None,
        emergency: bytes | None = None,
    ) -> Allowed | Forbidden:
        """Decide `ask` as of `now`; `consent_id` and `emergency` are those a session stands on."""
        outside = outside_of(verified, self._organisation.member, now)
        if outside:
            return Forbidden(outside)
        if verified.signer == verified.request.account:
            return self._own(ask, verified, now)
        statement = emergency or ask.emergency
        if statement is not None:
            return self._break_glass(ask, verified, now, statement)
        return self._granted(ask, verified, now, consent_id or verified.request.consent_id)

    def _own(self, ask: Ask, verified: VerifiedRequest, now: Moment) -> Allowed | Forbidden:
        answers = [
            decide_own_access(now.view, use, verified.signer)
            for use in verified.uses(str(verified.request.account), now.time)
        ]
        return self._allowed(ask, now, OwnAccessBasis(), answers)

    def _break_glass(
        self, ask: Ask, verified: VerifiedRequest, now: Moment, statement: bytes
    ) -> Allowed | Forbidden:
        try:
            stated = self._stated(statement, now)
        except (Malformed, UnknownSigner):
            return Forbidden(("consent",))
        answers = [
            decide_break_glass(now.view, use, stated)
            for use in verified.uses(str(verified.request.account), now.time)
        ]
        return self._allowed(ask, now, BreakGlassBasis(statement=statement), answers)

    def _stated(self, statement: bytes, now: Moment) -> VerifiedEmergency:
        """A statement arrives within its own hour; one that did counts as long as it says."""
        mine = self._organisation
        id_ = parse_statement(statement, CONTENT_TYPE).id
        row = emergency(now.view, mine.member, id_)
        time = now.time if row is None else row.since
        return verify_emergency(statement, now.view, mine.chain, time)

    def _granted(
        self, ask: Ask, verified: VerifiedRequest, now: Moment, cited: bytes | None
    ) -> Allowed | Forbidden:
        """The grant that covers every action, and of several the one that opens most."""
        account = AccountId(str(verified.request.account))
        terms_of = self._mailbox.terms_of(account, ask.presented)
        granted = serving(verified, account, now, terms_of, cited)
        if isinstance(granted, Forbidden):
            return granted
        best: Allowed | None = None
        for id_, answers in granted.items():
            one = self._allowed(ask, now, GrantBasis(consent_id=id_), answers)
            is_better = isinstance(one, Allowed) and (
                best is None or len(one.found) > len(best.found)
            )
            if is_better and isinstance(one, Allowed):
                best = one
        return best or Forbidden(("terms",))

    def _allowed(
        self, ask: Ask, now: Moment, basis: Basis, answers: Sequence[Permit | Denied]
    ) -> Allowed | Forbidden:
        granted: list[Permit] = []
        for answer in answers:
            if isinstance(answer, Denied):
                return Forbidden(answer.dimensions)
            granted.append(answer)
        if any(is_out_of_reach(permit, ask.query) for permit in granted):
            return Forbidden(("terms",))
        unopened: list[Unopened] = []
        mine = self._organisation
        found = gather(
            mine.vault,
            granted,
            ask.query,
            now.time,
            unopened,
            mine.indexed,
            lambda accounts: check_merged(now.view, granted, accounts),
        )
        return Allowed(basis, tuple(granted), found, unopened)


def outside_of(verified: VerifiedRequest, mine: MemberId, now: Moment) -> tuple[Dimension, ...]:
    """Where a request falls outside before any consent is asked: whose, and who asks."""
    account = verified.request.account
    if account is None or not is_patient_of(now.view, AccountId(account), mine):
        return ("consent",)  # as for a patient who never consented to anything
    return _check_person(verified, now)


def serving(
    verified: VerifiedRequest,
    account: AccountId,
    now: Moment,
    terms_of: TermsOf,
    cited: bytes | None,
) -> dict[bytes, tuple[Permit, ...]] | Forbidden:
    """The grants that serve every action asked for, each with a permit for each; never empty.

    `cited` is the only one that may serve, or None for any.
    """
    answers: list[dict[bytes, Permit]] = []
    for use in verified.uses(account, now.time):
        answer = permits(now.view, use, terms_of)
        if isinstance(answer, Denied):
            return Forbidden(answer.dimensions)
        answers.append({permit.basis.id: permit for permit in answer})
    found = {
        id_: tuple(permitted[id_] for permitted in answers)
        for id_ in answers[0]
        if cited in {None, id_} and all(id_ in permitted for permitted in answers)
    }
    return found or Forbidden(("consent",))


def check_merged(view: View, granted: Sequence[Permit], accounts: Sequence[AccountId]) -> None:
    """See whether a grant opens the record of `accounts`, one of which it may not be of.

    Whoever is merged into another may have denied it as either. What such a denial says in its
    terms is not asked: the whole record stays.

    Raises:
        AccessRefused: it does not.
    """
    for permit in granted:
        for account in accounts:
            if permit.basis.name == "grant" and account != permit.use.account:
                use = msgspec.structs.replace(permit.use, account=account)
                if is_denied(view, use):
                    raise AccessRefused(("denial",))


def _check_person(verified: VerifiedRequest, now: Moment) -> tuple[Dimension, ...]:
    """Whoever is named must practise at the requester, in the role that is stated."""
    asked = verified.request
    if asked.practitioner is None:
        return ()
    person, member = AccountId(asked.practitioner), MemberId(asked.requester)
    at = verified.emergency_at(now.time)
    if not is_acting_practitioner(now.view, person, member, at):
        return ("person",)
    if asked.role is not None and asked.role not in practitioner_roles(now.view, person):
        return ("role",)
    return ()
