"""What is wrong with the members that a genesis file begins with."""

from collections.abc import Iterator, Sequence

from careledger.apps.governance.commands import MemberAdmitted, PowerSet
from careledger.ledger.record import Record


def founding_faults(events: Sequence[Record]) -> tuple[str, ...]:
    """What is wrong with the governance events of a genesis file, in plain clauses; none is good.

    A chain must not begin locked: somebody has to be able to act, vote and be told apart. Where
    anybody has power over blocks, everyone who has it has a consensus key, only its own.
    """
    admitted = [event for event in events if isinstance(event, MemberAdmitted)]
    faults = [] if admitted else ["nobody is admitted"]
    faults += _of_members(admitted)
    faults += _of_consensus_keys(admitted)
    faults += _of_powers(events)
    return tuple(faults)


def _of_members(admitted: Sequence[MemberAdmitted]) -> Iterator[str]:
    seen: set[str] = set()
    for event in admitted:
        if event.member in seen:
            yield f"{event.member} is admitted twice"
        seen.add(event.member)
        if not any(key.use == "transaction" for key in event.keys):
            yield f"{event.member} has no transaction key"


def _of_consensus_keys(admitted: Sequence[MemberAdmitted]) -> Iterator[str]:
    holders: dict[bytes, str] = {}
    for event in admitted:
        keys = [key.public for key in event.keys if key.use == "consensus"]
        if len(keys) > 1:
            yield f"{event.member} has {len(keys)} consensus keys, and may have one"
        for key in keys:
            other = holders.setdefault(key, event.member)
            if other != event.member:
                yield f"{event.member} and {other} have the same consensus key"


def _of_powers(events: Sequence[Record]) -> Iterator[str]:
    """In the order of the file: an event can only build on those before it."""
    able: set[str] = set()
    seen: set[str] = set()
    for event in events:
        if isinstance(event, MemberAdmitted):
            if any(key.use == "consensus" for key in event.keys):
                able.add(event.member)
        elif isinstance(event, PowerSet):
            if event.member in seen:
                yield f"the power of {event.member} is set twice"
            seen.add(event.member)
            if event.member not in able:
                yield f"{event.member} is given power over blocks, but had no consensus key"
            if not event.power:
                yield f"the power of {event.member} is set to 0"
