"""What crosses to the process that checks bundles, and back, is what went in."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from careledger.exchange.checking import Checked, Order, Preparation, check, order_of
from careledger.exchange.crossing import (
    check_elsewhere,
    check_packed,
    parse_elsewhere,
    parse_packed,
)
from careledger.exchange.planned import Plan, Planned
from careledger.exchange.workers import WORTH_A_PROCESS, Elsewhere
from careledger.fhir.bundle import Bundle, parse_bundle
from careledger.fhir.errors import FhirError
from careledger.fhir.search.table import ALL, SMALL, IndexSet
from careledger.fhir.synthetic.population import population
from tests.exchange.world import RIVERSIDE, bundle, medication, observation

BUNDLES = [one.body for one in population(1, 3) if one.organisation == RIVERSIDE]
BAD = observation("bad") | {"status": 7}


def planned(parsed: Bundle, indexed: IndexSet = ALL) -> Plan:
    """As if everything were new and every condition met nothing."""
    entries = tuple(
        Planned(one, one.id or f"id-{one.position}", if_version=0, error=one.error)
        for one in parsed.entries
    )
    mapping = parsed.mapping([one.target for one in entries])
    for one in entries:
        conditional = [name for name in one.entry.references if "?" in name]
        mapping |= {name: f"{name.partition('?')[0]}/p" for name in conditional}
    return Plan(parsed.type, entries, mapping, indexed)


def told(found: list[Preparation | None]) -> list[object]:
    """Comparable: errors by what they say."""
    return [str(one) if isinstance(one, FhirError) else one for one in found]


@pytest.mark.parametrize("indexed", [ALL, SMALL])
@pytest.mark.parametrize("data", BUNDLES)
def test_what_crosses_is_what_would_have_been_here(data: bytes, indexed: IndexSet) -> None:
    async def both() -> None:
        with ThreadPoolExecutor(1) as pool:
            far, near = Elsewhere(pool), Elsewhere(None)
            parsed = await parse_elsewhere(far, data)
            assert parsed == await parse_elsewhere(near, data) == parse_bundle(data)
            plan = planned(parsed, indexed)
            found = await check_elsewhere(far, plan)
            assert found == await check_elsewhere(near, plan)
            assert all(isinstance(one, Checked) for one in found)

    asyncio.run(both())


def test_refusals_of_a_batch_stand_in_their_places() -> None:
    some = [observation(f"o{number}") for number in range(WORTH_A_PROCESS)]
    parsed = parse_bundle(bundle(*some, BAD, medication("m"), type_="batch"))
    plan = planned(parsed)

    async def both() -> None:
        with ThreadPoolExecutor(1) as pool:
            found = await check_elsewhere(Elsewhere(pool), plan)
        assert told(found) == told(await check_elsewhere(Elsewhere(None), plan))
        assert [one.status for one in found if isinstance(one, FhirError)] == [400]
        assert isinstance(found[WORTH_A_PROCESS], FhirError)

    asyncio.run(both())


def test_a_batch_with_an_entry_that_cannot_be_done_crosses_whole() -> None:
    document = json.loads(bundle(observation("a"), observation("b"), type_="batch"))
    document["entry"][1]["request"]["url"] = "Observation"
    crossed = parse_packed(json.dumps(document).encode())
    assert isinstance(crossed, Bundle)
    assert [one.error is None for one in crossed.entries] == [True, False]


def test_a_transaction_is_refused_there_as_it_is_here() -> None:
    plan = planned(parse_bundle(bundle(observation("a"), BAD)))
    with pytest.raises(FhirError) as here:
        check(order_of(plan))
    with pytest.raises(FhirError) as there:
        check_packed(msgspec.msgpack.encode(order_of(plan)))
    assert str(there.value) == str(here.value)


def test_logs_show_nothing_of_what_crosses() -> None:
    plan = planned(parse_bundle(bundle(observation("a"))))
    order: Order = order_of(plan)
    shown = repr([order, *plan.entries, *check(order)])
    assert "4548-4" not in shown
    assert "MRN" not in shown
