"""Messages between organisations, and between a patient and one: what travels sealed.

Pure shapes. A message is the encoding of one record; an answer that carries resources is a list of
parts, so that each resource stays byte for byte as it was received. `spec/exchange.md` has the
sealing around them.
"""

import hmac
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec

from careledger.ledger.commitment import Opening, RecordName, ResourceText
from careledger.ledger.errors import Malformed
from careledger.ledger.merkle import leaf_hash, verify_inclusion
from careledger.ledger.record import (
    Count,
    Digest,
    Hash,
    Instant,
    MemberName,
    Record,
    decode,
    encode,
)
from careledger.ledger.statement import StatementBytes, check_sizes
from careledger.mechanisms.envelope import ConsentId
from careledger.mechanisms.policy import BasisName, Dimension
from careledger.mechanisms.terms import Second

TERMS: Final = "terms"
ASK: Final = "ask"
ANSWER: Final = "answer"
"""Channels: what a sealed message is bound to, so that none is taken for another."""

NOTICE: Final = "This may be incomplete: do not infer that anything is absent."
"""Goes with every answer, complete or not: a hint of what is withheld would itself reveal it."""

OFFLINE_NOTICE: Final = f"Released in an emergency, before it could be recorded. {NOTICE}"
"""Goes with what is released while the ledger cannot decide."""

MAX_PARTS: Final = 20_000
MAX_ANSWER_BYTES: Final = 64_000_000
MAX_ASK_BYTES: Final = 1_000_000

SessionId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
ParameterText = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class Query(Record):
    """What exactly is asked for: everything, one resource, or a search with FHIR parameters."""

    type: ResourceText | None = None
    """None is the whole record."""
    id: ResourceText | None = None
    version: Count | None = None
    parameters: Annotated[
        tuple[tuple[ParameterText, ParameterText], ...], msgspec.Meta(max_length=32)
    ] = ()


class Presented(Record):
    """Terms that the requester holds too, opened, so that the custodian can check them."""

    consent_id: ConsentId
    terms: Annotated[bytes, msgspec.Meta(min_length=1, max_length=65_536)]
    salt: Hash


class Ask(Record):
    """What a requester sends to a custodian."""

    request: StatementBytes
    """A signed `AccessRequest`, whose `query` is `asked(salt, query, reply_to)`."""
    query: Query
    salt: Hash
    """32 random bytes; the answer opens only for whoever knows them."""
    reply_to: Hash | None = None
    """X25519 key for the answer; None is the requesting member's sealing key on the ledger."""
    presented: Annotated[tuple[Presented, ...], msgspec.Meta(max_length=16)] = ()
    emergency: StatementBytes | None = None
    session: SessionId | None = None
    """A session opened before, in which this is one more read."""

    def __post_init__(self) -> None:
        check_sizes(self.request, self.emergency)


class Released(Record, tag="released"):
    """Yes. The parts that follow are, for each resource, a `ReleasedRecord` and its bytes."""

    custodian: MemberName
    transaction: Hash
    """The transaction that recorded the disclosure of this session."""
    number: Count
    """The answer's number between this custodian and this receiver."""
    session: SessionId
    expires: Instant
    """First second at which the session is over."""
    basis: BasisName
    salt: Hash
    """Salt of the manifest."""
    as_of: Instant
    notice: str = NOTICE


class ReleasedOffline(Record, tag="released-offline"):
    """Yes, in an emergency while the ledger could not decide. Parts follow as after `Released`."""

    custodian: MemberName
    entry: StatementBytes
    """A signed `OfflineEntry`, which the custodian has to record as soon as it can."""
    salt: Hash
    """Salt of the manifest."""
    as_of: Instant
    """Time of the newest block that the custodian had."""
    notice: str = OFFLINE_NOTICE

    def __post_init__(self) -> None:
        check_sizes(self.entry)


class Refused(Record, tag="refused"):
    """No, and in which dimensions; the same stands on the ledger."""

    dimensions: tuple[Dimension, ...]
    number: Count
    notice: str = NOTICE


class Rejected(Record, tag="rejected"):
    """The request itself is not one that can be answered; nothing was recorded."""

    code: Count
    """The refusal that the ledger would give."""
    text: Annotated[str, msgspec.Meta(max_length=200)]


Answer = Released | ReleasedOffline | Refused | Rejected


class ReleasedRecord(Record):
    """What proves one released resource: its opening, and the transaction of its batch."""

    opening: Opening
    transaction: Hash
    batch: Count


class SpoiltRecord(Record):
    """What is left of a resource that its custodian committed to and can open no more.

    Travels in the place of a `ReleasedRecord`, before an empty part. Name and `start`, the first
    second of its clinical date, are the custodian's word alone: the salt is lost with the bytes.
    """

    name: RecordName
    commitment: Hash
    root: Hash
    size: Count
    index: Count
    path: tuple[Hash, ...]
    transaction: Hash
    batch: Count
    start: Second | None = None


def verify_spoilt(said: SpoiltRecord) -> None:
    """Check that the batch holds the commitment that a custodian can open no more.

    Raises:
        ProofError: it does not.
    """
    leaf = leaf_hash(Digest(said.commitment))
    verify_inclusion(leaf, said.index, said.size, said.path, Digest(said.root))


def decode_answer(data: bytes) -> Answer:
    """The head of an answer.

    Raises:
        Malformed: it is not one.
    """
    # Answer is a union, which mypy does not take for a type[T].
    return decode(data, Answer)  # type: ignore[arg-type]


def asked(salt: bytes, query: Query, reply_to: bytes | None) -> Digest:
    """The commitment to what is asked for, which the signed request carries."""
    return Digest(hmac.digest(salt, encode(("careledger query v1", query, reply_to)), "sha256"))


def manifest(salt: bytes, request: bytes, commitments: Sequence[Digest]) -> Digest:
    """The commitment to what was released in answer to `request`, in this order."""
    content = ("careledger manifest v1", request, tuple(commitments))
    return Digest(hmac.digest(salt, encode(content), "sha256"))


def join_parts(parts: Iterable[bytes]) -> bytes:
    """Parts one after another, each behind its length as four bytes."""
    pieces: list[bytes] = []
    for part in parts:
        pieces += (len(part).to_bytes(4), part)
    return b"".join(pieces)


def split_parts(data: bytes) -> list[bytes]:
    """Inverse of `join_parts`.

    Raises:
        Malformed: it would not have produced these bytes, or there are too many.
    """
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4])
        if end > len(data) or at + 4 > len(data) or len(parts) == MAX_PARTS:
            raise Malformed
        parts.append(data[at + 4 : end])
        at = end
    return parts
