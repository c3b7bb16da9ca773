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
from careledger.exchange.asker import Asker, action_of
from careledger.exchange.asking import check_query
from careledger.exchange.errors import (
    AccessRefused,
    NotVerified,
    RequestRejected,
    UnknownReceiver,
)
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.offline_receiver import OfflineReceiver
from careledger.exchange.organisation import Organisation
from careledger.exchange.remote_records import RemoteRecords, records_of, together
from careledger.exchange.transport import ASK_PATH, Transport
from careledger.exchange.verification import Doubtful, Verifier
from careledger.exchange.ways import Way, Ways
from careledger.exchange.wire import open_own, seal, sealing_key_of
from careledger.ledger.errors import Malformed, Unavailable
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
    ReleasedOffline,
    asked,
    decode_answer,
    manifest,
    split_parts,
)
from careledger.mechanisms.request import AccessRequest, sign_request
from careledger.vault.bounded import Bounded
from careledger.vault.errors import Tampered

_SESSIONS: Final = 10_000

AHEAD_S: Final = 300
"""How far a custodian's newest block may be ahead of our clock."""


@dataclass(frozen=True, slots=True)
class _OpenSession:
    id: bytes
    expires: Instant


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of whom, by whom, on what; and whether what does not check is wanted too."""

    custodian: MemberId
    query: Query
    asker: Asker
    way: Way
    tolerant: bool

    @property
    def key(self) -> tuple[object, ...]:
        """What a session is for."""
        way = self.way
        about = way.account, way.consent_id, way.emergency
        return self.custodian, *about, self.asker, action_of(self.query)


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
        self._offline = OfflineReceiver(organisation, acknowledgements)
        self._sessions = Bounded[tuple[object, ...], _OpenSession](_SESSIONS)

    async def read(
        self,
        local: str,
        custodian: MemberId,
        query: Query,
        asker: Asker,
        *,
        emergency: bytes | None = None,
        tolerant: bool = False,
    ) -> RemoteRecords:
        """What `custodian` releases of the patient whom this organisation knows as `local`.

        `emergency` is a practitioner's signed statement for break-glass, and names the patient.
        Who is `tolerant` gets what does not check as well, marked and apart from the rest.

        Raises:
            AccessRefused: it was refused, in these dimensions.
            RequestRejected: the custodian could not answer.
            NotVerified: what came is not what the custodian committed to; none of it is returned.
            UnknownReceiver: no such active member, or it cannot be reached.
            InvalidQuery: search parameters that no gateway answers.
            Unavailable: the custodian, or the ledger, did not answer.
        """
        check_query(query)
        answers: list[RemoteRecords] = []
        refused: AccessRefused | None = None
        for way in self._ways.find(local, custodian, query, asker, emergency):
            try:
                answers.append(await self._ask(_Question(custodian, query, asker, way, tolerant)))
            except AccessRefused as error:
                refused = refused or error
        if not answers:
            raise refused or AccessRefused(("consent",))
        return together(answers)

    def forget_sessions(self) -> None:
        """Ask anew from now on, as after a restart."""
        self._sessions.clear()

    async def _ask(self, question: _Question) -> RemoteRecords:
        """Ask in the session that is open for this, or anew."""
        session = self._sessions.get(question.key)
        if session is not None and self._organisation.clock() < session.expires:
            try:
                return await self._exchange(question, session)
            except RequestRejected as error:
                if error.code != NoSuchSession.code:
                    raise
        self._sessions.drop(question.key)
        return await self._exchange(question, None)

    async def _exchange(self, question: _Question, session: _OpenSession | None) -> RemoteRecords:
        custodian, query = question.custodian, question.query
        ask, request = self._signed(question, session)
        url, sealing = self._receiver(custodian, is_emergency=question.way.emergency is not None)
        sealed = seal(sealing, self._organisation.chain, ASK, custodian, encode(ask))
        answer = await self._transport(url + ASK_PATH, sealed)
        said, parts = self._opened(answer, ask)
        match said:
            case Refused(dimensions=dimensions):
                self._sessions.drop(question.key)
                raise AccessRefused(dimensions)
            case Rejected(code=code, text=text):
                raise RequestRejected(code, text)
            case ReleasedOffline():
                checked = await self._verifier.resources(custodian, query, parts)
                return self._offline.accept(said, question.way, request, checked)
            case Released():
                pass
        is_ahead = said.as_of > self._organisation.clock() + AHEAD_S
        if said.custodian != custodian or is_ahead or (session and session.id != said.session):
            raise NotVerified("the answer is not one to this request")
        if question.tolerant:
            return await self._marked(question, said, request, parts, is_new=session is None)
        found, commitments = await self._verifier.resources(custodian, query, parts)
        if session is None:
            await self._accept(question, said, request, commitments)
        return records_of(said, found)

    async def _marked(
        self,
        question: _Question,
        said: Released,
        request: bytes,
        parts: list[bytes],
        *,
        is_new: bool,
    ) -> RemoteRecords:
        """All that came, marked. What does not add up is not acknowledged, so that it shows."""
        custodian, account = question.custodian, question.way.account
        found, commitments = await self._verifier.marked(custodian, account, question.query, parts)
        altered = any(isinstance(one, Doubtful) and one.why == "altered" for one in found)
        if is_new and altered:
            await self._verifier.disclosure(said, self._organisation.member, request, None)
        elif is_new:
            try:
                await self._accept(question, said, request, commitments)
            except (NotVerified, Unavailable):
                found = [one.doubted("disclosure") for one in found]
        return records_of(said, found)

    def _opened(self, answer: bytes, ask: Ask) -> tuple[Answer, list[bytes]]:
        try:
            body = open_own(self._organisation, ANSWER, answer, MAX_ANSWER_BYTES, ask.salt)
            head, *parts = split_parts(body)
            return decode_answer(head), parts
        except (Tampered, Malformed, ValueError) as error:
            raise NotVerified("the answer is not one to this request") from error

    async def _accept(
        self, question: _Question, said: Released, request: bytes, commitments: list[Digest]
    ) -> None:
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
        self._sessions.put(question.key, _OpenSession(said.session, said.expires))

    def _signed(self, question: _Question, session: _OpenSession | None) -> tuple[Ask, bytes]:
        """What is sent, and the id of the request in it."""
        custodian, query = question.custodian, question.query
        asker, way = question.asker, question.way
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

    def _receiver(self, custodian: MemberId, *, is_emergency: bool) -> tuple[str, bytes]:
        """Where the custodian answers, and the key that asks are sealed to."""
        look = self._organisation.last if is_emergency else self._organisation.now
        with look() as now:
            found = member(now.view, custodian)
            if found is None or found.status != "active" or found.gateway is None:
                raise UnknownReceiver("no such member answers", actual=custodian)
            return found.gateway.rstrip("/"), sealing_key_of(now.view, custodian)
