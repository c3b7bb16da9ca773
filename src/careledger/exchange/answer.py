"""The custodian's side: check a request, decide, put the answer on the ledger, then release.

Nothing is released before the ledger holds the disclosure, or before the read in a session is
durable in the journal. A refusal stands on the ledger as well.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from careledger.apps.records.basis import BreakGlassBasis, GrantBasis
from careledger.apps.records.commands import (
    SESSION_S,
    AccessRefused,
    Disclosed,
    DiscloseRecords,
    RefuseAccess,
)
from careledger.apps.records.queries import is_answered
from careledger.apps.records.refusals import (
    NoSuchSession,
    RequestAnswered,
    RequestForOther,
    RequestNotGenuine,
)
from careledger.exchange.bodies import LOOKS, Bodies, InVault
from careledger.exchange.deciding import Allowed, Decider, Forbidden
from careledger.exchange.errors import CommandRefused
from careledger.exchange.journal import Journal, Read
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.offline import Offline
from careledger.exchange.organisation import Moment, Organisation, events_of
from careledger.exchange.patience import Patience
from careledger.exchange.release import Sourced, Unopened, parts_of, sourced
from careledger.exchange.session import Session, Sessions
from careledger.exchange.shelf import Shelf
from careledger.exchange.wire import open_own, seal, sealing_key_of
from careledger.ledger.errors import (
    CorruptStore,
    Inadmissible,
    Malformed,
    Refusal,
    Unavailable,
    UnknownSigner,
)
from careledger.ledger.record import AccountId, Instant, MemberId, decode
from careledger.ledger.transaction import OverBudget
from careledger.mechanisms.messages import (
    ANSWER,
    ASK,
    MAX_ASK_BYTES,
    Answer,
    Ask,
    Refused,
    Rejected,
    asked,
    join_parts,
    manifest,
)
from careledger.mechanisms.request import VerifiedRequest, verify_request
from careledger.vault.errors import Tampered


class _Reject(Exception):
    """The request cannot be answered as it is."""

    def __init__(self, refusal: type[Refusal | Inadmissible]) -> None:
        super().__init__(refusal.code)
        self.answer = Rejected(code=refusal.code, text=refusal.text())


class Custodian:
    """Answers requests for the records of one organisation's patients."""

    def __init__(
        self,
        organisation: Organisation,
        mailbox: Mailbox,
        journal: Journal,
        offline: Offline,
        bodies: Bodies | None = None,
    ) -> None:
        """Answer by the terms in `mailbox`, noting reads in `journal`; bytes are from `bodies`.

        What is released in emergencies without the ledger is written to `offline`.
        """
        self._organisation, self._journal, self._offline = organisation, journal, offline
        self._bodies = bodies or InVault()
        self._decider = Decider(organisation, mailbox)
        self._sessions = Sessions(Shelf())
        self._answering: set[bytes] = set()
        self._patience = Patience()

    async def receive(self, sealed: bytes) -> bytes:
        """Answer a sealed `Ask`; the answer is sealed to whoever asked.

        Raises:
            Tampered: not sealed to this organisation.
            Malformed: not an ask, or nobody that could be answered signed it.
            Unavailable: nothing was decided; asking again is safe.
            CorruptStore: what is stored here is not what was put; nothing of it was released.
        """
        ask = decode(open_own(self._organisation, ASK, sealed, MAX_ASK_BYTES), Ask)
        is_cut_off = ask.emergency is not None and self._organisation.is_cut_off()
        with self._organisation.last() if is_cut_off else self._organisation.now() as now:
            verified = self._verify(ask, now)
            reply_to = self._reply_key(ask, verified, now)
        try:
            parts = await self._answer(ask, verified, is_cut_off=is_cut_off)
        except _Reject as rejected:
            parts = _only(rejected.answer)
        except Tampered as error:
            raise CorruptStore("what is stored here is not what was put") from error
        chain = self._organisation.chain
        return seal(reply_to, chain, ANSWER, verified.receiver, join_parts(parts), ask.salt)

    def _verify(self, ask: Ask, now: Moment) -> VerifiedRequest:
        try:
            return verify_request(ask.request, now.view, self._organisation.chain, now.time)
        except UnknownSigner as error:
            raise Malformed(RequestNotGenuine.text()) from error

    def _reply_key(self, ask: Ask, verified: VerifiedRequest, now: Moment) -> bytes:
        """Where the answer goes: the request's signature covers a key that it names itself."""
        if verified.request.query != asked(ask.salt, ask.query, ask.reply_to):
            raise Malformed(RequestForOther.text())
        if ask.reply_to is not None:
            return ask.reply_to
        return sealing_key_of(now.view, MemberId(verified.request.requester))

    async def _answer(
        self, ask: Ask, verified: VerifiedRequest, *, is_cut_off: bool
    ) -> Sequence[bytes]:
        if verified.id in self._answering:
            raise _Reject(RequestAnswered)
        if not self._patience.is_left(verified.receiver, self._organisation.clock()):
            raise _Reject(OverBudget)
        self._answering.add(verified.id)
        try:
            if is_cut_off:
                return await self._answer_offline(ask, verified)
            if ask.session is not None:
                return await self._answer_in_session(ask, verified, ask.session)
            return await self._answer_anew(ask, verified)
        finally:
            self._answering.discard(verified.id)

    async def _answer_offline(self, ask: Ask, verified: VerifiedRequest) -> Sequence[bytes]:
        """In an emergency without the ledger: decided by what it said last, and written down."""
        decision, found, (time, _) = await self._decided(
            ask, verified, look=self._organisation.last
        )
        if isinstance(decision, Forbidden):
            self._patience.use(verified.receiver, time)
        return self._offline.release(ask, verified, decision, found)

    # --- the first answer ----------------------------------------------------------------------

    async def _answer_anew(self, ask: Ask, verified: VerifiedRequest) -> Sequence[bytes]:
        """Decide; if the ledger sees it otherwise, because something changed, decide once more."""
        for attempt in (1, 2):
            decision, found, moment = await self._decided(ask, verified)
            try:
                if isinstance(decision, Forbidden):
                    return await self._refuse(ask, verified, decision)
                return await self._disclose(ask, verified, decision, found, moment)
            except CommandRefused as error:
                if error.code == RequestAnswered.code or attempt == 2:  # noqa: PLR2004
                    return _only(Rejected(code=error.code, text=error.reason))
        raise AssertionError

    async def _decided(
        self,
        ask: Ask,
        verified: VerifiedRequest,
        *,
        consent_id: bytes | None = None,
        emergency: bytes | None = None,
        look: Callable[[], AbstractContextManager[Moment]] | None = None,
    ) -> tuple[Allowed | Forbidden, list[Sourced | Unopened], tuple[Instant, Instant]]:
        """Decide, and have the bytes; what changed since it was committed to is decided anew.

        Raises:
            Unavailable: who keeps the bytes does not answer.
        """
        for _ in range(LOOKS):
            with (look or self._organisation.now)() as now:
                self._check_fresh(verified, now)
                decision = self._decider.decide(
                    ask, verified, now, consent_id=consent_id, emergency=emergency
                )
                moment = now.time, now.as_of
            if isinstance(decision, Forbidden):
                return decision, [], moment
            found = decision.found
            if any(one.elsewhere for one in found):
                brought = await asyncio.to_thread(self._bodies.bring, found)
                if brought.changed or brought.unanswered:
                    continue
                found = list(brought.opened)
            proved = sourced(self._organisation.vault, found)
            return decision, [*proved, *decision.unopened], moment
        raise Unavailable("the organisation's own FHIR server does not answer")

    def _check_fresh(self, verified: VerifiedRequest, now: Moment) -> None:
        if verified.request.custodian != self._organisation.member:
            raise _Reject(RequestForOther)
        if is_answered(now.view, self._organisation.member, verified.id):
            raise _Reject(RequestAnswered)

    async def _refuse(self, ask: Ask, verified: VerifiedRequest, no: Forbidden) -> Sequence[bytes]:
        command = RefuseAccess(
            account=verified.request.account,
            request=ask.request,
            dimensions=no.dimensions,
        )
        ordered = await self._organisation.submit("records", command)
        (refused,) = events_of(ordered.receipt, AccessRefused)
        self._patience.use(verified.receiver, refused.at)
        return _only(Refused(dimensions=no.dimensions, number=refused.number))

    async def _disclose(
        self,
        ask: Ask,
        verified: VerifiedRequest,
        yes: Allowed,
        found: Sequence[Sourced | Unopened],
        moment: tuple[Instant, Instant],
    ) -> Sequence[bytes]:
        salt, (time, as_of) = secrets.token_bytes(32), moment
        account = AccountId(str(verified.request.account))
        command = DiscloseRecords(
            account=account,
            request=ask.request,
            basis=yes.basis,
            manifest=manifest(salt, verified.id, [one.commitment for one in found]),
            session=secrets.token_bytes(16),
            ttl_s=SESSION_S,
        )
        ordered = await self._organisation.submit("records", command)
        (disclosed,) = events_of(ordered.receipt, Disclosed)
        session = Session(
            id=command.session,
            receiver=verified.receiver,
            account=account,
            opened_by=verified,
            transaction=ordered.receipt.id,
            number=disclosed.number,
            expires=disclosed.expires,
            basis=disclosed.basis,
            consent_id=yes.basis.consent_id if isinstance(yes.basis, GrantBasis) else None,
            emergency=yes.basis.statement if isinstance(yes.basis, BreakGlassBasis) else None,
            seen={verified.id},
        )
        self._sessions.add(session, time)
        return parts_of(session.head(self._organisation.member, salt, as_of), found)

    # --- follow-up reads -----------------------------------------------------------------------

    async def _answer_in_session(
        self, ask: Ask, verified: VerifiedRequest, id_: bytes
    ) -> Sequence[bytes]:
        """One more read: decided anew by committed state, noted durably, then released."""
        with self._organisation.now() as now:
            session = self._sessions.find(id_, now.time)
            if session is None or not session.admits(verified):
                raise _Reject(NoSuchSession)
            if verified.id in session.seen:
                raise _Reject(RequestAnswered)
        decision, found, (time, as_of) = await self._decided(
            ask, verified, consent_id=session.consent_id, emergency=session.emergency
        )
        if isinstance(decision, Forbidden):
            self._sessions.close(id_)
            return await self._refuse(ask, verified, decision)
        session.seen.add(verified.id)
        salt = self._note(ask, verified, found, time)
        return parts_of(session.head(self._organisation.member, salt, as_of), found)

    def _note(
        self,
        ask: Ask,
        verified: VerifiedRequest,
        found: Sequence[Sourced | Unopened],
        time: Instant,
    ) -> bytes:
        request = verified.request
        read = Read(
            at=time,
            account=str(request.account),
            member=request.requester,
            practitioner=request.practitioner,
            role=request.role,
            purpose=request.purpose,
            records=tuple(one.name for one in found),
            request=ask.request,
        )
        return self._journal.note(read, (ask.session or b"").hex())


def _only(answer: Answer) -> list[bytes]:
    return parts_of(answer, ())
