"""What evidence leads to reaches whoever follows the log; nobody can leave it out or alter it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from careledger.apps.governance.commands import MemberSuspended, Misbehaved, SetEndpoint
from careledger.consensus.remote import Page, RemoteNode
from careledger.consensus.solo import SoloEngine
from careledger.gateway.node_api import node_app
from careledger.gateway.node_services import NodeServices
from careledger.ledger.entry import BlockEntry, EventRecord, Evidence, decode_entry
from careledger.ledger.errors import ProofError
from careledger.ledger.membership import SIGNERS, TABLES, NetworkParameters, consensus_address
from careledger.ledger.record import decode, digest, encode
from careledger.ledger.span import Span
from careledger.ledger.transition import Receipt
from careledger.node.cosigning import Cosigning
from careledger.node.fsck import check
from careledger.node.vouching import VOUCHED_FOLDER, Vouching, root_in
from careledger.verify.slice import check_slice, slice_lines
from careledger.verify.transaction import describe_entry
from careledger.wallet.follow import follow
from careledger.wallet.ledger_copy import LedgerCopy
from tests.apps.network import HILLTOP, LAKEVIEW, RIVERSIDE, key
from tests.node.governed import ALONE, GOVERNANCE, Governed, engine

# Newer Pythons warn of any fork while pytest-xdist's own threads run; those hold none of our locks.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

Bend = Callable[[int, Receipt], Receipt | None]

STRICT = NetworkParameters(vote_threshold_percent=51, suspend_on_evidence=True)
PING = SetEndpoint(gateway="https://riverside.example")


def caught(height: int = 1) -> Evidence:
    address = consensus_address(engine(HILLTOP).public.public)
    return Evidence(kind="duplicate-vote", address=address, height=height, time=1)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Governed]:
    """Three blocks: of a transaction, of evidence and a transaction, of evidence alone."""
    with Governed(tmp_path / "chain", ALONE, STRICT) as made:
        made.block(made.sign(RIVERSIDE, PING))
        made.catch(caught(), transactions=(made.sign(LAKEVIEW, PING),))
        made.catch(caught(2))
        yield made


class Lying(RemoteNode):
    """A real node whose feed is bent on its way."""

    def __init__(self, client: httpx2.AsyncClient, bend: Bend) -> None:
        super().__init__("http://node", client)
        self._bend = bend

    async def events(self, after: int = 0, limit: int = 100, wait: int = 0) -> Page:
        page = await super().events(after, limit, wait)
        bent = [
            replace(one, receipt=receipt)
            for one in page.happened
            if (receipt := self._bend(one.index, one.receipt)) is not None
        ]
        return replace(page, happened=tuple(bent))


def ask(
    node: Governed, work: Callable[[RemoteNode], Awaitable[None]], bend: Bend | None = None
) -> None:
    """Let `work` ask the node over its own HTTP door."""

    def clock() -> int:
        return node.store.latest.time

    home = node.store.folder.parent
    vouching = Vouching(
        home / VOUCHED_FOLDER,
        node.id,
        RIVERSIDE,
        key("log of riverside"),
        clock=clock,
        root_at=root_in(node.store),
    )

    async def nothing(seconds: float) -> None:
        return

    services = NodeServices(
        genesis=node.file,
        chain=node.id,
        member=RIVERSIDE,
        reader=node.store,
        checkpoints=Cosigning(home, vouching, node.store, clock),
        receipt_keys={},
        tables={table.name: table for table in TABLES},
        clock=clock,
        trouble=lambda: None,
        wait_for_block=nothing,
    )

    async def play() -> None:
        solo = SoloEngine(node.chain, clock=clock)
        transport = httpx2.ASGITransport(node_app(services, solo))
        async with httpx2.AsyncClient(transport=transport, base_url="http://node") as client:
            remote = RemoteNode("http://node", client)
            await work(remote if bend is None else Lying(client, bend))

    asyncio.run(asyncio.wait_for(play(), 60))


def test_the_feed_tells_it_at_the_block_entry(node: Governed) -> None:
    async def work(remote: RemoteNode) -> None:
        page = await remote.events(after=1, limit=100)
        entries = await remote.entries(0, page.size)
        assert [one.index for one in page.happened] == [1, 3, 4, 5]
        first, second = page.happened[2].receipt, page.happened[3].receipt
        told = [
            [decode(one.event, GOVERNANCE.event_type) for one in receipt.events]
            for receipt in (first, second)
        ]
        assert [[type(event) for event in events] for events in told] == [
            [Misbehaved, MemberSuspended],
            [Misbehaved],
        ]
        assert (first.id, second.id) == (digest(entries[4]), digest(entries[5]))
        assert describe_entry(decode_entry(entries[5])).endswith(
            ", with 1 piece of evidence against validators."
        )

    ask(node, work)


def test_a_wallet_that_follows_knows_who_was_suspended(node: Governed) -> None:
    async def work(remote: RemoteNode) -> None:
        copy = LedgerCopy(await remote.genesis(), ())
        await follow(remote, copy, None)
        assert copy.view.row(SIGNERS, HILLTOP).status == "suspended"
        assert copy.size == node.store.latest.size

    ask(node, work)


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (lambda index, receipt: None if index == 4 else receipt, "leaves out what evidence led"),
        (
            lambda index, receipt: Receipt(id=receipt.id) if index == 4 else receipt,
            "events differ from their block entry",
        ),
        (
            lambda index, receipt: (
                Receipt(
                    id=receipt.id,
                    events=(
                        EventRecord(
                            application="governance",
                            event=encode(MemberSuspended(member=LAKEVIEW, at=1)),
                        ),
                    ),
                )
                if index == 5
                else receipt
            ),
            "events differ from their block entry",
        ),
    ],
    ids=["left out", "emptied", "of another"],
)
def test_a_node_that_lies_about_it_is_caught(node: Governed, bend: Bend, says: str) -> None:
    async def work(remote: RemoteNode) -> None:
        copy = LedgerCopy(await remote.genesis(), ())
        with pytest.raises(ProofError, match=says):
            await follow(remote, copy, None)

    ask(node, work, bend)


def test_a_saved_log_holds_it_and_verifies(node: Governed) -> None:
    async def work(remote: RemoteNode) -> None:
        checkpoint = await remote.checkpoint()
        size = node.store.latest.size
        entries = await remote.entries(0, size)
        page = await remote.events(limit=size)
        told = {one.index: one.receipt.events for one in page.happened}
        span = Span(begin=0, end=size, size=size, before=(), after=())
        rows = [(entry, told.get(index)) for index, entry in enumerate(entries)]
        lines = list(slice_lines(node.id, checkpoint, span, rows))
        assert list(check_slice(iter(lines), []))
        rows[4] = (entries[4], ())
        with pytest.raises(ProofError, match="row 4: the events are not those of the entry"):
            list(check_slice(iter(slice_lines(node.id, checkpoint, span, rows)), []))

    ask(node, work)


def test_a_check_of_the_store_replays_it(node: Governed, tmp_path: Path) -> None:
    blocks = [decode_entry(entry) for entry in entries(node)]
    assert sum(len(one.evidence) for one in blocks if isinstance(one, BlockEntry)) == 2
    node.close()  # once more does no harm
    assert check(tmp_path / "chain", ALONE).findings == ()


def entries(node: Governed) -> list[bytes]:
    with node.store.snapshot() as committed:
        return committed.entries(0, committed.latest().size)
