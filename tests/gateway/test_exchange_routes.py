"""The doors between gateways take sealed messages and nothing else."""

from pathlib import Path

from careledger.apps.governance.commands import SetEndpoint
from careledger.exchange.wire import seal, sealing_key_of
from careledger.ledger.record import MemberId, encode
from careledger.ledger.state import View
from careledger.mechanisms.delivery import SignedTerms
from careledger.mechanisms.messages import MAX_ASK_BYTES, TERMS
from tests.exchange.world import ANA_LOCAL, DR_CHO, HILLTOP, LAKEVIEW, MEDICATIONS, RIVERSIDE, TREAT
from tests.gateway.world import World, tell


def test_what_is_not_sealed_to_us_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)
        url, ask, _ = world.letters[-1]
        assert url == "http://riverside.test/exchange/ask"
        client = world.at_riverside
        for path in ("/exchange/ask", "/mailbox"):
            for body in (b"", b"{}", b"\x01" + bytes(100), ask[:-1]):
                answer = await client.post(path, content=body)
                assert answer.status_code == 400, path
                assert answer.headers["content-type"] == "application/problem+json"
            huge = await client.post(path, content=bytes(MAX_ASK_BYTES + 1))
            assert huge.status_code == 413
            assert (await client.get(path)).status_code == 405
        assert (await client.post("/mailbox", content=ask)).status_code == 400
        assert (await world.at_lakeview.post("/exchange/ask", content=ask)).status_code == 400
        replayed = await client.post("/exchange/ask", content=ask)
        assert replayed.status_code == 200  # sealed to whoever asked first, and it says no
        assert len(replayed.content) < 1_000

    tell(tmp_path, story)


def test_terms_are_acknowledged_or_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()  # both gateways have acknowledged what they were sent
        assert [url for url, _, _ in world.letters] == [
            "http://riverside.test/mailbox",
            "http://lakeview.test/mailbox",
        ]
        unsigned = SignedTerms(package=world.package(None), signatures=())
        with world.view() as committed:
            public = sealing_key_of(View(committed), MemberId(RIVERSIDE))
        sealed = seal(public, world.id, TERMS, MemberId(RIVERSIDE), encode(unsigned))
        answer = await world.at_riverside.post("/mailbox", content=sealed)
        assert (answer.status_code, answer.json()["title"]) == (422, "DeliveryRefused")

    tell(tmp_path, story)


def test_health_tells_whether_it_can_decide(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        well = await client.get("/health")
        assert (well.status_code, well.json()["status"]) == (200, "pass")
        assert well.json()["member"] == RIVERSIDE
        finn = await world.dr_finn()
        world.offset += 31  # and the node says nothing
        unwell = await client.get("/health")
        assert (unwell.status_code, unwell.json()["status"]) == (503, "fail")
        stale = await client.get("/fhir/Observation/o1", headers=finn)
        assert (stale.status_code, stale.json()["issue"][0]["code"]) == (503, "transient")
        sign_in = await world.sign_in(LAKEVIEW, world.assertion(DR_CHO, LAKEVIEW))
        assert sign_in.status_code == 200  # which permits nothing: each use looks again
        token = {"authorization": f"Bearer {sign_in.json()['access_token']}"}
        unknown = await world.at_lakeview.get("/fhir/Observation/o1", headers=token)
        assert unknown.status_code == 503
        await world.submit(HILLTOP, "governance", _nothing())
        assert (await client.get("/fhir/Observation/o1", headers=finn)).status_code == 200

    tell(tmp_path, story)


def _nothing() -> SetEndpoint:
    return SetEndpoint(gateway=None)
