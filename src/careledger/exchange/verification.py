"""The requester's checks: what a custodian sent against what stands on the ledger that we read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from careledger.apps.records.commands import Disclosed, RecordsCommitted
from careledger.exchange.errors import NotVerified
from careledger.exchange.organisation import Organisation, events_of
from careledger.fhir.named import is_named
from careledger.ledger.commitment import Opening, RecordName, commit, verify_opening
from careledger.ledger.errors import Malformed, ProofError, Unavailable
from careledger.ledger.record import Digest, MemberId, SignerId, decode
from careledger.ledger.transition import Receipt
from careledger.mechanisms.messages import (
    Query,
    Released,
    ReleasedRecord,
    SpoiltRecord,
    manifest,
    verify_spoilt,
)
from careledger.vault.bounded import Bounded

_BATCHES: Final = 1_000

Why = Literal["altered", "spoilt", "not-yet", "other-account", "disclosure"]
"""What is wrong: the bytes differ from the commitment; the custodian can open them no more; the
ledger that we read has not the batch yet; it was committed under another patient account; the
disclosure on the ledger is of something else."""


@dataclass(frozen=True, slots=True)
class VerifiedResource:
    """A resource that is byte for byte what its custodian committed to."""

    custodian: MemberId
    type: str
    id: str
    version: int
    data: bytes = field(repr=False)
    opening: Opening = field(repr=False)
    transaction: bytes
    """The transaction that committed the batch."""

    @property
    def commitment(self) -> Digest:
        """The commitment to it."""
        return commit(self.opening.name, self.opening.salt, self.data)

    def doubted(self, why: Why) -> "Doubtful":
        """The same, where something around it is not proved."""
        return Doubtful.of(self.opening.name, self.transaction, "unproven", why, self.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubtful:
    """A resource that came, or should have come, and is not shown to be what was committed to."""

    custodian: MemberId
    type: str
    id: str
    version: int
    mark: Literal["tampered", "unproven"]
    why: Why
    data: bytes = field(repr=False)
    """As it came; empty where nothing came."""
    transaction: bytes
    """The transaction that is said to have committed it."""
    start: int | None = None
    """First second of its clinical date by the custodian's index, of what is spoilt."""

    def doubted(self, why: Why) -> "Doubtful":
        """The same; what is wrong already stays wrong."""
        return self if self.mark == "tampered" else replace(self, why=why)

    @classmethod
    def of(
        cls,
        name: RecordName,
        transaction: bytes,
        mark: Literal["tampered", "unproven"],
        why: Why,
        data: bytes,
        start: int | None = None,
    ) -> "Doubtful":
        """What `name` names, with its mark."""
        return cls(
            custodian=MemberId(name.custodian),
            type=name.type,
            id=name.id,
            version=name.version,
            mark=mark,
            why=why,
            data=data,
            transaction=transaction,
            start=start,
        )


