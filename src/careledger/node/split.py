"""Evidence of two histories: two signed checkpoints that cannot both be true, kept on disk.

`careledger-split/1`: where `same_signer` is true, both notes bear the member's own signature for
one size and different roots, which is what `ReportCheckpoints` of `governance` takes.
"""

import logging
from pathlib import Path
from typing import Literal

import msgspec

from careledger.ledger.checkpoint import SignedCheckpoint
from careledger.ledger.record import Count, Instant, Record
from careledger.node.vouching import write_durably

EVIDENCE_FOLDER = "evidence"
MAX_FILES = 1_000

_log = logging.getLogger(__name__)


class SplitView(Record):
    """What is kept of one contradiction. The notes are C2SP signed notes."""

    format: Literal["careledger-split/1"] = "careledger-split/1"
    member: str
    """Who signed the second note."""
    size: Count
    same_signer: bool
    """Whether the same member signed the first as well: then it contradicts itself."""
    first: str
    second: str
    found: Instant


class SplitViews:
    """The evidence in one folder: one file for each member, size and root that was met."""

    def __init__(self, folder: Path) -> None:
        """Keep it in `folder`, which is made when there is some."""
        self._folder = folder
        self.count = len(list(folder.glob("split-*.json"))) if folder.is_dir() else 0

    def keep(
        self,
        member: str,
        first: SignedCheckpoint,
        second: SignedCheckpoint,
        *,
        same_signer: bool,
        found: Instant,
    ) -> bool:
        """Keep a contradiction, unless it is kept already; whether it is new."""
        checkpoint = second.checkpoint
        kind = "self" if same_signer else "other"
        name = f"split-{checkpoint.size}-{member}-{checkpoint.root.hex()[:16]}-{kind}.json"
        if (self._folder / name).exists() or self.count >= MAX_FILES:
            return False
        kept = SplitView(
            member=member,
            size=checkpoint.size,
            same_signer=same_signer,
            first=first.format(),
            second=second.format(),
            found=found,
        )
        text = msgspec.json.format(msgspec.json.encode(kept), indent=2).decode()
        write_durably(self._folder / name, text + "\n")
        self.count += 1
        _log.error(
            "SPLIT VIEW: %s vouches for another history of %d log entries than %s; evidence in %s",
            member,
            checkpoint.size,
            "it did before" if same_signer else "this node holds",
            self._folder / name,
            extra={"member": member, "size": checkpoint.size},
        )
        return True
