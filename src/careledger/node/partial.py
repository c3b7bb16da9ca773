"""What can be said of a store whose past is still being fetched, held against its newest header."""

from collections.abc import Iterator
from hashlib import sha256

from careledger.ledger.entry import BlockEntry, TransactionEntry, decode_entry, events_digest
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.record import Digest, decode, digest
from careledger.ledger.state_root import Tree
from careledger.ledger.transition import Receipt
from careledger.node.comparison import MAX_FINDINGS, Finding
from careledger.store import tiles
from careledger.store.gap import Gap
from careledger.store.layout import bucket_key, number_key
from careledger.store.snapshot import Snapshot

_READ = 4_096


def check_without_past(committed: Snapshot, gap: Gap) -> tuple[int, list[Finding]]:
    """How many rows there are, and what is wrong.

    Rows and buckets are held against the state root; the entries that are here, and the tiles at
    the edge, against the log root; ids and newer receipts against the entries. Headers carry their
    own check.
    """
    header = committed.latest()
    rows, findings = _check_state(committed)
    if tiles.frontier(committed.tile, header.size).root() != header.log_root:
        findings.append(Finding(height=header.height, what="tiles: another log root"))
    frontier = Frontier(gap.kept, tuple(Digest(one) for one in gap.before))
    for begin in range(gap.kept, header.size, _READ):
        entries = committed.entries(begin, min(begin + _READ, header.size))
        frontier = frontier.extend(map(leaf_hash, entries))
        findings += _check_entries(committed, gap, begin, entries)
        if len(findings) >= MAX_FINDINGS:
            return rows, findings
    if frontier.root() != header.log_root:
        findings.append(Finding(height=header.height, what="entries: another log root"))
    for height in range(gap.height, header.height + 1):
        if committed.header(height) is None:
            findings.append(Finding(height=height, what="headers: none"))
    return rows, findings


def _check_state(committed: Snapshot) -> tuple[int, list[Finding]]:
    header = committed.latest()
    findings: list[Finding] = []
    leaves = sorted(
        sha256(key).digest() + sha256(row).digest() for key, row in committed.pairs("rows")
    )
    buckets: dict[int, bytearray] = {}
    for leaf in leaves:
        buckets.setdefault(int.from_bytes(leaf[:2]), bytearray()).extend(leaf)
    stored = {int.from_bytes(key): bucket for key, bucket in committed.pairs("buckets")}
    for number in buckets.keys() | stored.keys():
        if buckets.get(number, b"") != stored.get(number, b""):
            what = f"rows or buckets: {bucket_key(number).hex()}"
            findings.append(Finding(height=None, what=what))
    tree = Tree((number, bytes(bucket)) for number, bucket in buckets.items())
    if tree.root != header.state_root:
        findings.append(Finding(height=header.height, what="rows: another state root"))
    if tree.groups() != committed.groups():
        findings.append(Finding(height=header.height, what="meta: groups"))
    return len(leaves), findings[:MAX_FINDINGS]


def _check_entries(
    committed: Snapshot, gap: Gap, begin: int, entries: list[bytes]
) -> Iterator[Finding]:
    """Ids, and receipts of blocks since the snapshot."""
    for index, data in enumerate(entries, begin):
        entry = decode_entry(data)
        if isinstance(entry, TransactionEntry) and committed.index_of(entry.id) != index:
            yield Finding(height=None, what=f"ids: {entry.id.hex()}")
        if index < gap.size:
            continue
        found = committed.raw("receipts", number_key(index))
        if isinstance(entry, TransactionEntry):
            expected = (entry.id, entry.code, entry.events)
        elif isinstance(entry, BlockEntry) and isinstance(entry.witnessed, bytes):
            expected = (digest(data), 0, entry.witnessed)
        else:
            continue
        receipt = None if found is None else decode(found, Receipt)
        if receipt is None or expected != (
            receipt.id,
            receipt.code,
            events_digest(receipt.events),
        ):
            yield Finding(height=None, what=f"receipts: {number_key(index).hex()}")
