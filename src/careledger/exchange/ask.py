"""The requester's side: ask a custodian, check what it sends, acknowledge it.

What this organisation cannot know otherwise comes from the packages in its mailbox: the custodian's
account of the patient, and the opened terms. Without one the custodian is asked all the same, so
that the refusal is on the ledger, and about nobody.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from careledger.apps.governance.queries import member
from careledger.apps.records.refusals import NoSuchSession
from careledger.exchange.acknowledge import Acknowledgements, Due
from careledger.exchange.asker import Asker, action_of, predicate_of
from careledger.exchange.errors import (
    AccessRefused,
    NotVerified,
    RequestRejected,
    UnknownReceiver,
)
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.organisation import Organisation
from careledger.exchange.transport import ASK_PATH, Transport
from careledger.exchange.verification import VerifiedResource, Verifier
from careledger.exchange.ways import Way, Ways
from careledger.exchange.wire import open_own, seal, sealing_key_of
from careledger.ledger.errors import Malformed
from careledger.ledger.record import Digest, Instant, MemberId, encode
from careledger.ledger.statement import parse_statement
from careledger.mechanisms.messages import (
    ANSWER,
    ASK,
    MAX_ANSWER_BYTES,
    Answer,
    Ask,
    Query,
    Refused,
    Rejected,
    Released,
    asked,
    decode_answer,
    manifest,
    split_parts,
)
from careledger.mechanisms.request import AccessRequest, sign_request
from careledger.vault.bounded import Bounded
from careledger.vault.errors import Tampered

_SESSIONS: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteRecords:
    """What one custodian released, all of it checked."""

    custodian: MemberId
    resources: tuple[VerifiedResource, ...]
    notice: str
    as_of: Instant
    basis: str
    number: int
    """The custodian's number for the disclosure under which it was released."""


@dataclass(frozen=True, slots=True)
class _OpenSession:
    id: bytes
    expires: Instant


