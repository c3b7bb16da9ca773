"""A real CometBFT drives the ledger, and the embedded engine makes the same of its blocks."""

import asyncio
import base64
import errno
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from careledger.consensus.chain import Chain
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.engine import CometEngine
from careledger.consensus.cometbft.genesis import WrongGenesis, engine_genesis
from careledger.consensus.cometbft.light import engine_time
from careledger.consensus.engine import Engine
from careledger.consensus.verification import check
from careledger.ledger.errors import Unavailable
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.state import View
from careledger.ledger.transaction import (
    Expired,
    OverBudget,
    SignatureInvalid,
    WrongChain,
    call,
    sign_transaction,
)
from tests.consensus.cometbft.real import PATIENCE_S, Node, node, now, signed
from tests.consensus.cometbft.world import SetPower, open_chain
from tests.consensus.world import sign
from tests.ledger.world import (
    ANA,
    LAKEVIEW,
    NOTES,
    RIVERSIDE,
    Protect,
    SetNote,
    Unwelcome,
    claims,
    key,
)
from tests.ledger.world import signed as elsewhere

ALONE = {RIVERSIDE: 10}
Story = Callable[[Node], Awaitable[None]]


def play(folder: Path, story: Story, powers: dict[str, int] | None = None, **options: Any) -> None:
    async def run() -> None:
        async with node(folder, powers or ALONE, **options) as one:
            await story(one)

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def note(chain: Chain, number: int, text: str = "hello") -> bytes:
    return signed(chain, SetNote(at=f"n{number}", text=text), number)


def test_a_story_by_a_real_engine_and_the_same_blocks_by_the_embedded_one(tmp_path: Path) -> None:
    decided: list[tuple[int, list[bytes]]] = []
    roots: list[bytes] = []

    async def story(one: Node) -> None:
        chain, engine = one.chain, one.engine
        first = note(chain, 1)
        ordered = await engine.submit(first)
        assert ordered.receipt.code == 0
        with chain.store.snapshot() as committed:
            assert View(committed).row(NOTES, ANA, "n1").text == "hello"
        refused = await engine.submit(note(chain, 2, "unwelcome"))
        assert refused.receipt.code == Unwelcome.code
        assert await engine.submit(first) == ordered
        forged = bytearray(note(chain, 3))
        forged[-1] ^= 1
        for raw, error in (
            (bytes(forged), SignatureInvalid),
            (elsewhere(ANA, SetNote(at="x", text="y")), WrongChain),
        ):
            with pytest.raises(error):
                await engine.submit(raw)
        many = [note(chain, number) for number in range(10, 210)]
        found = await asyncio.gather(*map(engine.submit, many))
        assert len({one.index for one in found}) == len(many)
        await power(one, LAKEVIEW, 3, 900)
        height = chain.store.latest.height
        await one.until_height(height + 2)
        voters = await one.ask("validators", height=str(height + 2))
        assert [int(each["voting_power"]) for each in voters["validators"]] == [10, 3]
        height = chain.store.latest.height
        for at in range(1, height + 1):
            block = (await one.ask("block", height=str(at)))["block"]
            raws = [base64.b64decode(raw) for raw in block["data"]["txs"] or ()]
            decided.append((engine_time(block["header"]["time"]).seconds, raws))
            roots.append(bytes.fromhex(block["header"]["app_hash"]))
        assert engine.trouble is None
        presence = engine.presence()
        assert (presence.power, presence.total_power) in {(10, 10), (10, 13)}
        engines: list[Engine] = [engine]  # it has all that a node asks of one
        assert engines[0].measures.blocks >= height

    play(tmp_path / "theirs", story)
    assert sum(len(raws) for _, raws in decided) == 203
    with (
        open_chain(tmp_path / "theirs" / "chain", ALONE) as theirs,
        open_chain(tmp_path / "ours", ALONE) as ours,
    ):
        for time, raws in decided:
            assert roots.pop(0) == ours.store.latest.app_hash  # a header has that of its parent
            prepare_and_commit(ours, raws, time)
        height = ours.store.latest.height
        with theirs.store.snapshot() as left, ours.store.snapshot() as right:
            for at in range(height + 1):
                assert left.header(at) == right.header(at)
            size = ours.store.latest.size
            assert left.entries(0, size) == right.entries(0, size)
            assert [*left.receipts(0)][:202] == [*right.receipts(0)][:202]
            assert [*left.scan(b"")] == [*right.scan(b"")]


def prepare_and_commit(chain: Chain, raws: list[bytes], time: int) -> None:
    """As the embedded engine does it."""
    with chain.store.snapshot() as committed:
        view = View(committed)
        verified = [check(raw, view, committed.has, time, chain.id) for raw in raws]
    prepared = chain.prepare(verified, time)
    assert len(prepared.block.transactions) == len(raws)
    chain.begin(prepared)
    chain.commit(prepared)
    chain.settle()


async def power(one: Node, member: str, amount: int, nonce: int) -> None:
    window = {"not_before": now() - 5, "expires": now() + 60, "audience": one.chain.id.hex()}
    command = call("council", SetPower(member=member, power=amount))
    raw = sign_transaction(key(RIVERSIDE), claims(RIVERSIDE, nonce, **window), command)
    assert (await one.engine.submit(raw)).receipt.code == 0


