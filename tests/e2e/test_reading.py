"""Reads between organisations: only what was granted, and only while it is."""

from datetime import UTC, datetime, timedelta

from careledger.apps.consent.commands import ConsentRevoked
from careledger.apps.records.commands import AccessRefused, Disclosed
from careledger.cli.smart import member_client
from careledger.mechanisms.messages import Query, Refused
from tests.e2e.asking import ask
from tests.e2e.conftest import World
from tests.e2e.network import resources
from tests.e2e.node import Node
from tests.e2e.staff import Answer, Practitioner, read

TODAY = datetime.now(UTC).date()
TOMORROW = str(TODAY + timedelta(days=1))
MEDICATIONS, NOTES = "MedicationRequest", "DocumentReference"


def events_of(node: Node, account: str, after: int = 0) -> list[AccessRefused | Disclosed]:
    """Every answer about `account` from a log position on."""
    return [
        event
        for _, event in node.feed(after)
        if isinstance(event, AccessRefused | Disclosed) and event.account == account
    ]


# --- 1.3 ------------------------------------------------------------------------------------------


def test_1_3_a_read_outside_any_one_dimension_is_refused_and_told_which(world: World) -> None:
    """One grant, limited in every way there is; then a read outside it in each way by itself."""
    network, node, ana, cho = world.network, world.node, world.ana, world.cho
    account, local = ana.account["riverside"], ana.local["lakeview"]
    before = node.size()
    ana.consents(
        *("grant", "riverside", "--to", "lakeview", "--person", cho.account),
        *("--role", "clinician", "--for", "treatment", "--may", "search"),
        *("--what", "medications", "--data-from", "2023-01-01", "--data-until", "2026-01-01"),
        *("--starts", str(TODAY), "--days", "30"),
    )

    def tries(who: Practitioner = cho, query: str = MEDICATIONS, **why: str) -> Answer:
        return who.reads("riverside", local, query, **why)

    inside = tries()
    held = [
        one["authoredOn"]
        for one in resources(network.bundle(ana.number, "riverside"))
        if one["resourceType"] == "MedicationRequest"
    ]
    came = [one["authoredOn"] for one in inside.resources]
    assert sorted(came) == sorted(day for day in held if "2023" <= day < "2026")
    assert 0 < len(came) < len(held)

    [one, *_] = [
        one["id"]
        for one in resources(network.bundle(ana.number, "riverside"))
        if one["resourceType"] == "MedicationRequest"
    ]
    refused = {
        "person": tries(world.diaz),
        "role": tries(role="researcher"),
        "purpose": tries(purpose="HRESCH"),
        "action": tries(query=f"MedicationRequest?_id={one}"),
        "terms": tries(query=NOTES),
    }
    assert {name: answer.dimensions for name, answer in refused.items()} == {
        name: [name] for name in refused
    }
    everything = tries(query="$everything")
    assert everything.dimensions == ["action"]

    # Another organisation has no handle for her; with one, however it came by it, it is refused.
    unity = network.home("unity-health")
    stranger = member_client(unity, "TREAT", "system/*.rs", network.gateways["unity-health"])
    answer = read(stranger, "riverside", ana.local["unity-health"], MEDICATIONS)
    assert answer.dimensions == ["consent"]
    leaked = ask(
        *(network, node, node.member_key("unity-health"), Query(type="MedicationRequest")),
        custodian="riverside",
        requester="unity-health",
        account=account,
        purpose="TREAT",
        actions=("search",),
    )
    status, told, came_along = leaked.post()
    assert isinstance(told, Refused)
    assert (status, told.dimensions, came_along) == (200, ("grantee", "person", "role"), 0)

    on_ledger = [
        one.dimensions for one in events_of(node, account, before) if isinstance(one, AccessRefused)
    ]
    alone = ["person", "role", "purpose", "action", "terms", "action"]
    expected = [[one] for one in alone] + [["grantee", "person", "role"]]
    assert on_ledger == [tuple(one) for one in expected]
    lines = [
        line
        for line in ana.knows("log", "--from", "riverside")
        if line["kind"] == "refusal" and line["index"] >= before
    ]
    assert [line["event"]["dimensions"] for line in lines] == expected
    assert all("was refused" in line["sentence"] for line in lines)


def test_1_3_a_grant_counts_from_its_first_day_and_for_its_own_organisation(world: World) -> None:
    network, node, olga, mori = world.network, world.node, world.olga, world.mori
    to = "grant", "lakeview", "--to", "riverside", "--for", "treatment"
    olga.consents(*to, "--starts", TOMORROW, "--days", "30")
    local = olga.local["riverside"]
    assert mori.reads("lakeview", local, MEDICATIONS).dimensions == ["validity"]
    olga.consents(*to, "--days", "1")
    assert mori.reads("lakeview", local, MEDICATIONS).resources
    other = ask(
        *(network, node, node.member_key("corner-pharmacy"), Query(type="MedicationRequest")),
        custodian="lakeview",
        requester="corner-pharmacy",
        account=olga.account["lakeview"],
        purpose="TREAT",
        actions=("search",),
    )
    status, told, came = other.post()
    assert isinstance(told, Refused)
    assert (status, told.dimensions, came) == (200, ("grantee",), 0)


# --- 1.4 ------------------------------------------------------------------------------------------


def test_1_4_the_next_read_after_a_revocation_is_refused_inside_a_session_too(world: World) -> None:
    node, oscar, mori = world.node, world.oscar, world.mori
    account, local = oscar.account["lakeview"], oscar.local["riverside"]
    consent = oscar.consents("grant", "lakeview", "--to", "riverside", "--for", "treatment")
    start = node.size()
    for _ in range(3):
        assert mori.reads("lakeview", local, "Immunization").resources
    [opened] = events_of(node, account, start)
    assert isinstance(opened, Disclosed), "three reads, one session"

    height = oscar.revokes(consent)
    answer = mori.reads("lakeview", local, "Immunization")
    assert answer.dimensions == ["status"]
    assert opened.expires > datetime.now(UTC).timestamp(), "the session was still open"

    [ended] = [at for at, event in node.feed(start) if isinstance(event, ConsentRevoked)]
    [told] = events_of(node, account, ended)
    assert isinstance(told, AccessRefused), "the refusal is on the ledger, and nothing was given"
    assert (told.receiver, told.dimensions) == ("riverside", ("status",))
    [revoked] = [one for one in node.transactions(ended) if one["index"] == ended]
    receipt = node.get(f"/v1/transactions/{revoked['transaction']}/receipt").json()
    assert receipt["height"] == height
