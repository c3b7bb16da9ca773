"""Writing the same record at once; and telling the patient in full why an answer was given."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx2

from careledger.cli.smart import Client, member_client
from tests.e2e.conftest import World
from tests.e2e.network import Json, Network
from tests.e2e.staff import TIMEOUT_S, token

FHIR = {"content-type": "application/fhir+json"}
EACH = 6


def service(network: Network, member: str) -> Client:
    """A system of the organisation's own, which may write."""
    return member_client(
        network.home(member), "HOPERAT", "system/*.cruds", network.gateways[member]
    )


def result(id_: str, local: str, value: float) -> Json:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{local}"},
        "effectiveDateTime": "2026-10-01",
        "valueQuantity": {"value": value, "unit": "kg"},
    }


def put(gateway: str, bearer: str, resource: Json) -> httpx2.Response:
    url = f"{gateway}/fhir/{resource['resourceType']}/{resource['id']}"
    headers = FHIR | {"authorization": f"Bearer {bearer}"}
    return httpx2.put(url, content=json.dumps(resource), headers=headers, timeout=TIMEOUT_S)


def test_1_9_two_clients_of_one_organisation_update_one_record_at_once(world: World) -> None:
    gateway, local = world.network.gateways["riverside"], "somebody-new"
    bearers = [token_for_writing(world.network, "riverside") for _ in range(2)]
    new = put(gateway, bearers[0], {"resourceType": "Patient", "id": local})
    assert new.status_code == 201, new.text
    first = put(gateway, bearers[0], result("weight-1", local, 70.0))
    assert first.status_code == 201, first.text
    values = [71.0 + number for number in range(2 * EACH)]

    def update(number: int) -> int:
        resource = result("weight-1", local, values[number])
        return put(gateway, bearers[number % 2], resource).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(update, range(len(values))))
    assert set(statuses) == {200}, "nobody is told to try again"
    kept = []
    for version in range(1, len(values) + 2):
        url = f"{gateway}/fhir/Observation/weight-1/_history/{version}"
        answer = httpx2.get(url, headers={"authorization": f"Bearer {bearers[0]}"}, timeout=30)
        assert answer.status_code == 200, answer.text
        kept.append(answer.json()["valueQuantity"]["value"])
    assert kept[0] == 70.0
    assert sorted(kept[1:]) == values, "none is lost"


def token_for_writing(network: Network, member: str) -> str:
    client = service(network, member)
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": client.assertion(client.gateway + "/auth/token"),
        "scope": client.scope,
    }
    answer = httpx2.post(client.gateway + "/auth/token", data=form, timeout=TIMEOUT_S)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def test_why_is_told_as_of_the_time_and_not_as_of_now(world: World) -> None:
    olga, cho = world.olga, world.cho
    start = world.node.size()
    consent = olga.consents("grant", "riverside", "--to", "lakeview", "--for", "treatment")
    local = olga.local["lakeview"]
    assert cho.reads("riverside", local, "Immunization").status == 200
    assert cho.reads("riverside", local, "Immunization", purpose="HRESCH").status == 403
    olga.revokes(consent)
    assert cho.reads("riverside", local, "Immunization").status == 403
    told = [
        line["why"]
        for line in olga.knows("log", "--why", "--from", "riverside")
        if line["index"] >= start and line["kind"] in {"access", "refusal"}
    ]
    name = f"Your consent ({consent[:8]})"
    of_hers = [[text for text in why if text.startswith(name)] for why in told]
    assert of_hers == [
        [f"{name} allowed it."],
        [f"{name} did not allow it: you did not allow that purpose."],
        [f"{name} did not allow it: your consent has ended."],
    ]


def test_the_token_of_a_clinician_is_no_writer_s(world: World) -> None:
    """What the tests above rely on: only the organisation's own system may choose an id."""
    resource = result("weight-3", world.ana.local["lakeview"], 1.0)
    answer = put(world.cho.gateway, token(world.cho.signs_in()), resource)
    assert answer.status_code == 403
