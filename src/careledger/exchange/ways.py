"""Ways to ask: which handle and which grant a request for a patient's records may rely on."""

from dataclasses import dataclass

from careledger.apps.consent.queries import consent
from careledger.exchange.asker import Asker, action_of
from careledger.exchange.errors import AccessRefused
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.organisation import Moment, Organisation
from careledger.ledger.record import AccountId, MemberId, decode
from careledger.ledger.statement import parse_statement
from careledger.mechanisms.delivery import TermsPackage
from careledger.mechanisms.emergency import CONTENT_TYPE, Emergency
from careledger.mechanisms.messages import Presented, Query
from careledger.mechanisms.policy import Use


@dataclass(frozen=True, slots=True)
class Way:
    """One way to ask: the custodian's handle for the patient, and what the request relies on."""

    account: AccountId | None
    consent_id: bytes | None = None
    presented: tuple[Presented, ...] = ()
    emergency: bytes | None = None


class Ways:
    """Finds them for the patients of one organisation."""

    def __init__(self, organisation: Organisation, mailbox: Mailbox) -> None:
        """Look in `mailbox`."""
        self._organisation, self._mailbox = organisation, mailbox

    def find(
        self,
        local: str,
        custodian: MemberId,
        query: Query,
        asker: Asker,
        emergency: bytes | None,
    ) -> list[Way]:
        """Every grant that serves by its envelope; else the nearest thing, to be refused.

        Raises:
            AccessRefused: this organisation has no such patient.
            Malformed: not an emergency statement.
        """
        if emergency is not None:
            said = parse_statement(emergency, CONTENT_TYPE)
            account = AccountId(decode(said.payload, Emergency).account)
            return [Way(account=account, emergency=emergency)]
        patient = self._organisation.vault.patient(local)
        if patient is None:
            raise AccessRefused(("consent",))
        known = self._mailbox.grants_for(self._organisation.vault.account_of(patient), custodian)
        with self._organisation.now() as now:
            serving = [one for one in known if self._serves(one, query, asker, now)]
        if serving:
            return [_by_grant(package) for package in serving]
        return [Way(account=AccountId(known[-1].custodian_account) if known else None)]

    def _serves(self, package: TermsPackage, query: Query, asker: Asker, now: Moment) -> bool:
        envelope = consent(now.view, package.custodian_account, package.consent_id)
        if envelope is None or envelope.kind != "grant":
            return False
        use = Use(
            custodian=package.custodian,
            account=package.custodian_account,
            requester=self._organisation.member,
            purpose=asker.purpose,
            action=action_of(query),
            time=now.time,
            practitioner=asker.practitioner,
            role=asker.role,
        )
        return envelope.matches(use)


def _by_grant(package: TermsPackage) -> Way:
    presented: tuple[Presented, ...] = ()
    if package.terms is not None and package.salt is not None:
        one = Presented(consent_id=package.consent_id, terms=package.terms, salt=package.salt)
        presented = (one,)
    return Way(AccountId(package.custodian_account), package.consent_id, presented)
