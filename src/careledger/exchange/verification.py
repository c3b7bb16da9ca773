"""The requester's checks: what a custodian sent against what stands on the ledger that we read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from careledger.apps.records.commands import Disclosed, RecordsCommitted
from careledger.exchange.errors import NotVerified
from careledger.exchange.organisation import Organisation, events_of
from careledger.ledger.commitment import Opening, commit, verify_opening
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.record import Digest, MemberId, SignerId, decode
from careledger.ledger.transition import Receipt
from careledger.mechanisms.messages import Query, Released, ReleasedRecord, manifest
from careledger.vault.bounded import Bounded

_BATCHES: Final = 1_000


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


class Verifier:
    """Checks for one receiver. Batches once found on the ledger are remembered."""

    def __init__(self, organisation: Organisation) -> None:
        """Check by the ledger that `organisation` reads."""
        self._organisation = organisation
        self._batches = Bounded[bytes, RecordsCommitted](_BATCHES)

    async def disclosure(
        self, head: Released, receiver: SignerId, request: bytes, commitments: Sequence[Digest]
    ) -> Disclosed:
        """Check that the ledger holds this disclosure, of exactly this content.

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
                expected = manifest(head.salt, request, commitments)
                if event.manifest != expected:
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
        if len(parts) % 2:
            raise NotVerified("a resource without its proof")
        found: list[VerifiedResource] = []
        commitments: list[Digest] = []
        for proof, data in zip(parts[::2], parts[1::2], strict=True):
            try:
                released = decode(proof, ReleasedRecord)
                verify_opening(released.opening, data)
            except (Malformed, ProofError) as error:
                raise NotVerified("a resource is not what was committed to") from error
            name = released.opening.name
            if name.custodian != custodian or not _is_asked_for(query, name.type, name.id):
                raise NotVerified("a resource that nobody asked for")
            await self._check_batch(custodian, released)
            commitments.append(commit(name, released.opening.salt, data))
            found.append(
                VerifiedResource(
                    custodian=custodian,
                    type=name.type,
                    id=name.id,
                    version=name.version,
                    data=data,
                    opening=released.opening,
                    transaction=released.transaction,
                )
            )
        return found, commitments

    async def _check_batch(self, custodian: MemberId, released: ReleasedRecord) -> None:
        """The batch's root and size must be those that the ledger has from this custodian."""
        known = self._batches.get(released.transaction)
        if known is None:
            receipt = await self._organisation.until_here(released.transaction)
            known = _batch(receipt)
            self._batches.put(released.transaction, known)
        opening = released.opening
        claimed = custodian, released.batch, opening.root, opening.size
        if (known.custodian, known.batch, known.root, known.size) != claimed:
            raise NotVerified("the batch on the ledger is another one")


def _batch(receipt: Receipt) -> RecordsCommitted:
    found = events_of(receipt, RecordsCommitted)
    if receipt.code or len(found) != 1:
        raise NotVerified("the ledger holds no such batch")
    return found[0]


def _is_asked_for(query: Query, type_: str, id_: str) -> bool:
    return query.type in {None, type_} and query.id in {None, id_}
