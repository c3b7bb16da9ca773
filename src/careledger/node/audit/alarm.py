"""What an auditor shouts about: a history that was rewritten, split or tampered with."""

from pathlib import Path
from typing import Literal

import msgspec

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import Instant, Record
from careledger.node.vouching import write_durably
from careledger.verify.mirror import EVIDENCE_FOLDER

Kind = Literal["split-view", "rewritten-history", "altered-log", "bad-signature"]


class Alarm(LedgerError):
    """The node shows what cannot be true."""

    def __init__(
        self,
        kind: Kind,
        reason: str,
        *notes: tuple[str, str],
        older: bytes = b"",
        path: tuple[bytes, ...] = (),
    ) -> None:
        """`notes` are (who showed it, signed note); `older` and `path` are as in the evidence."""
        super().__init__(reason)
        self.kind, self.reason, self.notes, self.older, self.path = kind, reason, notes, older, path


class Shown(Record):
    """One signed note and who showed it."""

    source: str
    note: str


class AuditEvidence(Record):
    """What is kept of an alarm, for whoever is to judge it."""

    format: Literal["careledger-audit/1"] = "careledger-audit/1"
    kind: Kind
    reason: str
    shown: tuple[Shown, ...]
    found: Instant
    older: str | None = None
    """Of two notes, the root in hex that the larger log has at the size of the smaller one."""
    path: tuple[str, ...] = ()
    """The consistency proof of that, in hex (RFC 9162 2.1.4)."""


def keep_evidence(folder: Path, alarm: Alarm, found: Instant) -> Path:
    """Write the evidence into the mirror in `folder`; its path."""
    kept = AuditEvidence(
        kind=alarm.kind,
        reason=alarm.reason,
        shown=tuple(Shown(source=source, note=note) for source, note in alarm.notes),
        found=found,
        older=alarm.older.hex() or None,
        path=tuple(one.hex() for one in alarm.path),
    )
    path = folder / EVIDENCE_FOLDER / f"{alarm.kind}-{found}.json"
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{alarm.kind}-{found}-{number}.json")
    write_durably(path, msgspec.json.format(msgspec.json.encode(kept), indent=2).decode() + "\n")
    return path
