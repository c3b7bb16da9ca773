"""Another member reads at our own doors: in a disclosure session, opened by its signed request.

The disclosure is on the ledger before the first read. Each read is decided anew by committed state
and the terms, and is in the journal of the session before it is released; when the patient ends the
consent, the session ends with the block.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from careledger.apps.records.basis import GrantBasis
from careledger.apps.records.commands import SESSION_S, Disclosed, DiscloseRecords, RefuseAccess
from careledger.apps.records.queries import is_answered
from careledger.exchange.asker import Asker
from careledger.exchange.bodies import Bodies
from careledger.exchange.deciding import Forbidden, check_merged, outside_of, serving
from careledger.exchange.errors import AccessRefused, RequestRejected
from careledger.exchange.journal import Journal, Read
from careledger.exchange.limits import Limits
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.organisation import Moment, Organisation, events_of
from careledger.exchange.patience import Patience
from careledger.exchange.reach import Reach
from careledger.exchange.session import Session, Sessions
from careledger.ledger.errors import Malformed, UnknownSigner
from careledger.ledger.record import AccountId, Digest, Instant
from careledger.ledger.transaction import OverBudget
from careledger.mechanisms.messages import manifest
from careledger.mechanisms.policy import Dimension, Permit
from careledger.mechanisms.request import VerifiedRequest, verify_request
from careledger.mechanisms.terms import Action
from careledger.vault.deposit import DIRECTORY_TYPES


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A session that is open, and what its receiver acknowledges."""

    id: bytes
    number: int
    expires: Instant
    manifest: Digest


class Partners:
    """The sessions of other members at one organisation's doors."""

    def __init__(
        self,
        organisation: Organisation,
        mailbox: Mailbox,
        journal: Journal,
        sessions: Sessions,
        bodies: Bodies | None = None,
    ) -> None:
        """Decide by the terms in `mailbox`; note reads in `journal`."""
        self._organisation, self._mailbox = organisation, mailbox
        self._journal, self._bodies = journal, bodies
        self._sessions, self._patience = sessions, Patience()

    def verify(self, request: bytes) -> VerifiedRequest:
        """A request that is signed by whoever it says asks, of us, for the first time.

        Raises:
            Malformed: it is not.
            RequestRejected: the requester was refused too often.
        """
        mine = self._organisation
        with mine.now() as now:
            try:
                verified = verify_request(request, now.view, mine.chain, now.time)
            except UnknownSigner as error:
                raise Malformed from error
            if verified.request.custodian != mine.member:
                raise Malformed
            if verified.receiver.startswith("@"):
                raise Malformed
            if is_answered(now.view, mine.member, verified.id):
                raise Malformed
            if not self._patience.is_left(verified.receiver, mine.clock()):
                raise RequestRejected(OverBudget.code, OverBudget.text())
        return verified

    async def open(self, request: bytes, verified: VerifiedRequest) -> Opened:
        """Decide, record it on the ledger, and open the session; nothing is released by this.

        Raises:
            AccessRefused: it was refused, which is on the ledger too.
            CommandRefused: the ledger sees it otherwise: something changed meanwhile.
            Unavailable: nothing was decided.
        """
        with self._organisation.now() as now:
            answer = self._decide(verified, now, verified.request.consent_id)
            time = now.time
        if isinstance(answer, Forbidden):
            await self._refuse(request, verified, answer.dimensions)
            raise AccessRefused(answer.dimensions)
        basis = GrantBasis(consent_id=answer[0].basis.id)
        command = _disclosure(request, verified, basis)
        ordered = await self._organisation.submit("records", command)
        (disclosed,) = events_of(ordered.receipt, Disclosed)
        session = Session(
            id=command.session,
            receiver=verified.receiver,
            account=AccountId(command.account),
            opened_by=verified,
            transaction=ordered.receipt.id,
            number=disclosed.number,
            expires=disclosed.expires,
            basis=disclosed.basis,
            consent_id=basis.consent_id,
            emergency=None,
        )
        self._sessions.add(session, time)
        return Opened(
            id=session.id,
            number=session.number,
            expires=session.expires,
            manifest=Digest(command.manifest),
        )

    def is_open(self, id_: bytes, now: Instant) -> bool:
        """Whether there is such a session."""
        return self._sessions.find(id_, now) is not None

    @contextmanager
    def reach(self, id_: bytes, limits: Limits, action: Action) -> Iterator[Reach]:
        """What the session's receiver may see now, until the end of the block; noted then.

        Raises:
            AccessRefused: nothing any more, or not that; the session is over with what it stood on.
            Stale: nothing was decided.
        """
        with self._organisation.now() as now:
            session = self._sessions.find(id_, now.time)
            if session is None:
                raise AccessRefused(("status",))
            asked = session.opened_by.request
            if action not in asked.actions:
                raise AccessRefused(("action",))
            answer = self._decide(session.opened_by, now, session.consent_id)
            if isinstance(answer, Forbidden):
                self._sessions.close(id_)
                raise AccessRefused(answer.dimensions)
            permit = next(one for one in answer if one.use.action == action)
            reach = Reach(
                self._organisation,
                _Fixed(permit),
                _InSession(self._journal, session),
                Asker(purpose=asked.purpose, practitioner=_person(session), role=asked.role),
                now,
                limits=self._confined(session, limits),
                action=action,
                bodies=self._bodies,
            )
            yield reach
            reach.note()

    def _decide(
        self, verified: VerifiedRequest, now: Moment, cited: bytes | None
    ) -> tuple[Permit, ...] | Forbidden:
        """A permit for each action, all on one grant; never empty."""
        outside = outside_of(verified, self._organisation.member, now)
        if outside:
            return Forbidden(outside)
        account = AccountId(str(verified.request.account))
        granted = serving(verified, account, now, self._mailbox.terms_of(account), cited)
        return granted if isinstance(granted, Forbidden) else next(iter(granted.values()))

    async def _refuse(
        self, request: bytes, verified: VerifiedRequest, outside: tuple[Dimension, ...]
    ) -> None:
        account = verified.request.account
        command = RefuseAccess(account=account, request=request, dimensions=outside)
        await self._organisation.submit("records", command)
        self._patience.use(verified.receiver, self._organisation.clock())

    def _confined(self, session: Session, limits: Limits) -> Limits:
        """The one patient, and nothing of the directory: that is not what was disclosed."""
        vault = self._organisation.vault
        patient = vault.patient_of(session.account)
        local = "" if patient is None else vault.local_of(patient)
        inner = limits.visible
        return Limits(
            local,
            lambda facts, interaction: (
                (facts.type not in DIRECTORY_TYPES or bool(facts.patients))
                and inner(facts, interaction)
            ),
        )


