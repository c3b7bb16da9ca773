"""Who may vouch for the log: the members' registered checkpoint keys, and whose lines they made."""

from collections.abc import Iterator
from dataclasses import dataclass

from careledger.apps.governance.queries import members
from careledger.ledger.checkpoint import SignedCheckpoint, member_keys
from careledger.ledger.errors import BadSignature
from careledger.ledger.membership import live_keys
from careledger.ledger.note import NoteKey, NoteSignature, verify_signature
from careledger.ledger.record import MemberId
from careledger.ledger.state import View


@dataclass(frozen=True, kw_only=True)
class Electorate:
    """The checkpoint keys that are live now, by the name and id that signature lines bear."""

    keys: dict[tuple[str, bytes], tuple[MemberId, NoteKey]]
    active: frozenset[MemberId]
    """The members that count; a suspended one's lines are evidence only."""

    @property
    def needed(self) -> int:
        """More than two thirds of those that have a key, as consensus needs."""
        return 2 * len(self.active) // 3 + 1

    def lines(self, signed: SignedCheckpoint) -> Iterator[tuple[MemberId, NoteSignature]]:
        """The signature lines that are good, each with whose it is; the others are passed over."""
        text = signed.checkpoint.text()
        for line in signed.signatures:
            member, key = self.keys.get((line.name, line.key_id), (None, None))
            if member is None or key is None:
                continue
            try:
                verify_signature(text, line, key)
            except BadSignature:
                continue
            yield member, line


def electorate(view: View, origin: str) -> Electorate:
    """The members with a checkpoint key, as the ledger has them."""
    keys: dict[tuple[str, bytes], tuple[MemberId, NoteKey]] = {}
    active: set[MemberId] = set()
    for member in members(view):
        id_ = MemberId(member.id)
        for _, row in live_keys(view, id_, "checkpoint"):
            for key in member_keys(origin, id_, row.public):
                keys[key.name, key.id] = id_, key
            if member.status == "active":
                active.add(id_)
    return Electorate(keys=keys, active=frozenset(active))
