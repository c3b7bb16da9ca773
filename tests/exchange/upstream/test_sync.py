"""Following a FHIR server that others wrote: everything once, then what changes."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from careledger.exchange.upstream.client import UpstreamClient
from careledger.exchange.upstream.intake import Intake
from careledger.exchange.upstream.settings import Upstream
from careledger.exchange.upstream.sweeping import kept_there
from careledger.exchange.upstream.sync import Sync
from tests.exchange.world import (
    RIVERSIDE,
    World,
    bundle,
    chain,
    gateway,
    medication,
    observation,
    patient,
)

Put = Callable[..., None]


class Side:
    """An organisation whose records are at `url`."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.client = UpstreamClient(Upstream(url, timeout_s=120))
        self.organisation = world.riverside.organisation
        self.intake = Intake(self.organisation, lambda: None)

    def sync(self, **said: Any) -> Sync:
        path = self.world.folder / "upstream.json"
        return Sync(self.organisation, self.client, self.intake, path, **said)

    def send(self, method: str, path: str, resource: dict[str, Any] | None = None) -> Any:
        body = None if resource is None else json.dumps(resource).encode()
        answer = self.client.send(method, path, body=body)
        assert answer.ok, (method, path, answer.status, answer.body)
        return json.loads(answer.body) if answer.body else None

    def put(self, *resources: dict[str, Any]) -> None:
        for resource in resources:
            self.send("PUT", f"{resource['resourceType']}/{resource['id']}", resource)

    def names(self) -> set[str]:
        """What the index has at its newest, of this side's patients."""
        return {"/".join(name) for names in kept_there(self.organisation) for name in names}


Story = Callable[[Side], Awaitable[None]]


def tell(folder: Path, url: str, story: Story) -> None:
    """Play a story at Riverside, whose vault is empty."""

    async def play() -> None:
        offset: list[World] = []
        from tests.exchange import world as base

        clock = lambda: offset[0].clock() if offset else base.NOW
        async with chain(folder / "chain", clock) as (engine, tip):
            here = World(folder, engine, tip)
            offset.append(here)
            async with gateway(here, RIVERSIDE):
                side = Side(here, url)
                await story(side)
                side.client.close()

    asyncio.run(asyncio.wait_for(play(), 280))


async def everything_once_then_changes(side: Side, mark: str) -> None:
    ana, ben = f"ana-{mark}", f"ben-{mark}"
    o1, m1, o2 = f"o1-{mark}", f"m1-{mark}", f"o2-{mark}"
    side.put(
        patient(ana), patient(ben), observation(o1, ana), medication(m1, ana), observation(o2, ben)
    )
    sync = side.sync()
    await sync.look()
    everything = {
        f"Patient/{ana}",
        f"Patient/{ben}",
        f"Observation/{o1}",
        f"Observation/{o2}",
        f"MedicationRequest/{m1}",
    }
    assert everything <= side.names()
    assert sync.position.is_whole

    again = await sync.look()  # nothing changed
    assert (again.new, again.changed, again.deleted) == (0, 0, 0)

    side.put(observation(o1, ana, value=9.9), observation(f"o3-{mark}", ben))
    side.send("DELETE", f"MedicationRequest/{m1}")
    later = await side.sync().look()  # as after a restart: the position is durable
    assert (later.new, later.changed) == (1, 1)
    if f"MedicationRequest/{m1}" in side.names():  # a server without a history of all
        assert (await sync.sweep()).deleted >= 1
    assert f"MedicationRequest/{m1}" not in side.names()
    assert f"Observation/o3-{mark}" in side.names()


def test_a_memory_server_without_history_is_followed(tmp_path: Path, medplum_url: str) -> None:
    tell(tmp_path, medplum_url, lambda side: everything_once_then_changes(side, "s"))


def test_more_of_one_instant_than_a_page_is_read(
    tmp_path: Path, medplum_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("careledger.exchange.upstream.walking.PAGE", 7)

    async def story(side: Side) -> None:
        side.send(
            "POST",
            "",
            json.loads(
                bundle(
                    patient("many"),
                    *(observation(f"many-{n}", "many") for n in range(60)),
                    type_="batch",
                )
            ),
        )
        await side.sync().look()
        assert len({name for name in side.names() if name.startswith("Observation/many-")}) == 60

    tell(tmp_path, medplum_url, story)


@pytest.mark.soak
def test_hapi_is_followed(tmp_path: Path, hapi_url: str) -> None:
    async def story(side: Side) -> None:
        await everything_once_then_changes(side, "h")

    tell(tmp_path, hapi_url, story)
