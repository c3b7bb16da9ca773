"""The Binary of a document that a patient withholds is withheld with it, by whatever way."""

from pathlib import Path
from typing import Any

from careledger.exchange.asker import Asker
from careledger.mechanisms.messages import Query
from careledger.mechanisms.terms import Link, Provision, Terms
from tests.exchange.test_merged import merge_ben_into_ana
from tests.exchange.test_reach import HERSELF, OWN, ana_denies, names
from tests.exchange.world import (
    ANA_LOCAL,
    ANA_MRN,
    BEN_MRN,
    LAKEVIEW,
    RIVERSIDE,
    TREAT,
    World,
    bundle,
    tell,
)

NO_DOCUMENTS = Terms(base=Provision(effect="deny", types=("DocumentReference",)))


def binary(id_: str, context: str = f"Patient/{ANA_MRN}") -> dict[str, Any]:
    return {
        "resourceType": "Binary",
        "id": id_,
        "contentType": "text/plain",
        "securityContext": {"reference": context},
        "data": "c2VjcmV0",
    }


def document(id_: str, *binaries: str, local: str = ANA_MRN) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id_,
        "status": "current",
        "subject": {"reference": f"Patient/{local}"},
        "content": [
            {"attachment": {"contentType": "text/plain", "url": f"Binary/{one}"}}
            for one in binaries
        ],
    }


async def store(world: World, *resources: dict[str, Any]) -> None:
    outcomes = await world.riverside.ingestion.bundle(bundle(*resources, type_="batch"))
    assert [one.error for one in outcomes] == [None] * len(resources)


def reached(world: World, id_: str, asker: Asker = OWN) -> set[str]:
    """By which ways somebody comes to a Binary."""
    with world.riverside.reach(asker) as reach:
        ways = {
            "get": reach.get("Binary", id_) is not None,
            "read": reach.open_version("Binary", id_) is not None,
            "vread": reach.open_version("Binary", id_, 1) is not None,
            "history": bool(list(reach.history("Binary", id_))),
            "all": any(one.id == id_ for one in reach.history()),
        }
    found = {way for way, is_there in ways.items() if is_there}
    return found | ({"search"} if f"Binary/{id_}" in names(world, asker) else set())


EVERY_WAY = {"get", "read", "vread", "history", "all", "search"}


def test_the_binary_of_a_denied_document(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await store(world, binary("scan"), binary("logo"), document("d1", "scan"))
        assert reached(world, "scan") == reached(world, "logo") == EVERY_WAY
        await ana_denies(world, NO_DOCUMENTS)
        assert reached(world, "scan") == set()
        assert reached(world, "logo") == EVERY_WAY, "no document has it"
        assert reached(world, "scan", HERSELF) == EVERY_WAY

    tell(tmp_path, story)


def test_one_denied_document_is_enough_and_what_was_once_its_content_stays_so(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        await store(world, binary("scan"), binary("late"))
        await store(world, document("d1", "scan"), document("d2", "scan", "late"))
        await store(world, document("d2", "late"))
        only = Link(meaning="instance", reference="DocumentReference/d2")
        await ana_denies(world, Terms(base=Provision(effect="deny", links=(only,))))
        assert reached(world, "scan") == reached(world, "late") == set()
        await world.riverside.ingestion.bundle(
            b'{"resourceType":"Bundle","type":"batch","entry":['
            b'{"request":{"method":"DELETE","url":"DocumentReference/d2"}}]}'
        )
        assert reached(world, "late") == set(), "its document was deleted, and is denied still"

    tell(tmp_path, story)


def test_a_binary_is_as_its_security_context_is(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await store(world, document("d1", "none"), binary("scan", "DocumentReference/d1"))
        assert reached(world, "scan") == EVERY_WAY
        await ana_denies(world, NO_DOCUMENTS)
        assert reached(world, "scan") == set()

    tell(tmp_path, story)


def test_a_document_of_whoever_is_the_same_person(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await merge_ben_into_ana(world)
        await store(world, binary("theirs", f"Patient/{BEN_MRN}"), document("d1", "theirs"))
        assert reached(world, "theirs") == EVERY_WAY
        await ana_denies(world, NO_DOCUMENTS)
        assert reached(world, "theirs") == set()

    tell(tmp_path, story)


def test_another_member_gets_it_with_its_document_or_not_at_all(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await store(world, binary("scan"), binary("logo"), document("d1", "scan"))
        await world.riverside.ingestion.settled()
        await world.grant()
        asked = Query(type="Binary", id="scan"), Query(type="Binary", id="logo")

        async def got() -> list[set[str]]:
            ask = world.lakeview.requester.read
            answers = [await ask(ANA_LOCAL, RIVERSIDE, one, TREAT) for one in asked]
            return [{one.id for one in answer.resources} for answer in answers]

        assert await got() == [{"scan"}, {"logo"}]
        package = world.package(NO_DOCUMENTS, grantee_account=None)
        said = {"consent_id": package.consent_id, "grantee": LAKEVIEW}
        await world.deny(**said, terms=package.commitment())
        await world.deliver(RIVERSIDE, package)
        assert await got() == [set(), {"logo"}]

    tell(tmp_path, story)
