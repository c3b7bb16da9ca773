"""Metrics of a node: true figures, to whom they belong, and every alert's metric among them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, MatrixSelector, VectorSelector
from promql_parser import parse as parse_promql

from careledger.consensus.chain import Chain
from careledger.consensus.intake import Busy, Limits
from careledger.consensus.solo import SoloEngine
from careledger.gateway.node_api import node_app
from careledger.gateway.node_metrics import metrics_app
from careledger.gateway.node_services import NodeServices
from careledger.ledger.errors import Unavailable
from careledger.ledger.transaction import SignatureInvalid
from tests.consensus.world import engine, sign
from tests.gateway.test_node_api import note, services
from tests.ledger.world import ANA, NOW, RIVERSIDE, SetNote, Unwelcome

ALERTS = Path("docs/examples/careledger-alerts.yml")

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True)
class Here:
    """A node, and whoever asks it from this machine."""

    solo: SoloEngine
    chain: Chain
    services: NodeServices
    http: httpx2.AsyncClient

    async def figures(self) -> Figures:
        answer = await self.http.get("/metrics")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return {
            (one.name, tuple(sorted(one.labels.items()))): one.value
            for family in text_string_to_metric_families(answer.text)
            for one in family.samples
        }


Story = Callable[[Here], Awaitable[None]]


def run(folder: Path, story: Story, **options: Any) -> None:
    async def play() -> None:
        async with engine(folder / "chain", **options) as (solo, chain):
            here = replace(
                services(solo, chain), usage=chain.store.usage, snapshot_taken=lambda: NOW - 60
            )
            transport = httpx2.ASGITransport(node_app(here, solo), client=("127.0.0.1", 9))
            async with httpx2.AsyncClient(transport=transport, base_url="http://node") as client:
                await story(Here(solo, chain, here, client))

    asyncio.run(asyncio.wait_for(play(), 60))


def value(figures: Figures, name: str, **labels: str) -> float:
    return figures[f"careledger_{name}", tuple(sorted(labels.items()))]


def test_the_figures_are_what_happened(tmp_path: Path) -> None:
    async def story(here: Here) -> None:
        for number in range(3):
            await here.solo.submit(note(here.chain, number))
        await here.solo.submit(note(here.chain, 2))  # again: it has its place already
        refused = sign(here.chain.id, ANA, SetNote(at="x", text="unwelcome"), 9)
        await here.solo.submit(refused)
        with pytest.raises(SignatureInvalid):
            await here.solo.submit(note(here.chain, 10)[:-1] + b"\0")
        found = await here.figures()
        outcomes = {"accepted": 3, "refused": 1, "inadmissible": 1, "busy": 0}
        for outcome, count in outcomes.items():
            assert value(found, "transactions_total", outcome=outcome) == count
        assert value(found, "refused_total", code=str(Unwelcome.code)) == 1
        assert value(found, "inadmissible_total", code=str(SignatureInvalid.code)) == 1
        latest = here.chain.store.latest
        assert value(found, "height") == latest.height == value(found, "blocks_total") == 4
        assert value(found, "log_size") == latest.size
        assert value(found, "commit_seconds_count") == value(
            found, "commit_seconds_bucket", le="+Inf"
        )
        assert value(found, "commit_seconds_count") == 4
        assert 0 < value(found, "commit_seconds_sum") < 60
        assert value(found, "block_interval_seconds_count") == 3
        assert value(found, "healthy") == value(found, "engine_power") == 1
        assert value(found, "waiting_transactions") == 0
        assert value(found, "snapshot_age_seconds") == 60
        assert value(found, "store_bytes") > 0
        assert found["process_resident_memory_bytes", ()] > 1e7

    run(tmp_path, story)


def test_what_waits_and_what_is_turned_away_shows(tmp_path: Path) -> None:
    async def story(here: Here) -> None:
        answers = [here.solo.enqueue(note(here.chain, number)) for number in range(9)]
        with pytest.raises(Busy):  # the last tenth is kept for what protects somebody
            here.solo.enqueue(note(here.chain, 9))
        assert here.solo.load().transactions == 9
        found = await here.figures()
        assert value(found, "waiting_transactions_limit") == 10
        assert value(found, "transactions_total", outcome="busy") == 1
        await asyncio.gather(*answers)
        assert value(await here.figures(), "waiting_transactions") == 0

    run(tmp_path, story, queue=Limits(transactions=10))


def test_a_node_that_cannot_commit_is_not_healthy(tmp_path: Path) -> None:
    async def story(here: Here) -> None:
        here.solo.trouble = "no space left"
        assert value(await here.figures(), "healthy") == 0

    run(tmp_path, story)


def test_a_disk_that_does_not_answer_leaves_what_memory_has(tmp_path: Path) -> None:
    async def story(here: Here) -> None:
        def broken() -> Any:
            raise Unavailable("the disk does not answer")

        app = metrics_app(replace(here.services, usage=broken), here.solo)
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://node"
        ) as client:
            found = await Here(here.solo, here.chain, here.services, client).figures()
        assert value(found, "healthy") == value(found, "blocks_total") == 0
        assert ("careledger_height", ()) not in found

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("192.0.2.7", {}),
        ("2001:db8::7", {}),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}),
        ("127.0.0.1", {"via": "1.1 proxy"}),
    ],
)
def test_another_machine_gets_none_but_at_a_door_for_it(
    tmp_path: Path, address: str, headers: dict[str, str]
) -> None:
    async def story(here: Here) -> None:
        async def ask(app: Any) -> httpx2.Response:
            transport = httpx2.ASGITransport(app, client=(address, 9))
            async with httpx2.AsyncClient(transport=transport, base_url="http://node") as client:
                return await client.get("/metrics", headers=headers)

        answer = await ask(node_app(here.services, here.solo))
        assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")
        assert "metrics_port" in answer.json()["detail"]
        assert (await ask(metrics_app(here.services, here.solo))).status_code == 200
        elsewhere = replace(here.services, metrics_here=False)
        assert (await ask(node_app(elsewhere, here.solo))).status_code == 404

    run(tmp_path, story)


def test_labels_name_no_one_but_the_operating_member(tmp_path: Path) -> None:
    async def story(here: Here) -> None:
        await here.solo.submit(note(here.chain, 1, "unwelcome"))
        labels = {label for _, found in await here.figures() for label in found}
        names = {name for name, _ in labels}
        assert names == {"member", "chain", "version", "outcome", "code", "le"}
        assert {value for name, value in labels if name == "member"} == {RIVERSIDE}
        assert not any(value.startswith("@") for _, value in labels)

    run(tmp_path, story)


def selectors(expression: Expr) -> list[VectorSelector]:
    """Every metric that a PromQL expression reads."""
    if isinstance(expression, VectorSelector):
        return [expression]
    if isinstance(expression, MatrixSelector):
        return [expression.vector_selector]
    if isinstance(expression, BinaryExpr):
        return [*selectors(expression.lhs), *selectors(expression.rhs)]
    if isinstance(expression, Call):
        return [one for argument in expression.args for one in selectors(argument)]
    if isinstance(expression, AggregateExpr):
        return selectors(expression.expr)
    return selectors(expression.expr) if hasattr(expression, "expr") else []


def test_every_alert_parses_and_asks_for_what_a_node_serves(tmp_path: Path) -> None:
    """A node that has refused and turned away, so that every outcome's number is there."""
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 15

    async def story(here: Here) -> None:
        await here.solo.submit(note(here.chain, 1))
        served = await here.figures()
        names = {name for name, _ in served} | {"up"}
        outcomes = {dict(labels)["outcome"] for _, labels in served if dict(labels).get("outcome")}
        asked = set()
        for rule in rules:
            assert rule["labels"]["severity"] in {"urgent", "soon"}
            assert set(rule["annotations"]) == {"summary", "do"}
            found = selectors(parse_promql(rule["expr"]))
            assert found, rule["alert"]
            asked |= {one.name for one in found}
            for matcher in (m for one in found for m in one.matchers.matchers):
                assert matcher.name in {"job", "outcome"}
                if matcher.name == "outcome":
                    assert set(matcher.value.split("|")) <= outcomes
        assert asked <= names
        assert {"careledger_healthy", "careledger_commit_seconds_bucket"} <= asked

    run(tmp_path, story)


def test_the_how_to_page_explains_every_alert() -> None:
    page = Path("docs/how-to/monitor.md").read_text()
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['alert']}`" in page
