"""The envelope of a consent: the part that everybody may read, as it stands on the ledger."""

from typing import Annotated, Literal

import cbor2
import msgspec

from careledger.ledger.errors import CorruptStore
from careledger.ledger.record import AccountName, Hash, Instant, MemberName, Record
from careledger.mechanisms.deadline import Day, day_of, start_of
from careledger.mechanisms.policy import Dimension, Role, Use
from careledger.mechanisms.purpose import Purpose, includes
from careledger.mechanisms.terms import Action

ConsentId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
"""Chosen by the patient, at random; never used twice under one account."""

Kind = Literal["grant", "denial"]
Form = Literal["electronic", "paper"]

MAX_PURPOSES = 56
MAX_ACTIONS = 3

Purposes = Annotated[tuple[Purpose, ...], msgspec.Meta(max_length=MAX_PURPOSES)]
Actions = Annotated[tuple[Action, ...], msgspec.Meta(max_length=MAX_ACTIONS)]


class Envelope(Record, array_like=True):
    """Who may, or may not, do what and why with the records one custodian holds of a patient.

    Encoded as an array, half the size of a map: decisions decode one for every consent they see.
    """

    kind: Kind
    form: Form
    custodian: MemberName
    grantee: MemberName | None
    """None is anyone, which only a denial may say."""
    practitioner: AccountName | None
    """Only this practitioner of the grantee."""
    role: Role | None
    """Only this role in the grantee."""
    purposes: Purposes
    """Empty is any purpose, which only a denial may say."""
    actions: Actions
    """Empty is any action, which only a denial may say."""
    valid_from: Day
    valid_until: Day | None
    """First day on which it no longer holds; None is until it is ended."""
    terms: Hash | None
    """Commitment to the terms; None is the whole record."""
    given: Instant
    ended: Instant | None = None

    def is_in_force(self, time: Instant) -> bool:
        """Whether it is neither ended, nor over, nor still to come."""
        return self.ended is None and self.is_valid(time)

    def is_valid(self, time: Instant) -> bool:
        """Whether `time` lies in the days it was given for."""
        day = day_of(time)
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)

    def matches(self, use: Use) -> bool:
        """Whether `use` lies inside every dimension."""
        return not self.failing(use)

    def failing(self, use: Use) -> tuple[Dimension, ...]:
        """The dimensions in which `use` lies outside, in published order."""
        outside: list[Dimension] = []
        if use.custodian != self.custodian:
            outside.append("custodian")
        if self.grantee is not None and use.requester != self.grantee:
            outside.append("grantee")
        if self.practitioner is not None and self._is_other(use.practitioner, self.practitioner):
            outside.append("person")
        if self.role is not None and self._is_other(use.role, self.role):
            outside.append("role")
        if self.purposes and not includes(self.purposes, use.purpose):
            outside.append("purpose")
        if self.actions and use.action not in self.actions:
            outside.append("action")
        if not self.is_valid(use.time):
            outside.append("validity")
        if self.ended is not None:
            outside.append("status")
        return tuple(outside)

    def _is_other(self, asking: str | None, named: str) -> bool:
        """Unless it is known who asks, it may be whom a denial names, and not whom a grant does."""
        return self.kind == "grant" if asking is None else asking != named

    def expires(self) -> Instant | None:
        """First second at which it no longer holds by its own words."""
        return None if self.valid_until is None else start_of(self.valid_until)


def stored_envelope(row: bytes) -> Envelope:
    """Like `state.decode_row`, three times as fast: decisions do little else.

    Raises:
        CorruptStore: not the row of an envelope.
    """
    try:
        said = cbor2.loads(row)
        return Envelope(
            kind=said[0],
            form=said[1],
            custodian=said[2],
            grantee=said[3],
            practitioner=said[4],
            role=said[5],
            purposes=tuple(said[6]),
            actions=tuple(said[7]),
            valid_from=said[8],
            valid_until=said[9],
            terms=said[10],
            given=said[11],
            ended=said[12],
        )
    except (cbor2.CBORError, LookupError, TypeError) as error:
        raise CorruptStore("not a row: Envelope") from error
