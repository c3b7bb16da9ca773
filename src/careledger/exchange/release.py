"""What is released under a permit: opened resources with what proves each of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from careledger.exchange.asker import predicate_of
from careledger.ledger.commitment import Opening, commit
from careledger.ledger.record import Digest, Instant, encode
from careledger.mechanisms.messages import Query, ReleasedRecord
from careledger.mechanisms.policy import Permit
from careledger.vault.commitments import CommittedBatch
from careledger.vault.index import consent_facts
from careledger.vault.opening import Opened
from careledger.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Sourced:
    """A resource, its opening, and the batch on the ledger that holds its commitment."""

    opened: Opened
    opening: Opening
    batch: CommittedBatch

    @property
    def commitment(self) -> Digest:
        """The commitment to this version of the resource."""
        return commit(self.opening.name, self.opened.salt, self.opened.data)

    def parts(self) -> tuple[bytes, bytes]:
        """As they travel: the proof, and the bytes as received."""
        proof = ReleasedRecord(
            opening=self.opening, transaction=self.batch.transaction, batch=self.batch.number
        )
        return encode(proof), self.opened.data


def gather(vault: Vault, permits: Sequence[Permit], query: Query, at: Instant) -> list[Opened]:
    """What the query finds and every one of the permits covers; deletions are not among it."""
    first, *others = permits
    if query.type is not None and query.id is not None:
        one = vault.open(first, query.type, query.id, query.version, at=at)
        found = [] if one is None else [one]
    else:
        entries = vault.search(first, predicate_of(query), at)
        opened = (vault.open(first, entry.type, entry.id, at=at) for entry in entries)
        found = [one for one in opened if one is not None]
    return [
        one
        for one in found
        if not one.deleted
        and all(permit.covers(consent_facts(one.facts)).allowed for permit in others)
    ]


def sourced(vault: Vault, found: Sequence[Opened]) -> list[Sourced]:
    """Those that the ledger has committed to; what is not in a batch yet waits for the next ask."""
    proofs = ((one, vault.opening(one)) for one in found)
    return [Sourced(one, proof[1], proof[0]) for one, proof in proofs if proof is not None]


def is_out_of_reach(permit: Permit, query: Query) -> bool:
    """Whether the terms, whatever the record holds, let nothing of the type asked for through.

    Judged by the query alone, so that the answer says nothing of what there is.
    """
    type_ = query.type
    if type_ is None:
        return False
    only = [one.provision for one in permit.obligations if one.duty == "only"]
    return bool(only) and all(one.types and type_ not in one.types for one in only)