def _disclosure(request: bytes, verified: VerifiedRequest, basis: GrantBasis) -> DiscloseRecords:
    """Of no records yet: what is read in the session is committed to when it is anchored."""
    return DiscloseRecords(
        account=str(verified.request.account),
        request=request,
        basis=basis,
        manifest=manifest(secrets.token_bytes(32), verified.id, ()),
        session=secrets.token_bytes(16),
        ttl_s=SESSION_S,
    )


class _Fixed:
    """Stands where `Permits` decides for our own people: here it is decided already."""

    def __init__(self, permit: Permit) -> None:
        self._permit: Final = permit

    def decide(
        self,
        asker: Asker,  # noqa: ARG002 - as `Decides` has it
        action: Action,  # noqa: ARG002
        accounts: Sequence[AccountId],
        now: Moment,
    ) -> tuple[Permit, ...]:
        """The one permit, for whoever has not denied it under another account."""
        permits = (self._permit,)
        check_merged(now.view, permits, accounts)
        return permits

    def opens_own(self, asker: Asker) -> bool:  # noqa: ARG002 - as `Decides` has it
        """What was disclosed is of one patient."""
        return False


class _InSession:
    """The journal of one session: reads are noted as the other member's, with its request."""

    def __init__(self, journal: Journal, session: Session) -> None:
        self._journal, self._session = journal, session

    def note_all(self, reads: Iterable[Read]) -> None:
        """Note each read in the stream of the session."""
        requester = self._session.opened_by.request.requester
        for read in reads:
            self._journal.note(replace(read, member=requester), self._session.id.hex())


def _person(session: Session) -> AccountId | None:
    person = session.opened_by.request.practitioner
    return None if person is None else AccountId(person)
