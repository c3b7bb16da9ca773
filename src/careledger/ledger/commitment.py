"""Record commitments: how the ledger says that a record exists without saying anything about it.

A commitment is an HMAC under a random salt that stays with the sealed record. Destroying the salt
leaves the ledger as it was and makes the commitment say nothing for ever. Many commitments become
the leaves of one tree, a batch, and only its root and size are on the ledger.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from careledger.ledger.entry import EventRecord, TransactionEntry, encode_entry, events_digest
from careledger.ledger.errors import ProofError
from careledger.ledger.merkle import (
    Frontier,
    inclusion_proof,
    leaf_hash,
    verify_inclusion,
)
from careledger.ledger.record import (
    Count,
    Digest,
    Hash,
    MemberName,
    Record,
    digest,
    encode,
)

SALT_BYTES = 32

ResourceText = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""A FHIR type name or id; at most 64 characters (FHIR R4 2.24.0.1)."""


OwnerText = Annotated[str, msgspec.Meta(pattern="^(@[a-z2-7]{26})?\\Z")]
"""An `AccountId`; empty for what belongs to no patient, such as a practitioner's entry."""


class RecordName(Record):
    """Which version of which record, of whom, at whom."""

    custodian: MemberName
    account: OwnerText
    type: ResourceText
    id: ResourceText
    version: Count


def commit(name: RecordName, salt: bytes, content: bytes) -> Digest:
    """The commitment to `content`, the record's bytes as received, under a salt of 32 bytes."""
    if len(salt) != SALT_BYTES:
        raise ValueError(len(salt))
    return commit_digest(name, salt, digest(content))


def commit_digest(name: RecordName, salt: bytes, content: Digest) -> Digest:
    """The commitment to a record of which only the SHA-256 is at hand."""
    message = (name.custodian, name.account, name.type, name.id, name.version, content)
    return Digest(hmac.digest(salt, encode(message), "sha256"))


@dataclass(frozen=True, slots=True)
class Batch:
    """A tree of commitments. `leaves` are their leaf hashes, which outlive salts and records."""

    leaves: tuple[Digest, ...]
    root: Digest
    _rows: list[list[Digest]] = field(repr=False, compare=False)

    @classmethod
    def of(cls, commitments: Iterable[Digest]) -> "Batch":
        """The batch of these commitments, in this order."""
        return cls.from_leaves(leaf_hash(commitment) for commitment in commitments)

    @classmethod
    def from_leaves(cls, leaves: Iterable[Digest]) -> "Batch":
        """The batch again, from the leaf hashes that its custodian kept."""
        kept = tuple(leaves)
        frontier, grown = Frontier().grow(kept)
        return cls(kept, frontier.root(), [values for _, _, values in grown])

    @property
    def size(self) -> int:
        """Number of commitments."""
        return len(self.leaves)

    def path(self, index: int) -> tuple[Digest, ...]:
        """The path from commitment `index` to the root.

        Raises:
            ProofError: no such commitment.
        """
        return inclusion_proof(index, self.size, lambda level, at: self._rows[level][at])


class Opening(Record):
    """What a custodian hands over with a record, so that it can be checked against its batch."""

    name: RecordName
    salt: Hash
    root: Hash
    size: Count
    index: Count
    path: tuple[Hash, ...]


class TransactionProof(Record):
    """That a transaction had these events, as leaf `index` of the log; under some checkpoint."""

    entry: TransactionEntry
    events: tuple[EventRecord, ...]
    index: Count
    path: tuple[Hash, ...]


class RecordProof(Record):
    """The two levels together: the record in its batch, the batch's transaction in the log."""

    opening: Opening
    transaction: TransactionProof
    checkpoint: str


def verify_opening(opening: Opening, content: bytes) -> None:
    """Check that `content` is the record that the batch's leaf `index` commits to.

    Raises:
        ProofError: it is not.
    """
    leaf = leaf_hash(commit(opening.name, opening.salt, content))
    verify_inclusion(leaf, opening.index, opening.size, opening.path, Digest(opening.root))


def verify_events(proof: TransactionProof) -> None:
    """Check that the log entry speaks of exactly these events, and that they happened.

    Raises:
        ProofError: they are others, or the transaction was refused.
    """
    computed = events_digest(proof.events)
    if computed != proof.entry.events:
        raise ProofError(
            "the log entry names other events",
            expected=proof.entry.events.hex(),
            actual=computed.hex(),
        )
    if proof.entry.code:
        raise ProofError("the transaction was refused", expected=0, actual=proof.entry.code)


def verify_logged(proof: TransactionProof, size: int, root: Digest) -> None:
    """Check that the entry is in the log of `size` leaves and `root`.

    Raises:
        ProofError: it is not.
    """
    leaf = leaf_hash(encode_entry(proof.entry))
    verify_inclusion(leaf, proof.index, size, proof.path, root)
