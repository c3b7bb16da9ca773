"""What the ledger remembers of consent. No row is ever deleted, and no id used again."""

from careledger.ledger.record import AccountName, Hash, Record
from careledger.ledger.state import Table
from careledger.mechanisms.envelope import Envelope


class Paper(Record):
    """Who vouches for a consent on paper, and for which paper."""

    paper: Hash
    staff: AccountName
    witness: AccountName
    ended_by: AccountName | None = None
    """Staff who ended it at the desk; None if it stands or the patient's own key ended it."""


CONSENTS = Table("consent.envelopes", Envelope, (str, bytes))
"""Keyed by patient account and consent id: a decision is one scan of a few neighbouring rows."""

PAPERS = Table("consent.papers", Paper, (str, bytes))
"""Keyed likewise; only for consents on paper."""