class DiesBeforeCommit(CometEngine):
    """Ends as a killed process does, once: what FinalizeBlock answered is never made durable."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        commit = self.application.commit

        def dies(request: m.RequestCommit) -> m.ResponseCommit:
            prepared = self.application._finalized
            if prepared is not None and prepared.block.transactions:
                raise KeyError("killed")
            return commit(request)

        self.application.commit = dies  # type: ignore[method-assign, assignment] # a fault


def test_a_block_that_was_not_made_durable_is_brought_again(tmp_path: Path) -> None:
    height, raw = 0, b""

    async def dies(one: Node) -> None:
        nonlocal height, raw
        raw = note(one.chain, 1)
        with pytest.raises(Unavailable, match="halted"):
            await one.engine.submit(raw)
        with pytest.raises(KeyError):
            await one.engine.halted
        height = one.chain.store.latest.height
        assert one.chain.store.latest.size == 1
        assert one.process is not None
        await one.process.wait()  # the engine does not go on alone

    async def goes_on(one: Node) -> None:
        await one.until_height(height + 1)
        assert (await one.engine.submit(raw)).height == height + 1
        later = await one.engine.submit(note(one.chain, 2))
        assert later.height > height + 1

    play(tmp_path, dies, engine=DiesBeforeCommit)
    play(tmp_path, goes_on)


def test_a_wrong_genesis_stops_the_node_and_says_so(tmp_path: Path) -> None:
    with open_chain(tmp_path / "other", {RIVERSIDE: 11}) as other, other.store.snapshot() as state:
        genesis = engine_genesis(other.id, other.genesis, View(state))

    async def story(one: Node) -> None:
        with pytest.raises(WrongGenesis, match="chain_id careledger-"):
            await one.engine.halted
        assert one.process is not None
        assert await one.process.wait() != 0

    play(tmp_path, story, genesis=genesis)


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    room = threading.Event()
    refused = 0

    def commit(transaction: Any) -> None:
        nonlocal refused
        if not room.is_set():
            refused += 1
            raise OSError(errno.ENOSPC, "no room")
        transaction.commit()

    async def story(one: Node) -> None:
        raw = note(one.chain, 1)
        with pytest.raises(Unavailable, match=r"no space left.*may still be ordered"):
            await one.engine.submit(raw)
        with pytest.raises(Unavailable, match="no space left"):
            one.engine.enqueue(raw)
        assert one.chain.store.latest.height == 0
        room.set()
        await one.until_height(1)
        assert one.engine.trouble is None
        assert (await one.engine.submit(raw)).receipt.code == 0
        assert one.chain.store.latest.size == 3

    room.set()
    with open_chain(tmp_path / "chain", ALONE):
        room.clear()
    play(tmp_path, story, commit=commit)
    assert refused


def test_an_engine_that_was_killed_is_told_again(tmp_path: Path) -> None:
    async def story(one: Node) -> None:
        await one.engine.submit(note(one.chain, 1))
        await one.end_engine()
        answer = one.engine.enqueue(note(one.chain, 2))
        await asyncio.sleep(0)
        assert not answer.done()
        await one.start_engine()
        assert (await answer).receipt.code == 0

    play(tmp_path, story)


def test_without_a_quorum_nobody_waits_for_ever(tmp_path: Path) -> None:
    async def story(one: Node) -> None:
        answer = one.engine.enqueue(note(one.chain, 1))
        with pytest.raises(Unavailable, match="no quorum"):
            await answer
        assert str(one.engine.trouble).startswith("no quorum")
        with pytest.raises(Unavailable, match="no quorum"):
            one.engine.enqueue(note(one.chain, 2))
        await one.end_engine()
        await one.engine._server.silent.wait()
        assert one.engine.trouble == "the consensus engine is not connected"

    play(tmp_path, story, {RIVERSIDE: 10, LAKEVIEW: 10}, stall_s=3)


def test_a_full_mempool_loses_nothing_and_holds_up_no_revocation(tmp_path: Path) -> None:
    tight = NetworkParameters(transactions_per_block=10, protective_percent=20)

    async def story(one: Node) -> None:
        flood = [one.engine.enqueue(note(one.chain, number)) for number in range(38)]
        await asyncio.sleep(0)
        revoked = await one.engine.submit(signed(one.chain, Protect(), 99))
        found = await asyncio.gather(*flood)
        assert all(each.receipt.code == 0 for each in found)
        assert revoked.height < max(each.height for each in found)
        assert one.engine.trouble is None

    play(tmp_path, story, limits=tight, mempool=5)


class ProposesNothing(CometEngine):
    """Fills no block with what waits, as if others always came first."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        nothing = lambda request: m.ResponsePrepareProposal()
        self.application.prepare_proposal = nothing  # type: ignore[method-assign] # a fault


def test_what_expired_leaves_the_engine_too(tmp_path: Path) -> None:
    async def story(one: Node) -> None:
        command = SetNote(at="x", text="y")
        window = {"not_before": now() - 5, "expires": now() + 2}
        raw = sign(one.chain.id, ANA, command, 1, **window)
        with pytest.raises(Expired):
            await one.engine.submit(raw)
        # Else it would stand there for ever, first in line, and have blocks made without end.
        while (await one.ask("num_unconfirmed_txs"))["n_txs"] != "0":
            await one.until_height(one.chain.store.latest.height + 1)

    play(tmp_path, story, engine=ProposesNothing)


def test_who_floods_is_told_at_once(tmp_path: Path) -> None:
    tight = NetworkParameters(transactions_per_block=2, protective_percent=0)

    async def story(one: Node) -> None:
        answers = [one.engine.enqueue(note(one.chain, number)) for number in range(30)]
        found = await asyncio.gather(*answers, return_exceptions=True)
        assert any(isinstance(each, OverBudget) for each in found)
        assert all(
            isinstance(each, OverBudget) or not isinstance(each, Exception) for each in found
        )

    play(tmp_path, story, limits=tight, workers=1)
