"""Log entries: what the leaves of the log hold, one for each thing that everyone must agree on.

The first leaf of every log is the genesis entry, so a path to any other leaf is never empty. A
block that holds transactions or evidence adds one entry for each transaction, in order, and ends
with a block entry.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec

from careledger.ledger.errors import InvalidBlock
from careledger.ledger.record import Count, Digest, Hash, Instant, Record, decode, digest, encode

MAX_EVIDENCE: Final = 256
"""Pieces of evidence that one block entry holds, and acts on; an engine has few, if any."""

MAX_ENTRY_BYTES = 65_535
"""What the two length bytes of a tile's entry bundle can say (C2SP tlog-tiles)."""


class EventRecord(Record, array_like=True):
    """One thing that happened: the application it happened in, and the event's own encoding."""

    application: str
    event: bytes


class GenesisEntry(Record, tag="genesis"):
    """How the log begins."""

    chain: Hash


class TransactionEntry(Record, tag="transaction"):
    """What became of one ordered transaction; `code` 0 means that it took effect."""

    id: Hash
    exp: Instant
    code: Count
    events: Hash


class BlockEntry(Record, tag="block"):
    """How a block ended. `state_root` is that of the state after all of it."""

    height: Count
    time: Instant
    state_root: Hash
    version: Count
    evidence: tuple[bytes, ...] = ()
    """Each an encoded `Evidence`."""
    witnessed: Hash | msgspec.UnsetType = msgspec.UNSET
    """Digest of the events that followed from `evidence`; unset, and not encoded, without any."""


class Evidence(Record):
    """What an engine caught a validator doing; whoever it was is named by the key's address."""

    kind: Literal["duplicate-vote", "light-client-attack"]
    address: Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
    """First 20 bytes of the SHA-256 of the consensus key."""
    height: Count
    """The block that it was about."""
    time: Instant
    """When that block was."""


LogEntry = GenesisEntry | TransactionEntry | BlockEntry


def events_digest(events: Iterable[EventRecord]) -> Digest:
    """SHA-256 of the encoded list of [application, event]; also of the empty list."""
    return digest(encode(tuple(events)))


def encode_entry(entry: LogEntry) -> bytes:
    """The bytes that become a leaf.

    Raises:
        InvalidBlock: more than an entry may hold, which no correct proposer lets happen.
    """
    data = encode(entry)
    if len(data) > MAX_ENTRY_BYTES:
        raise InvalidBlock("log entry too large", len(data), MAX_ENTRY_BYTES)
    return data


def decode_entry(data: bytes) -> LogEntry:
    """Inverse of `encode_entry`.

    Raises:
        Malformed: it would not have produced these bytes.
    """
    # LogEntry is a union, which mypy does not take for a type[T].
    return decode(data, LogEntry)  # type: ignore[arg-type]
