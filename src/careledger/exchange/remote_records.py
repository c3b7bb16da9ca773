"""What one custodian released, and how several answers become one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from careledger.exchange.verification import Doubtful, VerifiedResource
from careledger.ledger.record import Instant, MemberId
from careledger.mechanisms.messages import Released


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteRecords:
    """What one custodian released, all of it checked."""

    custodian: MemberId
    resources: tuple[VerifiedResource, ...]
    notice: str
    as_of: Instant
    basis: str
    number: int
    """The custodian's number for the disclosure under which it was released."""
    doubtful: tuple[Doubtful, ...] = ()
    """What does not check; only where it was asked for so."""
    recorded: bool = True
    """False where it was released in an emergency without the ledger: then `number` is that of
    the custodian's own entry, which it has to record as soon as it can."""


def records_of(said: Released, found: Sequence[VerifiedResource | Doubtful]) -> RemoteRecords:
    """What was released, as it was found."""
    return RemoteRecords(
        custodian=MemberId(said.custodian),
        resources=tuple(one for one in found if isinstance(one, VerifiedResource)),
        notice=said.notice,
        as_of=said.as_of,
        basis=said.basis,
        number=said.number,
        doubtful=tuple(one for one in found if isinstance(one, Doubtful)),
    )


def together(answers: list[RemoteRecords]) -> RemoteRecords:
    """Answers on several grants as one: each version of a resource once."""
    resources = {
        (one.type, one.id, one.version): one for answer in answers for one in answer.resources
    }
    doubtful = {
        (one.type, one.id, one.version): one
        for answer in answers
        for one in answer.doubtful
        if one.mark == "tampered" or (one.type, one.id, one.version) not in resources
    }
    first = answers[0]
    return replace(
        first,
        resources=tuple(resources.values()),
        doubtful=tuple(doubtful.values()),
        as_of=min(answer.as_of for answer in answers),
    )