class Requester:
    """Asks other organisations about this one's own patients."""

    def __init__(
        self,
        organisation: Organisation,
        mailbox: Mailbox,
        acknowledgements: Acknowledgements,
        transport: Transport,
    ) -> None:
        """Ask over `transport` by what `mailbox` holds."""
        self._organisation, self._ways = organisation, Ways(organisation, mailbox)
        self._acknowledgements, self._transport = acknowledgements, transport
        self._verifier = Verifier(organisation)
        self._sessions = Bounded[tuple[object, ...], _OpenSession](_SESSIONS)

    async def read(
        self,
        local: str,
        custodian: MemberId,
        query: Query,
        asker: Asker,
        *,
        emergency: bytes | None = None,
    ) -> RemoteRecords:
        """What `custodian` releases of the patient whom this organisation knows as `local`.

        `emergency` is a practitioner's signed statement for break-glass, and names the patient.

        Raises:
            AccessRefused: it was refused, in these dimensions.
            RequestRejected: the custodian could not answer.
            NotVerified: what came is not what the custodian committed to; none of it is returned.
            UnknownReceiver: no such active member, or it cannot be reached.
            InvalidQuery: search parameters that no gateway answers.
            Unavailable: the custodian, or the ledger, did not answer.
        """
        predicate_of(query)
        answers: list[RemoteRecords] = []
        refused: AccessRefused | None = None
        for way in self._ways.find(local, custodian, query, asker, emergency):
            try:
                answers.append(await self._ask(custodian, query, asker, way))
            except AccessRefused as error:
                refused = refused or error
        if not answers:
            raise refused or AccessRefused(("consent",))
        return _together(answers)

    def forget_sessions(self) -> None:
        """Ask anew from now on, as after a restart."""
        self._sessions.clear()

    async def _ask(
        self, custodian: MemberId, query: Query, asker: Asker, way: Way
    ) -> RemoteRecords:
        """Ask in the session that is open for this, or anew."""
        key = custodian, way.account, way.consent_id, way.emergency, asker, action_of(query)
        session = self._sessions.get(key)
        if session is not None and self._organisation.clock() < session.expires:
            try:
                return await self._exchange(custodian, query, asker, way, session, key)
            except RequestRejected as error:
                if error.code != NoSuchSession.code:
                    raise
        self._sessions.drop(key)
        return await self._exchange(custodian, query, asker, way, None, key)

    async def _exchange(
        self,
        custodian: MemberId,
        query: Query,
        asker: Asker,
        way: Way,
        session: _OpenSession | None,
        key: tuple[object, ...],
    ) -> RemoteRecords:
        ask, request = self._signed(custodian, query, asker, way, session)
        url, sealing = self._receiver(custodian)
        sealed = seal(sealing, self._organisation.chain, ASK, custodian, encode(ask))
        answer = await self._transport(url + ASK_PATH, sealed)
        said, parts = self._opened(answer, ask)
        match said:
            case Refused(dimensions=dimensions):
                self._sessions.drop(key)
                raise AccessRefused(dimensions)
            case Rejected(code=code, text=text):
                raise RequestRejected(code, text)
            case Released():
                pass
        if said.custodian != custodian or (session and session.id != said.session):
            raise NotVerified("the answer is not one to this request")
        found, commitments = await self._verifier.resources(custodian, query, parts)
        if session is None:
            await self._accept(said, request, commitments)
            self._sessions.put(key, _OpenSession(said.session, said.expires))
        return RemoteRecords(
            custodian=custodian,
            resources=tuple(found),
            notice=said.notice,
            as_of=said.as_of,
            basis=said.basis,
            number=said.number,
        )

    def _opened(self, answer: bytes, ask: Ask) -> tuple[Answer, list[bytes]]:
        try:
            body = open_own(self._organisation, ANSWER, answer, MAX_ANSWER_BYTES, ask.salt)
            head, *parts = split_parts(body)
            return decode_answer(head), parts
        except (Tampered, Malformed, ValueError) as error:
            raise NotVerified("the answer is not one to this request") from error

    async def _accept(self, said: Released, request: bytes, commitments: list[Digest]) -> None:
        """Hold a new disclosure against the ledger, and note that it must be acknowledged."""
        mine = self._organisation.member
        await self._verifier.disclosure(said, mine, request, commitments)
        self._acknowledgements.owe(
            Due(
                custodian=said.custodian,
                number=said.number,
                manifest=manifest(said.salt, request, commitments),
            )
        )

    def _signed(
        self,
        custodian: MemberId,
        query: Query,
        asker: Asker,
        way: Way,
        session: _OpenSession | None,
    ) -> tuple[Ask, bytes]:
        """What is sent, and the id of the request in it."""
        salt = secrets.token_bytes(32)
        request = AccessRequest(
            custodian=custodian,
            account=way.account,
            requester=self._organisation.member,
            purpose=asker.purpose,
            actions=(action_of(query),),
            practitioner=asker.practitioner,
            role=asker.role,
            consent_id=way.consent_id,
            query=asked(salt, query, None),
        )
        claims = self._organisation.claims("request")
        signed = sign_request(self._organisation.key, claims, request)
        ask = Ask(
            request=signed,
            query=query,
            salt=salt,
            presented=way.presented,
            emergency=way.emergency,
            session=None if session is None else session.id,
        )
        return ask, parse_statement(signed, "application/vnd.careledger.request+cbor").id

    def _receiver(self, custodian: MemberId) -> tuple[str, bytes]:
        """Where the custodian answers, and the key that asks are sealed to."""
        with self._organisation.now() as now:
            found = member(now.view, custodian)
            if found is None or found.status != "active" or found.gateway is None:
                raise UnknownReceiver("no such member answers", actual=custodian)
            return found.gateway.rstrip("/"), sealing_key_of(now.view, custodian)


def _together(answers: list[RemoteRecords]) -> RemoteRecords:
    """Answers on several grants as one: each version of a resource once."""
    resources = {
        (one.type, one.id, one.version): one for answer in answers for one in answer.resources
    }
    first = answers[0]
    return RemoteRecords(
        custodian=first.custodian,
        resources=tuple(resources.values()),
        notice=first.notice,
        as_of=min(answer.as_of for answer in answers),
        basis=first.basis,
        number=first.number,
    )
