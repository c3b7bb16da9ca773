"""`kill -9` at random points under load: what was acknowledged is there, once, and nothing else."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from careledger.apps import installed
from careledger.apps.records.commands import CommitRecords
from careledger.consensus.intake import Ordered
from careledger.consensus.remote import RemoteNode
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import call, parse_transaction, sign_transaction
from careledger.node.founding import Network
from careledger.node.fsck import check
from careledger.vault.keyfile import load_signing_key
from tests.faults.node_process import NodeProcess, found_trial

BATCH = 25


class Load:
    """A member that commits batches without end, and remembers what it was promised."""

    def __init__(self, network: Network, key: SigningKey) -> None:
        self.acknowledged: dict[bytes, Ordered] = {}
        self._network, self._key = network, key
        self._number = 0

    def sign(self) -> bytes:
        self._number += 1
        now = int(time.time())
        claims = Claims(
            issuer="riverside",
            subject="records",
            audience=self._network.chain.hex(),
            not_before=now - 5,
            expires=now + 600,
            nonce=self._number.to_bytes(16),
        )
        root = Digest(self._number.to_bytes(32))
        return sign_transaction(
            self._key, claims, call("records", CommitRecords(root=root, size=1))
        )

    async def press(self, node: RemoteNode) -> None:
        while True:
            raws = [self.sign() for _ in range(BATCH)]
            try:
                answers = await node.submit_many(raws)
            except Unavailable:
                return
            for raw, answer in zip(raws, answers, strict=True):
                if isinstance(answer, Ordered):
                    self.acknowledged[parse_transaction(raw).id] = answer

    async def recheck(self, node: RemoteNode, ids: list[bytes]) -> None:
        for id_ in ids:
            assert await node.receipt(id_) == self.acknowledged[id_]


async def _once(network: Network, load: Load, chance: random.Random, before: list[bytes]) -> None:
    with NodeProcess(network.node_home) as process:
        async with RemoteNode(network.node_url) as node:
            await load.recheck(node, before)
            pressing = [asyncio.create_task(load.press(node)) for _ in range(3)]
            await asyncio.sleep(chance.uniform(0.05, 1.5))
            process.kill()
            await asyncio.wait_for(asyncio.gather(*pressing), 30)


def _torture(folder: Path, chance: random.Random, kills: int) -> None:
    network = found_trial(folder / "net", time=int(time.time()) - 10)
    key = load_signing_key(network.home("riverside") / "keys" / "transaction.key")
    load = Load(network, key)
    for _ in range(kills):
        newest = list(load.acknowledged)[-40:]
        asyncio.run(_once(network, load, chance, newest))
    assert load.acknowledged
    with NodeProcess(network.node_home) as process:
        asyncio.run(_recheck_all(network, load))
        assert process.stop() == 0
    report = check(network.node_home / "ledger", installed())
    assert report.is_sound, report.findings
    assert report.transactions >= len(load.acknowledged)


async def _recheck_all(network: Network, load: Load) -> None:
    async with RemoteNode(network.node_url) as node:
        await load.recheck(node, list(load.acknowledged))
        seen: list[bytes] = []
        after = 0
        while (page := await node.events(after=after, limit=1_000)).happened:
            seen += [one.receipt.id for one in page.happened]
            after = page.following
    assert len(seen) == len(set(seen)), "a transaction is in the ledger twice"
    assert set(load.acknowledged) <= set(seen)


def test_no_acknowledged_transaction_is_lost(tmp_path: Path, chance: random.Random) -> None:
    _torture(tmp_path, chance, kills=4)


@pytest.mark.soak
def test_no_acknowledged_transaction_is_lost_in_200_kills(
    tmp_path: Path, chance: random.Random
) -> None:
    _torture(tmp_path, chance, kills=200)
