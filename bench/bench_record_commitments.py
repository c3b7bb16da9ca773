"""Record commitments a second through batches: HMACs, batch trees, signed transactions, commit.

Goal: 100,000 a second. Compared side by side with nothing but the HMACs, on one core.
"""

import asyncio
import hmac
import secrets
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.measure import MEMBERS, per_second, percentiles, trial_network
from careledger.apps.records.commands import CommitRecords
from careledger.ledger.commitment import Batch, RecordName, commit_digest
from careledger.ledger.record import AccountName, Digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import call, sign_transaction
from careledger.node.config import load_node
from careledger.node.serve import RunningNode, open_node

PORT = 17_920
BATCH_SIZE = 4_096
BATCHES = 24
ROUNDS = 3
GOAL = 100_000
ACCOUNT: AccountName = "@" + "a" * 26


def commitments(first: int) -> list[Digest]:
    """The commitments of one batch of records, each under its own salt."""
    found = []
    for number in range(first, first + BATCH_SIZE):
        name = RecordName(
            custodian="riverside", account=ACCOUNT, type="Observation", id=str(number), version=1
        )
        found.append(commit_digest(name, secrets.token_bytes(32), Digest(bytes(32))))
    return found


def note(times: list[float], begun: float, _: object) -> None:
    """How long one batch took, once it is durable."""
    times.append(time.perf_counter() - begun)


def bare_hmac() -> bytes:
    """What a commitment costs at the least."""
    return hmac.digest(bytes(32), bytes(150), "sha256")


def sign(key: SigningKey, chain: str, batch: Batch) -> bytes:
    now = int(time.time())
    claims = Claims(
        issuer=MEMBERS[0],
        subject="records",
        audience=chain,
        not_before=now - 5,
        expires=now + 300,
        nonce=secrets.token_bytes(16),
    )
    command = CommitRecords(root=batch.root, size=batch.size)
    return sign_transaction(key, claims, call("records", command))


async def one_round(node: RunningNode, key: SigningKey, times: list[float]) -> float:
    """Commitments a second, made and committed; batches follow one another without waiting."""
    chain = node.services.chain.hex()
    pending = []
    started = time.perf_counter()
    for number in range(BATCHES):
        begun = time.perf_counter()
        batch = Batch.of(commitments(number * BATCH_SIZE))
        answer = node.engine.enqueue(sign(key, chain, batch))
        answer.add_done_callback(partial(note, times, begun))
        pending.append(answer)
        await asyncio.sleep(0)
    ordered = await asyncio.gather(*pending)
    assert all(one.receipt.code == 0 for one in ordered)
    return BATCHES * BATCH_SIZE / (time.perf_counter() - started)


async def measure(folder: Path) -> None:
    network, keys = trial_network(folder / "net", PORT)
    times: list[float] = []
    config = load_node(network.node_home)
    async with open_node(network.node_home, config) as node:
        await asyncio.sleep(2)  # the workers start
        found = []
        for _ in range(ROUNDS):
            bare = per_second(bare_hmac, 0.5)
            rate = await one_round(node, keys[MEMBERS[0]], times)
            found.append((rate / GOAL, rate / bare))
    goal = statistics.median(of_goal for of_goal, _ in found)
    bare = statistics.median(of_bare for _, of_bare in found)
    print(f"record commitments: {goal:.2f} of the goal of 100,000 a second")
    print(
        f"against bare HMACs on one core: {bare:.2f}; a batch of {BATCH_SIZE}: {percentiles(times)}"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
