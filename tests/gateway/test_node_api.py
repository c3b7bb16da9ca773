"""The node API, over its ASGI door, with a real engine and store behind it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import cbor2
import httpx2
import pytest

from careledger.consensus.chain import Chain
from careledger.consensus.intake import Limits, Ordered
from careledger.consensus.remote import RemoteNode
from careledger.consensus.solo import SoloEngine
from careledger.gateway.node_api import node_app
from careledger.gateway.node_services import NodeServices
from careledger.ledger.checkpoint import (
    SignedByOneOf,
    log_key,
    origin_of,
    parse_checkpoint,
    verify_checkpoint,
)
from careledger.ledger.entry import BlockEntry, decode_entry
from careledger.ledger.errors import Unavailable
from careledger.ledger.membership import TABLES, SignerRow
from careledger.ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from careledger.ledger.receipt import InclusionProof, decode_receipt, verify_inclusion_receipt
from careledger.ledger.record import Digest, MemberId, decode
from careledger.ledger.signature import SigningKey
from careledger.ledger.state_root import verify_row
from careledger.ledger.tlog_proof import parse_tlog_proof
from careledger.ledger.transaction import MAX_TRANSACTION_BYTES, SignatureInvalid, WrongChain
from careledger.node.cosigning import Cosigning
from careledger.node.vouching import VOUCHED_FOLDER, Vouching, root_in
from tests.consensus.world import engine, genesis_file, sign
from tests.ledger.world import ANA, NOTES, NOW, RIVERSIDE, SetNote, Unwelcome

CHECKPOINT = SigningKey("EdDSA", bytes(31) + b"\1")
RECEIPTS = {a: SigningKey(a, bytes(31) + b"\2") for a in ("EdDSA", "ES256")}

Story = Callable[[RemoteNode, httpx2.AsyncClient, Chain], Awaitable[None]]


def run(folder: Path, story: Story, queue: Limits | None = None) -> None:
    async def play() -> None:
        async with engine(folder / "chain", queue=queue) as (solo, chain):
            transport = httpx2.ASGITransport(node_app(services(solo, chain), solo))
            async with httpx2.AsyncClient(transport=transport, base_url="http://node") as client:
                await story(RemoteNode("http://node", client), client, chain)

    asyncio.run(asyncio.wait_for(play(), 60))


def services(solo: SoloEngine, chain: Chain) -> NodeServices:
    async def wait(seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), solo.new_block:
                await solo.new_block.wait()

    return NodeServices(
        genesis=genesis_file(),
        chain=chain.id,
        member=MemberId(RIVERSIDE),
        reader=chain.store,
        checkpoints=_checkpoints(chain),
        receipt_keys=RECEIPTS,  # type: ignore[arg-type] # keyed by its two values
        tables={table.name: table for table in (*TABLES, NOTES)},
        clock=lambda: NOW,
        trouble=lambda: solo.trouble,
        wait_for_block=wait,
    )


def _checkpoints(chain: Chain) -> Cosigning:
    home = chain.store.folder.parent
    vouching = Vouching(
        home / VOUCHED_FOLDER,
        chain.id,
        MemberId(RIVERSIDE),
        CHECKPOINT,
        clock=lambda: NOW,
        root_at=root_in(chain.store),
    )
    return Cosigning(home, vouching, chain.store, lambda: NOW)


def note(chain: Chain, number: int, text: str = "hello") -> bytes:
    return sign(chain.id, ANA, SetNote(at=f"n{number}", text=text), number)


def test_submit_and_ask_again(tmp_path: Path) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        raw = note(chain, 1)
        ordered = await node.submit(raw)
        assert ordered.receipt.code == 0
        assert await node.submit(raw) == ordered
        assert await node.receipt(ordered.receipt.id) == ordered
        assert await node.transaction(ordered.receipt.id) == raw
        assert await node.receipt(bytes(32)) is None
        refused = await node.submit(note(chain, 2, "unwelcome"))
        assert refused.receipt.code == Unwelcome.code
        with pytest.raises(WrongChain):
            await node.submit(sign(chain.id, ANA, SetNote(at="x", text=""), 3, audience="0" * 64))

    run(tmp_path, story)


def test_a_batch_answers_each_in_order(tmp_path: Path) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        forged = note(chain, 2)[:-1] + b"\0"
        answers = await node.submit_many([note(chain, 1), forged, note(chain, 3)])
        assert isinstance(answers[0], Ordered)
        assert isinstance(answers[1], SignatureInvalid)
        assert isinstance(answers[2], Ordered)

    run(tmp_path, story)


def test_whoever_does_not_wait_finds_the_receipt_later(tmp_path: Path) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        answer = await client.post("/v1/transactions?wait=false", content=note(chain, 1))
        assert answer.status_code == 202
        page = await node.events(wait=5)
        assert [one.receipt.code for one in page.happened] == [0]

    run(tmp_path, story)


def test_proofs_verify_from_the_checkpoint_alone(tmp_path: Path) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        first = await node.submit(note(chain, 1))
        before = parse_checkpoint(await node.checkpoint()).checkpoint
        for number in range(2, 40):
            await node.submit(note(chain, number))
        signed = parse_checkpoint(await node.checkpoint())
        origin = origin_of(chain.id)
        trusted = SignedByOneOf((log_key(origin, CHECKPOINT.public.public),))
        checkpoint = verify_checkpoint(signed, origin, trusted)
        [entry] = await node.entries(first.index, first.index + 1)
        path = [Digest(one) for one in await node.inclusion(first.index, checkpoint.size)]
        verify_inclusion(leaf_hash(entry), first.index, checkpoint.size, path, checkpoint.root)
        steps = [Digest(one) for one in await node.consistency(before.size, checkpoint.size)]
        verify_consistency(before.size, checkpoint.size, steps, before.root, checkpoint.root)
        parse_tlog_proof(await node.tlog_proof(first.receipt.id) or "").verify(entry)
        for algorithm, signing in RECEIPTS.items():
            data = await node.receipt_cose(first.receipt.id, algorithm) or b""
            receipt = decode_receipt(data)
            assert isinstance(receipt.proof, InclusionProof)
            verified = verify_inclusion_receipt(receipt, entry, signing.public)
            assert verified.root == checkpoint.root

    run(tmp_path, story)


def test_a_row_and_its_absence_are_proved_from_the_checkpoint(tmp_path: Path) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        await node.submit(note(chain, 1))
        for name, present in (("n1", True), ("n2", False)):
            row = await node.row(NOTES.name, ANA, name)
            assert (row.row is not None) == present
            verify_row(Digest(row.state_root), row.key, row.row, row.proof)
            block = decode_entry(row.entry or b"")
            assert isinstance(block, BlockEntry)
            assert block.state_root == row.state_root
            path = [Digest(one) for one in row.path]
            root = parse_checkpoint(row.checkpoint).checkpoint.root
            verify_inclusion(leaf_hash(row.entry or b""), row.index, row.size, path, root)
        signer = await node.row("ledger.signers", ANA)
        assert decode(signer.row or b"", SignerRow).payer == RIVERSIDE
        key_id = (await client.get(f"/v1/state/ledger.keys?key={ANA}&key=00")).json()
        assert key_id["row"] is None

    run(tmp_path, story)


def test_the_feed_resumes_from_its_cursor(tmp_path: Path) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        for number in range(7):
            await node.submit(note(chain, number))
        seen, after = [], 0
        while True:
            page = await node.events(after=after, limit=3)
            if not page.happened:
                break
            seen += [one.index for one in page.happened]
            after = page.following
        assert len(seen) == len(set(seen)) == 7
        assert seen == sorted(seen)

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/transactions", 405),
        ("GET", "/v1/transactions/zz/receipt", 400),
        ("GET", f"/v1/transactions/{'0' * 64}/receipt", 404),
        ("GET", "/v1/log/inclusion", 400),
        ("GET", "/v1/log/inclusion?index=99999999999999999999999", 400),
        ("GET", "/v1/log/inclusion?index=0&size=0", 400),
        ("GET", "/v1/log/consistency?first=0", 400),
        ("GET", "/v1/log/entries?begin=9", 404),
        ("GET", "/v1/events?after=999999", 404),
        ("GET", "/v1/events?limit=-1", 400),
        ("GET", "/v1/state/nothing?key=x", 404),
        ("GET", "/v1/state/ledger.signers", 400),
        ("GET", "/v1/state/ledger.keys?key=a&key=zz", 400),
        ("GET", f"/v1/state/ledger.signers?key={'a' * 300}", 400),
        ("POST", "/v1/transactions?wait=perhaps", 400),
        ("POST", "/v1/transactions", 422),
        ("POST", "/v1/batch", 415),
    ],
)
def test_bad_requests_are_problems_that_say_what_to_do(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        answer = await client.request(method, path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"]

    run(tmp_path, story)


def test_oversize_and_bad_batches_are_refused(tmp_path: Path) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        big = await client.post("/v1/transactions", content=b"x" * (MAX_TRANSACTION_BYTES + 1))
        assert big.status_code == 413
        headers = {"content-type": "application/cbor"}
        for body in (
            b"",
            b"\xff",
            cbor2.dumps([1]),
            cbor2.dumps({}),
            b"\x81" * 50,
            b"\xd8\x23" * 9,
        ):
            answer = await client.post("/v1/batch", content=body, headers=headers)
            assert answer.status_code == 400
        many = cbor2.dumps([b"x"] * 501)
        answer = await client.post("/v1/batch", content=many, headers=headers)
        assert answer.status_code == 413

    run(tmp_path, story)


def test_a_busy_node_says_so(tmp_path: Path) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        answers = await node.submit_many([note(chain, number) for number in range(5)])
        assert sum(isinstance(one, Unavailable) for one in answers) == 3
        health = await node.health()
        assert health["status"] == "pass"

    run(tmp_path, story, Limits(transactions=3))


def test_genesis_and_openapi_are_served(tmp_path: Path) -> None:
    async def story(node: RemoteNode, client: httpx2.AsyncClient, chain: Chain) -> None:
        assert await node.genesis() == genesis_file()
        assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")

    run(tmp_path, story)
