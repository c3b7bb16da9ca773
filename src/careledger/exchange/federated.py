"""One question over every organisation that a patient allows, our own included, all at once.

Each source has a deadline and the whole has one, so that a custodian that is down, slow or lies
costs its own part of the answer and nothing else. Nothing is taken for the same thing: two
organisations' versions of one resource are two entries.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Literal

from careledger.apps.consent.queries import consent
from careledger.exchange.ask import Requester
from careledger.exchange.asker import Asker, action_of
from careledger.exchange.asking import check_query, found_in
from careledger.exchange.errors import AccessRefused, NotVerified, RequestRejected
from careledger.exchange.limits import UNLIMITED, Limits
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.organisation import Organisation
from careledger.exchange.reach import Reach
from careledger.exchange.release import Sourced, Unopened
from careledger.exchange.upstream.errors import UpstreamDown, UpstreamLies
from careledger.exchange.verification import Doubtful, VerifiedResource, Verifier, Why
from careledger.ledger.commitment import RecordName
from careledger.ledger.errors import LedgerError, Malformed, ProofError
from careledger.ledger.record import Instant, MemberId
from careledger.mechanisms.messages import NOTICE, Query
from careledger.mechanisms.terms import Action
from careledger.vault.errors import Spoilt
from careledger.vault.opening import Opened

Mark = Literal["verified", "tampered", "unproven"]
Standing = Literal["answered", "refused", "silent"]
Trouble = Literal["timeout", "unreachable", "not-verified", "rejected"]

OWN: Final = "workforce"
"""The basis on which an organisation's people read its own records."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadlines:
    """How long to wait, in seconds: for one source, and for all; and how many are asked at once."""

    source_s: float = 10.0
    total_s: float = 20.0
    at_once: int = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """How one organisation answered. "Silent" gave nothing that counts, for whatever `trouble`."""

    member: MemberId
    standing: Standing
    as_of: Instant | None = None
    basis: str | None = None
    number: int | None = None
    """The custodian's number of the disclosure, as in the patient's log."""
    dimensions: tuple[str, ...] = ()
    """Where a refused question fell outside: no more than a grantee is told of any question."""
    trouble: Trouble | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One resource of one source, and what is known of it."""

    source: Source
    type: str
    id: str
    version: int
    mark: Mark
    why: Why | None = None
    data: bytes = field(repr=False)
    """As it came; empty where its custodian can open it no more."""
    transaction: bytes | None = None
    """The transaction that committed it; None while none has."""
    start: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FederatedAnswer:
    """What came in time, and from whom nothing did."""

    sources: tuple[Source, ...]
    found: tuple[Found, ...]
    notice: str = NOTICE


_Part = tuple[Source, list[Found]]
_Reaching = Callable[[Asker, Limits, Action], AbstractContextManager[Reach]]


class Federation:
    """Asks for the people of one organisation."""

    def __init__(
        self,
        organisation: Organisation,
        mailbox: Mailbox,
        requester: Requester,
        reach: _Reaching,
        deadlines: Deadlines | None = None,
    ) -> None:
        """Ask whoever `mailbox` has a grant of, by `requester`; our own vault by `reach`."""
        self._organisation, self._mailbox = organisation, mailbox
        self._requester, self._reach = requester, reach
        self._deadlines = deadlines or Deadlines()
        self._verifier = Verifier(organisation)

    async def read(
        self, local: str, query: Query, asker: Asker, limits: Limits = UNLIMITED
    ) -> FederatedAnswer:
        """What all sources have of the patient whom this organisation knows as `local`.

        A patient who is unknown here has no sources but our own, which then holds nothing.

        Raises:
            InvalidQuery: search parameters that no gateway answers.
            Stale: our own ledger is behind; nothing was decided.
        """
        check_query(query)
        within, turn = self._deadlines, asyncio.Semaphore(self._deadlines.at_once)
        mine = self._organisation.member
        tasks = {mine: asyncio.create_task(self._own(local, query, asker, limits))}
        for custodian in self.custodians(local):
            asking = self._ask(custodian, local, query, asker, turn)
            tasks[custodian] = asyncio.create_task(asking)
        try:
            await asyncio.wait(tasks.values(), timeout=within.total_s)
            parts = [
                task.result() if task.done() else _silent(member, "timeout")
                for member, task in tasks.items()
            ]
        finally:
            for task in tasks.values():
                task.cancel()
        return FederatedAnswer(
            sources=tuple(source for source, _ in parts),
            found=tuple(one for _, found in parts for one in found),
        )

    def custodians(self, local: str) -> list[MemberId]:
        """Everyone with a grant of this patient to us that is in force now, by id."""
        vault = self._organisation.vault
        patient = vault.patient(local)
        if patient is None:
            return []
        with self._organisation.now() as now:
            found = set[MemberId]()
            for package in self._mailbox.grants_for(vault.account_of(patient)):
                envelope = consent(now.view, package.custodian_account, package.consent_id)
                if envelope and envelope.kind == "grant" and envelope.is_in_force(now.time):
                    found.add(MemberId(package.custodian))
        return sorted(found - {self._organisation.member})

    # --- others --------------------------------------------------------------------------------

    async def _ask(
        self,
        custodian: MemberId,
        local: str,
        query: Query,
        asker: Asker,
        turn: asyncio.Semaphore,
    ) -> _Part:
        """What one custodian gives; whatever is wrong with it stays its own trouble."""
        try:
            async with turn, asyncio.timeout(self._deadlines.source_s):
                records = await self._requester.read(local, custodian, query, asker, tolerant=True)
        except AccessRefused as error:
            return Source(member=custodian, standing="refused", dimensions=error.dimensions), []
        except RequestRejected:
            return _silent(custodian, "rejected")
        except TimeoutError:
            return _silent(custodian, "timeout")
        except (NotVerified, ProofError, Malformed):
            return _silent(custodian, "not-verified")
        except LedgerError:
            return _silent(custodian, "unreachable")
        source = Source(
            member=custodian,
            standing="answered",
            as_of=records.as_of,
            basis=records.basis,
            number=records.number,
        )
        came: list[VerifiedResource | Doubtful] = [*records.resources, *records.doubtful]
        return source, [_found(source, one) for one in came]

    # --- our own vault -------------------------------------------------------------------------

    async def _own(self, local: str, query: Query, asker: Asker, limits: Limits) -> _Part:
        """Our own records go through the same checks as everybody's."""
        try:
            as_of, opened, spoilt = await asyncio.to_thread(self._open, local, query, asker, limits)
        except UpstreamLies:
            return _silent(self._organisation.member, "not-verified")
        except UpstreamDown:
            return _silent(self._organisation.member, "unreachable")
        mine, vault = self._organisation.member, self._organisation.vault
        source = Source(member=mine, standing="answered", as_of=as_of, basis=OWN)
        found: list[Found] = []
        proved: list[Sourced | Unopened] = list(spoilt)
        for one in opened:
            proof = vault.opening(one)
            if proof is None:
                found.append(_unbatched(source, one))
            else:
                proved.append(Sourced(one, proof[1], proof[0]))
        parts = [part for one in proved for part in one.parts()]
        marked, _ = await self._verifier.marked(mine, None, query, parts)
        return source, [*(_found(source, one) for one in marked), *found]

    def _open(
        self, local: str, query: Query, asker: Asker, limits: Limits
    ) -> tuple[Instant, Sequence[Opened], Sequence[Unopened]]:
        """Every resource in reach that the query finds; those that do not open apart."""
        opened: list[Opened] = []
        spoilt: list[Unopened] = []
        with self._organisation.now() as now:
            as_of = now.as_of
        with self._reach(asker, limits, action_of(query)) as reach:
            nodes = list(found_in(reach, query, frozenset({local}), self._organisation.indexed))
            reach.expect(nodes)
            if reach.unanswered:
                raise UpstreamDown("the organisation's own FHIR server does not answer")
            for node in nodes:
                try:
                    one = reach.open(node)
                except Spoilt as error:
                    if error.leaf is not None:
                        name = RecordName(
                            custodian=self._organisation.member,
                            account="",
                            type=node.type,
                            id=node.id,
                            version=node.version,
                        )
                        spoilt.append(Unopened(name, error.leaf, node.facts.start))
                    continue
                opened += [] if one is None or one.deleted else [one]
        return as_of, opened, spoilt


def _silent(member: MemberId, trouble: Trouble) -> _Part:
    return Source(member=member, standing="silent", trouble=trouble), []


def _found(source: Source, one: VerifiedResource | Doubtful) -> Found:
    doubtful = one if isinstance(one, Doubtful) else None
    return Found(
        source=source,
        type=one.type,
        id=one.id,
        version=one.version,
        mark="verified" if doubtful is None else doubtful.mark,
        why=None if doubtful is None else doubtful.why,
        data=one.data,
        transaction=one.transaction,
        start=None if doubtful is None else doubtful.start,
    )


def _unbatched(source: Source, one: Opened) -> Found:
    """Too new to be in a batch on the ledger."""
    return Found(
        source=source,
        type=one.type,
        id=one.id,
        version=one.version,
        mark="unproven",
        why="not-yet",
        data=one.data,
    )
