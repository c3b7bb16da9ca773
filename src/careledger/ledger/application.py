"""What the ledger expects of an application."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_
from typing import Any, Generic, Literal, TypeVar

from careledger.ledger.entry import Evidence
from careledger.ledger.errors import Refusal
from careledger.ledger.record import Digest, Instant, MemberId, Record, SignerId, TransactionId
from careledger.ledger.state import Changes, Table, View

Command = TypeVar("Command", bound=Record)
Event = TypeVar("Event", bound=Record)

SignerKind = Literal["member", "account"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a rule may know besides the state: who signed, and when and where it was ordered."""

    signer: SignerId
    kind: SignerKind
    payer: MemberId
    """The member itself, or the member that enrolled the account."""
    standing: bool
    """Whether it, and the member that enrolled it, are active.

    If not, an account only protects itself, and a member only acts in an emergency.
    """
    key: bytes
    """Id of the key that signed (RFC 9679 thumbprint)."""
    use: str
    """What that key was registered for, "transaction" or "claim"."""
    time: Instant
    height: int
    position: int
    chain: Digest
    transaction: TransactionId
    active: Mapping[str, int] = field(default_factory=dict)
    """The version in which each application runs in this block."""


@dataclass(frozen=True, kw_only=True)
class Application(Generic[Command, Event]):
    """One domain of the exchange: its tables, what may be asked, what may happen, and the law.

    `decide` turns a command into events or raises a `Refusal`; `evolve` turns an event into
    changes and never refuses. Both are pure.
    """

    name: str
    version: int
    tables: tuple[Table[Any], ...]  # Any: tables of several row types
    commands: tuple[type[Command], ...]
    events: tuple[type[Event], ...]
    refusals: tuple[type[Refusal], ...]
    decide: Callable[[Command, Context, View], Iterable[Event]]
    evolve: Callable[[Event, View], Changes]
    protective: tuple[type[Record], ...] = ()
    """Commands that stay open to a suspended member's accounts, with a reserved budget share."""
    claims: tuple[type[Record], ...] = ()
    """Commands that a claim key may sign; it may sign no others."""

    emergency: Callable[[Record], bool] | None = None
    """Whether a command stays open to a member for 72 hours after it was suspended."""
    witness: Callable[[Evidence, Instant, View], Iterable[Event]] | None = None
    """What follows from evidence that the engine brings, at block time; refuses nothing."""

    @cached_property
    def command_type(self) -> Any:  # Any: a union made at run time
        """The union of `commands`."""
        return reduce(or_, self.commands)

    @cached_property
    def event_type(self) -> Any:  # Any: a union made at run time
        """The union of `events`."""
        return reduce(or_, self.events)
