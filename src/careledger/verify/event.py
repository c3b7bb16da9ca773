"""The few events that proofs turn on, as the verifier reads them without any application's code."""

from collections.abc import Iterable, Iterator

from careledger.ledger.entry import EventRecord
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.record import Count, Hash, MemberName, Record, decode, load_cbor


class RecordsCommitted(Record, tag="committed"):
    """A custodian committed a batch of records: an event of the application `records`."""

    custodian: MemberName
    batch: Count
    root: Hash
    size: Count


_TOLD = ("custodian", "receiver", "grantee", "practitioner", "role", "purpose", "basis", "reason")
"""Fields that say who and why, in the order of telling."""


def committed_batches(events: Iterable[EventRecord]) -> Iterator[RecordsCommitted]:
    """The batches that these events commit."""
    for event in events:
        if event.application == "records" and event_type(event) == "committed":
            yield decode(event.event, RecordsCommitted)


def event_fields(event: EventRecord) -> dict[str, object]:
    """The event as a plain map.

    Raises:
        Malformed: it is not one.
    """
    fields = load_cbor(event.event)
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise Malformed
    return fields


def event_type(event: EventRecord) -> str:
    """What kind of event of its application this is."""
    return str(event_fields(event).get("type", ""))


def speaks_of(event: EventRecord, name: str) -> bool:
    """Whether `name`, a member or an account, stands anywhere in the event."""
    return _contains(event_fields(event), name)


def describe(events: Iterable[EventRecord]) -> str:
    """The events by name and by who and why: `consent granted (grantee plains)`."""
    return "; ".join(map(_describe_one, events))


def _describe_one(event: EventRecord) -> str:
    fields = event_fields(event)
    told = [f"{name} {fields[name]}" for name in _TOLD if isinstance(fields.get(name), str)]
    name = f"{event.application} {fields.get('type', '')}"
    return f"{name} ({', '.join(told)})" if told else name


def find_batch(events: Iterable[EventRecord], custodian: str, root: bytes, size: int) -> None:
    """Check that one of these events is this custodian's batch of this root and size.

    Raises:
        ProofError: none is.
    """
    batches = list(committed_batches(events))
    if not any((b.custodian, b.root, b.size) == (custodian, root, size) for b in batches):
        raise ProofError(
            "no event of the transaction commits this batch",
            expected=(custodian, root.hex(), size),
            actual=[(b.custodian, b.root.hex(), b.size) for b in batches],
        )


def _contains(value: object, name: str) -> bool:
    match value:
        case str():
            return value == name
        case dict():
            return any(_contains(item, name) for item in value.values())
        case list():
            return any(_contains(item, name) for item in value)
        case _:
            return False
