"""A wallet believes a node only as far as it proves itself; here the node lies in every way."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from careledger.consensus.remote import RemoteNode
from careledger.ledger.errors import ProofError
from careledger.ledger.record import digest
from careledger.verify.trust import parse_trust
from careledger.wallet.contents import Contents
from careledger.wallet.folder import CONTENTS, LEDGER_COPY, WalletFolder
from careledger.wallet.follow import follow
from careledger.wallet.ledger_copy import Kept, LedgerCopy
from tests.cli.running import Network, done

Json = Any
Lie = Callable[[str, Json], Json]


class Liar(httpx2.AsyncHTTPTransport):
    """A real node, whose answers are bent on their way."""

    def __init__(self, lie: Lie) -> None:
        super().__init__()
        self._lie = lie

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await super().handle_async_request(request)
        data = await answer.aread()
        await answer.aclose()
        if request.url.path == "/v1/checkpoint":
            return httpx2.Response(200, text=self._lie(request.url.path, data.decode()))
        if "json" in answer.headers["content-type"] and request.url.path != "/v1/genesis":
            return httpx2.Response(200, json=self._lie(request.url.path, json.loads(data)))
        return httpx2.Response(answer.status_code, content=data)


def accounts(wallet: Path) -> tuple[str, ...]:
    with WalletFolder.open(wallet, None) as folder:
        contents = folder.load(CONTENTS, Contents)
    assert contents is not None
    return tuple(contents.mine())


def read(network: Network, wallet: Path, lie: Lie, *, trusting: bool = True) -> LedgerCopy:
    """A new copy for `wallet`, from a node that answers so."""

    async def work() -> LedgerCopy:
        client = httpx2.AsyncClient(transport=Liar(lie))
        async with RemoteNode(network.node_url, client) as node:
            copy = LedgerCopy(await node.genesis(), accounts(wallet))
            trust = parse_trust(network.trust.read_bytes()) if trusting else None
            await follow(node, copy, trust)
            return copy

    return asyncio.run(work())


def honest(_: str, answer: Json) -> Json:
    return answer


def test_an_honest_node_is_believed(network: Network, ana: Path) -> None:
    for trusting in (True, False):
        copy = read(network, ana, honest, trusting=trusting)
        assert copy.size > 10
        assert {type(copy.event_of(seen)).__name__ for seen in copy.seen} >= {"AccountClaimed"}


def test_a_copy_goes_on_from_what_was_kept(network: Network, ana: Path) -> None:
    done("consent", "deny", "--from", "lakeview", "--wallet", ana)
    with WalletFolder.open(ana, None) as folder:
        kept = folder.load(LEDGER_COPY, Kept)
    assert kept is not None
    whole = read(network, ana, honest)
    again = LedgerCopy.of(kept)
    assert again.kept() == kept
    assert again.size <= whole.size
    assert whole.seen[: len(again.seen)] == again.seen


def drop_event(path: str, answer: Json) -> Json:
    if path == "/v1/events":
        answer["events"] = answer["events"][1:]
    return answer


def drop_entry(path: str, answer: Json) -> Json:
    if path == "/v1/log/entries":
        answer["entries"] = answer["entries"][:-1]
    return answer


def swap_entries(path: str, answer: Json) -> Json:
    if path == "/v1/log/entries":
        answer["entries"][1:] = answer["entries"][2:] + answer["entries"][1:2]
    return answer


def repeat_entry(path: str, answer: Json) -> Json:
    if path == "/v1/log/entries":
        answer["entries"][-1] = answer["entries"][-4]
    return answer


def hide_refusal(path: str, answer: Json) -> Json:
    if path == "/v1/events":
        for one in answer["events"]:
            one["code"] = 0 if one["code"] else 1
    return answer


def empty_events(path: str, answer: Json) -> Json:
    if path == "/v1/events":
        for one in answer["events"]:
            one["events"] = []
    return answer


def smaller(path: str, answer: Json) -> Json:
    if path == "/v1/checkpoint":
        lines = answer.split("\n")
        lines[1] = str(int(lines[1]) - 1)
        return "\n".join(lines)
    return answer


def other_root(path: str, answer: Json) -> Json:
    if path == "/v1/checkpoint":
        lines = answer.split("\n")
        lines[2] = "A" * 43 + "="
        return "\n".join(lines)
    return answer


def badly_signed(path: str, answer: Json) -> Json:
    if path == "/v1/checkpoint":
        return answer[:-12] + ("B" if answer[-12] == "A" else "A") + answer[-11:]
    return answer


@pytest.mark.parametrize(
    "lie",
    [
        drop_event,
        drop_entry,
        swap_entries,
        repeat_entry,
        hide_refusal,
        empty_events,
        smaller,
        other_root,
        badly_signed,
    ],
)
def test_no_lie_is_believed(network: Network, ana: Path, lie: Lie) -> None:
    with pytest.raises(ProofError):
        read(network, ana, lie)


def test_somebody_else_signed_the_checkpoint(network: Network, ana: Path) -> None:
    trust = json.loads(network.trust.read_text())
    trust["members"][0]["checkpoint"] = ["A" * 43 + "="]

    async def work() -> None:
        async with RemoteNode(network.node_url) as node:
            copy = LedgerCopy(await node.genesis(), ())
            await follow(node, copy, parse_trust(json.dumps(trust).encode()))

    with pytest.raises(ProofError, match="too few members"):
        asyncio.run(work())


def test_a_shorter_log_than_before(network: Network, ana: Path) -> None:
    copy = read(network, ana, honest)
    copy.grow([digest(b"one more")])

    async def work() -> None:
        async with RemoteNode(network.node_url) as node:
            await follow(node, copy, None)

    with pytest.raises(ProofError, match="shorter"):
        asyncio.run(work())


def test_nobody_elses_events_are_kept(network: Network, ana: Path) -> None:
    copy = read(network, ana, honest)
    mine = set(copy.accounts)
    for seen in copy.seen:
        event = copy.event_of(seen)
        assert {getattr(event, "account", None), getattr(event, "receiver", None)} & mine