class Verifier:
    """Checks for one receiver. Batches once found on the ledger are remembered."""

    def __init__(self, organisation: Organisation) -> None:
        """Check by the ledger that `organisation` reads."""
        self._organisation = organisation
        self._batches = Bounded[bytes, RecordsCommitted](_BATCHES)

    async def disclosure(
        self,
        head: Released,
        receiver: SignerId,
        request: bytes,
        commitments: Sequence[Digest] | None,
    ) -> Disclosed:
        """Check that the ledger holds this disclosure, of exactly this content unless None.

        Raises:
            NotVerified: it does not.
            Unavailable: it has not reached the ledger that we read.
        """
        receipt = await self._organisation.until_here(head.transaction)
        for event in events_of(receipt, Disclosed):
            if (event.custodian, event.receiver, event.request) == (
                head.custodian,
                receiver,
                request,
            ):
                if commitments is not None and event.manifest != manifest(
                    head.salt, request, commitments
                ):
                    raise NotVerified("the manifest on the ledger is of other records")
                if (event.session, event.number) != (head.session, head.number):
                    raise NotVerified("the session on the ledger is another one")
                return event
        raise NotVerified("the ledger holds no such disclosure")

    async def resources(
        self, custodian: MemberId, query: Query, parts: Sequence[bytes]
    ) -> tuple[list[VerifiedResource], list[Digest]]:
        """Each resource, checked, and its commitment, in the order in which they came.

        Raises:
            NotVerified: one is not what its custodian committed to, or not what was asked for.
            Unavailable: a batch has not reached the ledger that we read.
        """
        found: list[VerifiedResource] = []
        for said, data in pairs_of(custodian, query, parts):
            if isinstance(said, SpoiltRecord):
                raise NotVerified("a resource that its custodian can open no more")
            found.append(await self._resource(custodian, said, data))
        return found, [one.commitment for one in found]

    async def marked(
        self, custodian: MemberId, account: str | None, query: Query, parts: Sequence[bytes]
    ) -> tuple[list[VerifiedResource | Doubtful], list[Digest]]:
        """Like `resources`, but what does not check is marked and stands beside the rest.

        Raises:
            NotVerified: what came is not even in the shape of an answer, or was not asked for.
        """
        found: list[VerifiedResource | Doubtful] = []
        commitments: list[Digest] = []
        for said, data in pairs_of(custodian, query, parts):
            if isinstance(said, SpoiltRecord):
                commitments.append(Digest(said.commitment))
                found.append(await self._spoilt(custodian, said))
                continue
            name = said.opening.name
            commitments.append(commit(name, said.opening.salt, data))
            try:
                one = await self._resource(custodian, said, data)
            except NotVerified:
                found.append(Doubtful.of(name, said.transaction, "tampered", "altered", data))
                continue
            except Unavailable:
                found.append(Doubtful.of(name, said.transaction, "unproven", "not-yet", data))
                continue
            is_hers = account is None or name.account == account
            found.append(one if is_hers else one.doubted("other-account"))
        return found, commitments

    async def _spoilt(self, custodian: MemberId, said: SpoiltRecord) -> Doubtful:
        """The custodian's own word that it lost one, which only shows that there was something."""
        try:
            verify_spoilt(said)
            place = said.batch, said.root, said.size
            await self._check_batch(custodian, said.transaction, place)
        except ProofError as error:
            raise NotVerified("a resource is not what was committed to") from error
        except Unavailable:
            return Doubtful.of(said.name, said.transaction, "unproven", "not-yet", b"", said.start)
        return Doubtful.of(said.name, said.transaction, "tampered", "spoilt", b"", said.start)

    async def _resource(
        self, custodian: MemberId, released: ReleasedRecord, data: bytes
    ) -> VerifiedResource:
        opening = released.opening
        try:
            verify_opening(opening, data)
        except ProofError as error:
            raise NotVerified("a resource is not what was committed to") from error
        if not is_named(data, opening.name.type, opening.name.id):
            raise NotVerified("what was committed to is not the resource that it is named")
        place = released.batch, opening.root, opening.size
        await self._check_batch(custodian, released.transaction, place)
        return VerifiedResource(
            custodian=custodian,
            type=opening.name.type,
            id=opening.name.id,
            version=opening.name.version,
            data=data,
            opening=opening,
            transaction=released.transaction,
        )

    async def _check_batch(
        self, custodian: MemberId, transaction: bytes, place: tuple[int, bytes, int]
    ) -> None:
        """The batch's number, root and size must be those that the ledger has from it."""
        known = self._batches.get(transaction)
        if known is None:
            receipt = await self._organisation.until_here(transaction)
            known = _batch(receipt)
            self._batches.put(transaction, known)
        if (known.custodian, known.batch, known.root, known.size) != (custodian, *place):
            raise NotVerified("the batch on the ledger is another one")


def pairs_of(
    custodian: MemberId, query: Query, parts: Sequence[bytes]
) -> Iterator[tuple[ReleasedRecord | SpoiltRecord, bytes]]:
    """What stands before each resource, and its bytes; empty for one that opens no more.

    Raises:
        NotVerified: not the parts of an answer, or a resource that nobody asked for.
    """
    if len(parts) % 2:
        raise NotVerified("a resource without its proof")
    for proof, data in zip(parts[::2], parts[1::2], strict=True):
        try:
            said = decode(proof, ReleasedRecord) if data else decode(proof, SpoiltRecord)
        except Malformed as error:
            raise NotVerified("a resource without its proof") from error
        name = said.name if isinstance(said, SpoiltRecord) else said.opening.name
        if name.custodian != custodian or not _is_asked_for(query, name.type, name.id):
            raise NotVerified("a resource that nobody asked for")
        yield said, data


def _batch(receipt: Receipt) -> RecordsCommitted:
    found = events_of(receipt, RecordsCommitted)
    if receipt.code or len(found) != 1:
        raise NotVerified("the ledger holds no such batch")
    return found[0]


def _is_asked_for(query: Query, type_: str, id_: str) -> bool:
    return query.type in {None, type_} and query.id in {None, id_}
