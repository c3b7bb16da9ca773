"""What is withheld looks like what never was: the same answer, byte for byte, headers included."""

from collections.abc import Iterator
from pathlib import Path

import httpx2

from tests.exchange.world import (
    ANA,
    ANA_MRN,
    BEN_MRN,
    RIVERSIDE,
    bundle,
    medication,
    observation,
    patient,
)
from tests.gateway.world import World, tell

THERE = "b-there"
ABSENT = "b-gone0"
"""Two ids of one length; Ben's record has the first."""

UNKNOWN_MRN = "MRN-000-9999"
assert len(UNKNOWN_MRN) == len(BEN_MRN)

TEMPLATES = (
    "/fhir/{type}/{id}",
    "/fhir/{type}/{id}/_history",
    "/fhir/{type}/{id}/_history/1",
    "/fhir/{type}?_id={id}",
    "/fhir/{type}?_id={id}&_summary=count",
    "/fhir/{type}?_id={id}&_total=accurate&_count=0",
    "/fhir/{type}?_id={id},o1&_sort=-_lastUpdated",
    "/fhir?_type={type}&_id={id}",
    "/fhir/{type}?patient={mrn}",
    "/fhir/{type}?patient={mrn}&_include={type}:subject",
    "/fhir/{type}?patient={mrn}&_summary=count",
    "/fhir/{type}?subject:Patient.birthdate=1984-03-07&_id={id}",
    "/fhir/{type}?patient.name=Ng&_id={id}",
    "/fhir/Patient?_id={mrn}&_revinclude={type}:subject",
    "/fhir/Patient?_id={mrn}&_has:{type}:patient:_id={id}",
    "/fhir/Patient/{mrn}",
    "/fhir/Patient/{mrn}/{type}",
    "/fhir/Patient/{mrn}/*",
    "/fhir/Patient/{mrn}/$everything",
    "/fhir/Patient/{mrn}/$everything?_type={type}",
    "/fhir/Patient/{mrn}/_history",
)

HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"if-none-match": 'W/"1"'},
    {"if-modified-since": "Mon, 21 Sep 2037 14:13:20 GMT"},
    {"prefer": "handling=lenient"},
    {"accept": "text/plain"},
)


def paths() -> Iterator[tuple[str, str]]:
    """Each question twice: about what is withheld, and about what never was."""
    for template in TEMPLATES:
        yield (
            template.format(type="Observation", id=THERE, mrn=BEN_MRN),
            template.format(type="Observation", id=ABSENT, mrn=UNKNOWN_MRN),
        )


def said(answer: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    """All of an answer, with what was asked about crossed out."""
    content = answer.content.replace(THERE.encode(), ABSENT.encode())
    return (
        answer.status_code,
        content.replace(BEN_MRN.encode(), UNKNOWN_MRN.encode()),
        dict(answer.headers),
    )


async def ben_comes(world: World) -> None:
    theirs = (
        patient(BEN_MRN, "Ng"),
        observation(THERE, BEN_MRN),
        medication(THERE, BEN_MRN),
    )
    await world.riverside.ingestion.bundle(bundle(*theirs))
    await world.riverside.ingestion.bundle(bundle(observation(THERE, BEN_MRN, value=9.9)))


async def compare(world: World, token: dict[str, str]) -> None:
    client = world.at_riverside
    for withheld, absent in paths():
        for method, headers in (*(("GET", one) for one in HEADERS), ("HEAD", {})):
            one = await client.request(method, withheld, headers=token | headers)
            other = await client.request(method, absent, headers=token | headers)
            assert said(one) == said(other), (method, withheld, headers)


def test_another_patient_is_nobody_to_ana(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await ben_comes(world)
        await compare(world, await world.ana())

    tell(tmp_path, story)


def test_a_purpose_that_is_not_allowed_meets_an_empty_house(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await ben_comes(world)
        research = {"purpose_of_use": ["HRESCH"]}
        await compare(world, await world.token(RIVERSIDE, RIVERSIDE, b2b=research))
        await compare(world, await world.dr_finn("system/Location.rs"))  # 403 is no secret

    tell(tmp_path, story)


def test_who_denies_the_organisation_was_never_there(tmp_path: Path) -> None:
    """Ana withholds everything; the house then answers as if her ids had never been."""

    async def story(world: World) -> None:
        await world.deny(grantee=RIVERSIDE)
        client, finn = world.at_riverside, await world.dr_finn()
        for path, like in (
            ("/fhir/Observation/o1", "/fhir/Observation/zz"),
            ("/fhir/MedicationRequest/m1/_history", "/fhir/MedicationRequest/zz/_history"),
            (f"/fhir/Patient/{ANA_MRN}", "/fhir/Patient/MRN-000-0000"),
            (f"/fhir/Patient/{ANA_MRN}/$everything", "/fhir/Patient/MRN-000-0000/$everything"),
        ):
            one = await client.get(path, headers=finn)
            other = await client.get(like, headers=finn)
            assert (one.status_code, one.content) == (404, other.content)
            assert one.headers == other.headers
        for path in ("/fhir/Observation", "/fhir/Patient?_summary=count", "/fhir/_history"):
            body = (await client.get(path, headers=finn)).json()
            assert (body.get("total", 0), "entry" in body) == (0, False)
        assert world.riverside.journal.reads_of(ANA) == []

    tell(tmp_path, story)
