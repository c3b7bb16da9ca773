"""What has not changed since is not sent again: by header, and in the entries of a bundle."""

import json
from pathlib import Path

import pytest

from tests.exchange.world import observation
from tests.gateway.test_fhir_transaction import entry, send
from tests.gateway.world import FHIR, World, tell

STORED = "Mon, 21 Sep 2026 14:13:20 GMT"
BEFORE = "Mon, 21 Sep 2026 14:13:19 GMT"
URL = "Observation/o1"


async def change(world: World, seconds: int) -> None:
    """The observation is another, so much later."""
    service = await world.service()
    world.offset += seconds
    body = json.dumps(observation("o1", value=9.9))
    answer = await world.at_riverside.put(
        f"/fhir/{URL}", content=body, headers=service | {"content-type": FHIR}
    )
    assert answer.status_code == 200, answer.text


def test_a_read_says_304_until_it_changes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()
        asked = finn | {"if-modified-since": STORED}
        for path in (f"/fhir/{URL}", f"/fhir/{URL}/_history/1"):
            known = await client.get(path, headers=asked)
            assert (known.status_code, known.content) == (304, b"")
            assert known.headers["etag"] == 'W/"1"'
            assert known.headers["last-modified"] == STORED
            older = await client.get(path, headers=finn | {"if-modified-since": BEFORE})
            assert older.status_code == 200
        tag = {"if-none-match": 'W/"7"'}
        assert (await client.get(f"/fhir/{URL}", headers=asked | tag)).status_code == 200
        await change(world, 1)
        changed = await client.get(f"/fhir/{URL}", headers=asked)
        assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')

    tell(tmp_path, story)


@pytest.mark.parametrize(
    "date",
    [
        "Monday, 21-Sep-26 14:13:20 GMT",  # RFC 850
        "Mon Sep 21 14:13:20 2026",  # asctime
    ],
)
def test_every_form_of_an_http_date_is_read(tmp_path: Path, date: str) -> None:
    async def story(world: World) -> None:
        headers = await world.dr_finn() | {"if-modified-since": date}
        answer = await world.at_riverside.get(f"/fhir/{URL}", headers=headers)
        assert answer.status_code == 304

    tell(tmp_path, story)


def test_what_is_no_http_date_counts_as_not_sent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        finn = await world.dr_finn()
        for date in (
            "",
            "yesterday",
            "2037-09-21T14:13:20Z",
            "Mon, 21 Sep 2037 14:13:20 +0500",
            "Mon, 99 Sep 2037 14:13:20 GMT",
            "Mon, 21 Sep 99999999999 14:13:20 GMT",
            "Mon, 21 Sep 2037 99:99:99 GMT",
        ):
            headers = finn | {"if-modified-since": date}
            answer = await world.at_riverside.get(f"/fhir/{URL}", headers=headers)
            assert answer.status_code == 200, date

    tell(tmp_path, story)


@pytest.mark.parametrize("type_", ["batch", "transaction"])
def test_an_entry_says_304_until_it_changes(tmp_path: Path, type_: str) -> None:
    """`Bundle.entry.request.ifModifiedSince` is an instant, in any zone, with or without parts."""
    known = (
        "2026-09-21T14:13:20Z",
        "2026-09-21T14:13:20.999+00:00",
        "2026-09-21T16:13:20+02:00",
        "2037-01-01T00:00:00Z",
    )
    older = ("2026-09-21T14:13:19.999Z", "2026-09-21T14:13:20+00:01", "0001-01-01T00:00:00+14:00")

    async def story(world: World) -> None:
        finn = await world.dr_finn()
        asked = [entry("GET", URL, ifModifiedSince=one) for one in (*known, *older)]
        asked.append(entry("GET", URL, ifModifiedSince=known[0], ifNoneMatch='W/"7"'))
        asked.append(entry("HEAD", URL, ifModifiedSince=known[0]))
        answer = await send(world, finn, *asked, type_=type_)
        assert answer.status_code == 200, answer.text
        *found, tagged, head = answer.json()["entry"]
        for one in (*found[: len(known)], head):
            assert one["response"]["status"] == "304 Not Modified"
            assert one["response"]["etag"] == 'W/"1"'
            assert one["response"]["lastModified"] == "2026-09-21T14:13:20Z"
            assert one.keys() == {"response"}
        for one in (*found[len(known) :], tagged):
            assert one["response"]["status"] == "200 OK"
            assert one["resource"]["id"] == "o1"
        await change(world, 1)
        answer = await send(world, finn, asked[0], type_=type_)
        (changed,) = answer.json()["entry"]
        assert changed["resource"]["valueQuantity"]["value"] == 9.9
        withheld = entry("GET", "Observation/none", ifModifiedSince="2037-01-01T00:00:00Z")
        (absent,) = (await send(world, finn, withheld, type_=type_)).json()["entry"]
        assert absent["response"]["status"] == "404 Not Found"

    tell(tmp_path, story)


def test_what_is_no_instant_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for text in ("2026-09-21", STORED, "x"):
            wrong = entry("GET", URL, ifModifiedSince=text)
            answer = await send(world, await world.dr_finn(), wrong, type_="batch")
            assert answer.status_code == 400, text
            assert answer.json()["resourceType"] == "OperationOutcome"

    tell(tmp_path, story)
