"""Local access: the organisation's own people reading its own records, decided like any other.

No grant is needed for treatment, payment and operations; a denial that names this organisation
stops it. Patients read their own record, and nothing else. Each access is in the journal before
it is released, and anchored in batches.
"""

from collections.abc import Sequence

from careledger.apps.consent.queries import decide_own_access, decide_workforce
from careledger.exchange.asker import Asker, action_of, predicate_of
from careledger.exchange.errors import AccessRefused
from careledger.exchange.journal import Journal, Read
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.organisation import Moment, Organisation
from careledger.exchange.release import gather
from careledger.ledger.commitment import RecordName
from careledger.ledger.record import AccountId
from careledger.mechanisms.messages import Query
from careledger.mechanisms.policy import Denied, Permit, Use
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.vault.opening import Opened


class LocalAccess:
    """Reads inside one organisation."""

    def __init__(self, organisation: Organisation, mailbox: Mailbox, journal: Journal) -> None:
        """Decide by the terms in `mailbox`; note every access in `journal`."""
        self._organisation, self._mailbox, self._journal = organisation, mailbox, journal

    def open(self, asker: Asker, type_: str, id_: str, version: int | None = None) -> Opened | None:
        """A resource, or one version of it; None if there is none or the patient withholds it.

        Raises:
            AccessRefused: the patient, or the purpose, does not allow it.
            Stale: nothing was decided.
        """
        vault = self._organisation.vault
        if type_ in DIRECTORY_TYPES:
            found = vault.open_directory(type_, id_, version)
            if found is not None:
                return found
        owner = vault.owner(type_, id_)
        if owner is None or not owner.accounts:
            return None
        query = Query(type=type_, id=id_, version=version)
        return next(iter(self._read(asker, owner.accounts, query)), None)

    def directory(self, query: Query) -> list[Opened]:
        """What the query finds of what belongs to no patient; nothing has to be decided.

        Raises:
            InvalidQuery: search parameters that are not answered here.
        """
        vault = self._organisation.vault
        found = (
            vault.open_directory(e.type, e.id) for e in vault.search_directory(predicate_of(query))
        )
        return [one for one in found if one is not None]

    def search(self, asker: Asker, local: str | None, query: Query) -> list[Opened]:
        """What the query finds of one patient; of all types if it names none.

        `local` is None where patients ask for their own record.

        Raises:
            AccessRefused: the patient, or the purpose, does not allow it.
            InvalidQuery: search parameters that are not answered here.
            Stale: nothing was decided.
        """
        predicate_of(query)
        vault = self._organisation.vault
        if local is None:
            account = asker.account
        else:
            patient = vault.patient(local)
            account = None if patient is None else vault.account_of(patient)
        return [] if account is None else self._read(asker, [account], query)

    def _read(self, asker: Asker, accounts: Sequence[AccountId], query: Query) -> list[Opened]:
        """Whoever is merged into another may have withheld it as either."""
        with self._organisation.now() as now:
            permits = self._permits(asker, accounts, query, now)
            found = gather(self._organisation.vault, permits, query, now.time)
            time = now.time
        self._journal.note(
            Read(
                at=time,
                account=accounts[0],
                member=self._organisation.member,
                practitioner=asker.practitioner,
                role=asker.role,
                purpose=asker.purpose,
                records=tuple(map(self._name, found)),
            )
        )
        return found

    def _permits(
        self, asker: Asker, accounts: Sequence[AccountId], query: Query, now: Moment
    ) -> list[Permit]:
        if asker.account is None:
            return [self._decide(asker, account, query, now) for account in accounts]
        if asker.account not in accounts:
            raise AccessRefused(("person",))
        return [self._decide(asker, asker.account, query, now)]

    def _decide(self, asker: Asker, account: AccountId, query: Query, now: Moment) -> Permit:
        mine = self._organisation.member
        use = Use(
            custodian=mine,
            account=account,
            requester=mine,
            purpose=asker.purpose,
            action=action_of(query),
            time=now.time,
            practitioner=asker.practitioner,
            role=asker.role,
        )
        if asker.account is not None:
            answer = decide_own_access(now.view, use, asker.account)
        else:
            answer = decide_workforce(now.view, use, self._mailbox.terms_of(account))
        if isinstance(answer, Denied):
            raise AccessRefused(answer.dimensions)
        return answer

    def _name(self, opened: Opened) -> RecordName:
        return RecordName(
            custodian=self._organisation.member,
            account=opened.account,
            type=opened.type,
            id=opened.id,
            version=opened.version,
        )
