"""What is known of a patient here besides the records, as it is sealed under the patient's key."""

from typing import Annotated

import msgspec

from careledger.ledger.record import Instant, Record


class Merge(Record):
    """For a time, this patient was taken to be the same person as `into`."""

    into: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    since: Instant
    until: Instant | None = None


class Card(Record):
    """Who a patient is here. Merges are kept for ever: accesses during one can be reported."""

    local: str
    """The custodian's own id, such as a medical record number."""
    account: str
    merges: tuple[Merge, ...] = ()

    @property
    def merged_into(self) -> bytes | None:
        """The patient whom this one is taken for now."""
        last = self.merges[-1] if self.merges else None
        return None if last is None or last.until is not None else last.into

    def merged(self, into: bytes, since: Instant) -> "Card":
        """This card, taken for `into` from `since` on."""
        merges = (*self.merges, Merge(into=into, since=since))
        return msgspec.structs.replace(self, merges=merges)

    def unmerged(self, until: Instant) -> "Card":
        """This card, taken for nobody else from `until` on."""
        *before, last = self.merges
        merges = (*before, msgspec.structs.replace(last, until=until))
        return msgspec.structs.replace(self, merges=merges)
