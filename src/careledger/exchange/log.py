"""The log of one patient: who asked, got, was refused and looked, ready to be said in sentences."""

from dataclasses import dataclass, replace
from typing import Literal

from careledger.apps.governance.queries import member
from careledger.apps.identity.queries import account as account_of
from careledger.apps.records import queries as records
from careledger.apps.records.queries import LogLine
from careledger.exchange.organisation import Organisation
from careledger.ledger.membership import parameters
from careledger.ledger.record import AccountId, Instant, MemberId
from careledger.ledger.state import View
from careledger.mechanisms.deadline import Standing, due_within


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEntry:
    """One line. Names are those on the ledger; the patient has none there."""

    at: Instant
    outcome: Literal["released", "refused", "read"]
    custodian: MemberId
    custodian_name: str
    receiver: str
    """A member id, or the patient's own account."""
    receiver_name: str
    practitioner: str | None
    practitioner_name: str | None
    role: str | None
    purpose: str
    actions: tuple[str, ...]
    basis: str | None = None
    consent_id: bytes | None = None
    """The grant under which it was released."""
    dimensions: tuple[str, ...] = ()
    """Where a refused use fell outside."""
    reads: int = 0
    """How many follow-up reads the line stands for."""
    number: int
    acknowledged: Standing | None = None
    """Whether the receiver has confirmed what it received."""


class Log:
    """Reads logs from committed state, which anybody may; who may ask is the caller's matter."""

    def __init__(self, organisation: Organisation) -> None:
        """Read by the ledger that `organisation` reads."""
        self._organisation = organisation

    def entries(self, account: AccountId) -> tuple[LogEntry, ...]:
        """Everything about one patient account, oldest first.

        Raises:
            Stale: the ledger that we read is behind.
        """
        with self._organisation.now() as now:
            within_s = parameters(now.view).acknowledge_within_s
            return tuple(
                _entry(now.view, line, within_s, now.time)
                for line in records.log(now.view, account)
            )


def _entry(view: View, line: LogLine, within_s: int, time: Instant) -> LogEntry:
    answer = line.answer
    common = LogEntry(
        at=line.at,
        outcome="refused",
        custodian=line.custodian,
        custodian_name=_member(view, line.custodian),
        receiver=line.receiver,
        receiver_name=_member(view, line.receiver),
        practitioner=answer.practitioner,
        practitioner_name=_practitioner(view, answer.practitioner),
        role=answer.role,
        purpose=answer.purpose,
        actions=answer.actions,
        number=line.number,
    )
    if hasattr(answer, "dimensions"):
        return replace(common, dimensions=answer.dimensions)
    released = replace(
        common, basis=answer.basis, consent_id=answer.basis_id if answer.basis == "grant" else None
    )
    if line.reads is not None:
        return replace(released, outcome="read", reads=line.reads)
    standing = due_within(answer.at, within_s, answer.acknowledged).standing(time)
    return replace(released, outcome="released", acknowledged=standing)


def _member(view: View, id_: str) -> str:
    if id_.startswith("@"):
        return "you"
    found = member(view, MemberId(id_))
    return id_ if found is None else found.name


def _practitioner(view: View, id_: str | None) -> str | None:
    found = None if id_ is None else account_of(view, AccountId(id_))
    return None if found is None else found.name
