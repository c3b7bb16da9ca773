"""Permits of an organisation's own people and patients, decided once and used while they count.

A decision follows from some rows of committed state, the terms in the mailbox and the minute
(consents begin and end with a day). As long as none of these has changed the same question has the
same answer: after each block the rows are read again before an answer is given again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from careledger.apps.consent.queries import decide_own_access, decide_workforce
from careledger.exchange.asker import Asker
from careledger.exchange.errors import AccessRefused
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.organisation import Moment, Organisation
from careledger.exchange.witness import Watched, Witness
from careledger.ledger.record import AccountId
from careledger.ledger.state import View
from careledger.mechanisms.policy import Denied, Permit, Use
from careledger.mechanisms.purpose import includes
from careledger.mechanisms.terms import Action
from careledger.mechanisms.workforce import OWN_PURPOSES

_MOST = 100_000
_MINUTE_S = 60

Answer = Permit | Denied


class _Era(NamedTuple):
    """What an answer follows from, apart from the question and the rows that it read."""

    minute: int
    letters: int


class _Question(NamedTuple):
    asker: Asker
    account: AccountId
    action: Action


@dataclass(slots=True)
class _Known:
    """An answer. Mutable: it knows up to which block it is good."""

    answer: Answer
    witness: Witness
    height: int
    """Of the state in which it was found last what was read for it."""

    def is_good(self, now: Moment) -> bool:
        """Whether asking again would give the same answer, or one that lasts longer."""
        if isinstance(self.answer, Permit) and not self.answer.is_live(now.time):
            return False
        if self.height != now.height:
            if not self.witness.holds_in(now.committed):
                return False
            self.height = now.height
        return True


class Permits:
    """Decides for one organisation; any thread may ask."""

    def __init__(self, organisation: Organisation, mailbox: Mailbox) -> None:
        """Decide by committed state and the terms in `mailbox`."""
        self._organisation, self._mailbox = organisation, mailbox
        self._known: tuple[_Era, dict[_Question, _Known]] = (_Era(-1, -1), {})

    def decide(
        self, asker: Asker, action: Action, accounts: Sequence[AccountId], now: Moment
    ) -> tuple[Permit, ...]:
        """One permit for each of a patient's accounts, every one of which must cover a resource.

        Whoever is merged into another may have withheld it as either. A patient needs none but
        their own.

        Raises:
            AccessRefused: the patient, or the purpose, does not allow it.
        """
        if asker.account is not None:
            if asker.account not in accounts:
                raise AccessRefused(("person",))
            accounts = [asker.account]
        permits = list[Permit]()
        for account in accounts:
            answer = self._answer(_Question(asker, account, action), now)
            if isinstance(answer, Denied):
                raise AccessRefused(answer.dimensions)
            permits.append(answer)
        if not permits:
            raise AccessRefused(("consent",))
        return tuple(permits)

    def opens_own(self, asker: Asker) -> bool:
        """Whether the organisation's own resources are open: to its people and systems alone.

        They are about nobody, so no consent decides on them; the purpose has to be the house's.
        """
        return asker.account is None and includes(OWN_PURPOSES, asker.purpose)

    def _answer(self, question: _Question, now: Moment) -> Answer:
        era = _Era(now.time // _MINUTE_S, self._mailbox.letters)
        known = self._known
        if known[0] != era or len(known[1]) > _MOST:
            known = self._known = era, {}
        found = known[1].get(question)
        if found is None or not found.is_good(now):
            found = known[1][question] = self._decide(question, now)
        return found.answer

    def _decide(self, question: _Question, now: Moment) -> _Known:
        watched = Watched(now.committed)
        answer = self._ask(question, View(watched), now)
        return _Known(answer, watched.witness(), now.height)

    def _ask(self, question: _Question, view: View, now: Moment) -> Answer:
        asker, mine = question.asker, self._organisation.member
        use = Use(
            custodian=mine,
            account=question.account,
            requester=mine,
            purpose=asker.purpose,
            action=question.action,
            time=now.time,
            practitioner=asker.practitioner,
            role=asker.role,
        )
        if asker.account is not None:
            return decide_own_access(view, use, asker.account)
        return decide_workforce(view, use, self._mailbox.terms_of(question.account))
