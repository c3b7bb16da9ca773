"""A client says how much it wants back (FHIR R4 3.1.0.1.8)."""

import gzip
import json
from email.utils import parsedate_to_datetime
from pathlib import Path

from careledger.fhir.resource import MAXIMUM_BYTES
from tests.exchange.world import bundle, observation
from tests.gateway.world import FHIR, World, tell

O1 = "/fhir/Observation/o1"


def test_as_much_comes_back_as_is_preferred(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": FHIR}
        for number, (prefer, expected) in enumerate(
            (
                ("return=minimal", None),
                ("return=representation", "Observation"),
                ("handling=lenient, return=OperationOutcome", "OperationOutcome"),
                ('respond-async; return="minimal"', None),
                ("return=sideways", "Observation"),
            ),
            start=2,
        ):
            answer = await client.put(
                O1, json=observation("o1"), headers=headers | {"prefer": prefer}
            )
            assert answer.status_code == 200
            assert answer.headers["etag"] == f'W/"{number}"'
            place = f"http://riverside.test{O1}/_history/{number}"
            assert answer.headers["location"] == place
            modified = parsedate_to_datetime(answer.headers["last-modified"]).timestamp()
            assert modified == world.clock()
            if expected is None:
                assert answer.content == b""
            else:
                assert answer.json()["resourceType"] == expected
        said = headers | {"prefer": "return=OperationOutcome"}
        body = bundle(observation("o1"))
        (entry,) = (await client.post("/fhir", content=body, headers=said)).json()["entry"]
        assert entry["response"]["outcome"]["issue"][0]["severity"] == "information"
        whole = headers | {"prefer": "return=representation"}
        (entry,) = (await client.post("/fhir", content=body, headers=whole)).json()["entry"]
        assert entry["resource"]["meta"]["versionId"] == "8"
        assert entry["response"]["lastModified"]
        gone = await client.delete(O1, headers=said)
        assert (gone.status_code, gone.json()["resourceType"]) == (200, "OperationOutcome")

    tell(tmp_path, story)


def test_gzip_is_unpacked_up_to_a_bound(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": FHIR, "content-encoding": "gzip"}
        packed = gzip.compress(json.dumps(observation("o1")).encode())
        assert (await client.put(O1, content=packed, headers=headers)).status_code == 200
        bomb = gzip.compress(b" " * (MAXIMUM_BYTES + 1))
        assert len(bomb) < 100_000
        assert (await client.put(O1, content=bomb, headers=headers)).status_code == 413
        for broken in (packed[:-9], packed + b"x", b"{}", packed + packed):
            assert (await client.put(O1, content=broken, headers=headers)).status_code == 400
        other = headers | {"content-encoding": "br"}
        assert (await client.put(O1, content=packed, headers=other)).status_code == 415

    tell(tmp_path, story)
