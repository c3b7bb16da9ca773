"""What the ledger remembers of its members, their roles and their votes.

Standing and keys are in the core's own tables (`ledger.membership`), which this application
writes.
"""

from typing import Literal

from careledger.apps.governance.commands import Endpoint, Motion
from careledger.ledger.record import Instant, MemberName, PublicName, Record
from careledger.ledger.state import Table


class MemberRow(Record):
    """A participating organisation."""

    name: PublicName
    since: Instant
    gateway: Endpoint | None


class RoleRow(Record):
    """A member has this role."""

    since: Instant


class ProposalRow(Record):
    """A motion that was put to the vote, until `until`."""

    member: MemberName
    motion: Motion
    until: Instant
    outcome: Literal["open", "carried", "rejected"] = "open"


class MisbehaviourRow(Record):
    """A member was caught at something, once."""

    at: Instant
    reporter: MemberName | None


class VoteRow(Record):
    """One member's vote."""

    approve: bool
    at: Instant


MEMBERS = Table("governance.members", MemberRow, (str,))
"""Keyed by member id; `ledger.signers` holds whether it is active."""

ROLES = Table("governance.roles", RoleRow, (str, str))
"""Keyed by member id and role."""

PROPOSALS = Table("governance.proposals", ProposalRow, (bytes,))
"""Keyed by proposal id."""

VOTES = Table("governance.votes", VoteRow, (bytes, str))
"""Keyed by proposal id and member id."""

MISBEHAVIOUR = Table("governance.misbehaviour", MisbehaviourRow, (str, str, int))
"""Keyed by member, kind, and height of the block or size of the log; rows stay."""
