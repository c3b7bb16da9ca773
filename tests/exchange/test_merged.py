"""Ana and Ben turn out to be one person; what was denied as Ben does not go out as Ana's."""

import json
from pathlib import Path
from typing import Any

import pytest

from careledger.apps.consent.commands import DenyConsent
from careledger.exchange.asker import Asker
from careledger.ledger.record import digest
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.messages import Query
from tests.exchange.world import (
    ANA_LOCAL,
    ANA_MRN,
    BEN,
    BEN_MRN,
    DR_CHO,
    LAKEVIEW,
    NOW,
    RIVERSIDE,
    World,
    bundle,
    observation,
    patient,
    tell,
)

TREAT = Asker(purpose="TREAT", practitioner=DR_CHO, role="clinician")
ASKED = (
    Query(type="Observation"),
    Query(type="Observation", id="bens"),
    Query(),
    Query(type="Observation", parameters=(("_id", "bens"),)),
)


async def merge_ben_into_ana(world: World) -> None:
    if world.riverside.organisation.vault.patient(BEN_MRN) is None:
        await world.enrol(RIVERSIDE, BEN, BEN_MRN)
    await world.riverside.ingestion.bundle(
        bundle(patient(BEN_MRN), observation("bens", BEN_MRN, 9.9))
    )
    await world.riverside.ingestion.settled()
    vault = world.riverside.organisation.vault
    ana, ben = vault.patient(ANA_MRN), vault.patient(BEN_MRN)
    assert ana is not None
    assert ben is not None
    vault.merge(ben, ana, world.clock())


async def deny_as_ben(world: World, **said: Any) -> None:
    fields: dict[str, Any] = {
        "consent_id": digest(b"no")[:16],
        "custodian": RIVERSIDE,
        "valid_from": day_of(NOW),
        "grantee": LAKEVIEW,
    }
    await world.submit(BEN, "consent", DenyConsent(**(fields | said)))


async def ids(world: World, query: Query) -> set[str]:
    got = await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, query, TREAT)
    for one in got.resources:
        assert json.loads(one.data)["id"] == one.id
    return {one.id for one in got.resources}


@pytest.mark.parametrize("query", ASKED, ids=("type", "id", "everything", "search"))
def test_a_grant_opens_what_is_merged_until_it_is_denied_there(
    tmp_path: Path, query: Query
) -> None:
    async def story(world: World) -> None:
        await merge_ben_into_ana(world)
        await world.grant()
        assert "bens" in await ids(world, query)
        await deny_as_ben(world, purposes=("HRESCH",))
        assert "bens" in await ids(world, query), "it is about something else"
        await deny_as_ben(world, consent_id=digest(b"no, treatment")[:16])
        left = await ids(world, query)
        assert "bens" not in left
        assert (left == set()) == (query != Query() and query != Query(type="Observation"))

    tell(tmp_path, story)


def test_a_denial_in_part_withholds_the_whole_of_the_other_record(tmp_path: Path) -> None:
    """Its terms may not have arrived: what they say no to cannot be told from the rest."""

    async def story(world: World) -> None:
        await merge_ben_into_ana(world)
        await world.grant()
        await deny_as_ben(world, terms=digest(b"terms that nobody has"))
        assert await ids(world, Query(type="Observation")) >= {"o1"}
        assert "bens" not in await ids(world, Query())

    tell(tmp_path, story)
