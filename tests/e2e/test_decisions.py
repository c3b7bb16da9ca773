"""Decisions: never without a purpose, the same everywhere, and one rule where consents conflict."""

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from careledger.apps.consent.commands import AttestPaperConsent, SaidOnPaper
from careledger.apps.records.commands import AccessRefused
from careledger.cli.smart import Client
from careledger.ledger.record import encode
from careledger.ledger.statement import sign_statement
from careledger.mechanisms.messages import Query, Refused, Released
from tests.e2e.asking import ask
from tests.e2e.conftest import World
from tests.e2e.staff import Answer, sign_in
from tests.e2e.test_reading import events_of

TODAY = datetime.now(UTC).date()
MEDICATIONS, LABORATORY = "MedicationRequest", "Observation?category=laboratory"


# --- Z1 -------------------------------------------------------------------------------------------


def no_token(client: Client, purposes: Sequence[str] | None) -> str:
    """Why there is no token for a sign-in that states these purposes."""
    head, body, _ = client.assertion(client.gateway + "/auth/token").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    business = claims["extensions"]["hl7-b2b"]
    del business["purpose_of_use"]
    if purposes is not None:
        business["purpose_of_use"] = purposes
    signed = f"{head}.{_base64url(json.dumps(claims).encode())}"
    assertion = f"{signed}.{_base64url(client.key.sign(signed.encode()))}"
    answer = sign_in(client.gateway, assertion)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] == "invalid_grant"
    return str(answer.json()["error_description"])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("purposes", [None, [], ["CURIOSITY"], ["TREAT", "HRESCH"], ["PATRQT"]])
def test_z1_there_is_no_token_without_exactly_one_known_purpose(
    world: World, purposes: list[str] | None
) -> None:
    told = no_token(world.cho.signs_in(), purposes)
    assert "purpose" in told or "PATRQT" in told


@pytest.mark.parametrize("purpose", [{}, {"purpose": "CURIOSITY"}, {"purpose": None}])
def test_z1_no_custodian_answers_a_request_without_a_known_purpose(
    world: World, purpose: dict[str, object]
) -> None:
    network, node = world.network, world.node
    key = node.member_key("lakeview")
    request = {
        "custodian": "riverside",
        "requester": "lakeview",
        "account": world.ana.account["riverside"],
        "actions": ("search",),
    }
    query = Query(type="MedicationRequest")
    assert ask(network, node, key, query, **request, **purpose).post() == (400, None, 0)
    status, told, _ = ask(network, node, key, query, **request, purpose="HMARKT").post()
    assert (status, isinstance(told, Refused)) == (200, True)


RECOMPUTE = """
import json, sys
from pathlib import Path
from careledger.apps.consent.queries import decide
from careledger.ledger.state import View
from careledger.mechanisms.policy import Denied, Use
from careledger.store.reader import StoreReader
reader = StoreReader(Path(sys.argv[1]))
with reader.snapshot() as committed:
    view = View(committed)
    for fields in json.loads(sys.argv[2]):
        answer = decide(view, Use(**fields), lambda consent: None)
        if isinstance(answer, Denied):
            print(json.dumps([answer.rule, *answer.dimensions]))
        else:
            print(json.dumps([answer.rule, answer.basis.id.hex()]))
"""


def test_z1_every_process_that_has_the_state_comes_to_the_same_decision(world: World) -> None:
    """What the gateway answered is computed again, elsewhere, from committed state alone."""
    network, node, olga, cho = world.network, world.node, world.olga, world.cho
    account, local = olga.account["riverside"], olga.local["lakeview"]
    consent = olga.consents(
        *("grant", "riverside", "--to", "lakeview", "--role", "clinician"),
        *("--for", "payment"),
    )
    start = node.size()
    granted = cho.reads("riverside", local, MEDICATIONS, purpose="HPAYMT")
    assert granted.notice["basis"] == "grant"
    narrower = cho.reads("riverside", local, MEDICATIONS, purpose="CLMATTCH")
    assert narrower.status == 200, "claim attachment lies below payment"
    refused = [
        cho.reads("riverside", local, MEDICATIONS, purpose="HMARKT"),
        cho.reads("riverside", local, MEDICATIONS, purpose="HPAYMT", role="researcher"),
        cho.reads("riverside", local, "$everything", purpose="HRESCH"),
    ]
    answers = events_of(node, account, start)
    assert len(answers) == 5
    told = [
        ["envelope", *one.dimensions]
        if isinstance(one, AccessRefused)
        else [one.basis, str(one.basis_id and one.basis_id.hex())]
        for one in answers
    ]
    assert told[:2] == [["grant", consent]] * 2
    assert [said[1:] for said in told[2:]] == [answer.dimensions for answer in refused]
    assert told[4] == ["envelope", "purpose", "action"]

    uses = [
        {
            "custodian": one.custodian,
            "account": one.account,
            "requester": one.receiver,
            "purpose": one.purpose,
            "action": one.actions[0],
            "time": one.at,
            "practitioner": one.practitioner,
            "role": one.role,
        }
        for one in answers
    ]
    for seed in ("1", "2"):
        again = subprocess.run(
            [sys.executable, "-c", RECOMPUTE, network.folder / "node/ledger", json.dumps(uses)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert [json.loads(line) for line in again.stdout.splitlines()] == told


# --- Z5 -------------------------------------------------------------------------------------------


def test_z5_a_denial_wins_over_a_grant_and_only_as_far_as_it_says(world: World) -> None:
    """The table of all cases is tests/apps/consent/test_conflicts.py; here are two in the open."""
    oscar, cho = world.oscar, world.cho
    local = oscar.local["lakeview"]

    def reads(query: str) -> Answer:
        return cho.reads("riverside", local, query)

    oscar.consents(
        "grant", "riverside", "--to", "lakeview", "--for", "treatment", "--what", "medications",
        "--what", "results",
    )  # fmt: skip
    medications, results = reads(MEDICATIONS).resources, reads(LABORATORY).resources
    assert medications
    assert results

    no = oscar.consents("deny", "riverside", "--to", "lakeview")
    assert reads(MEDICATIONS).dimensions == ["denial"]
    assert reads(LABORATORY).dimensions == ["denial"]
    oscar.revokes(no)
    assert reads(MEDICATIONS).resources == medications

    oscar.consents("deny", "riverside", "--what", "medications")
    assert reads(MEDICATIONS).resources == []
    assert reads(LABORATORY).resources == results


def test_z5_paper_counts_until_the_patient_speaks_and_never_widens_what_she_says(
    world: World,
) -> None:
    network, node, olga, cho, diaz = world.network, world.node, world.olga, world.cho, world.diaz
    paper = SaidOnPaper(
        consent_id=secrets.token_bytes(16),
        custodian="lakeview",
        grantee="unity-health",
        purposes=("HPAYMT", "TREAT"),
        actions=("search",),
        valid_from=(TODAY - datetime(1970, 1, 1, tzinfo=UTC).date()).days,
        account=olga.account["lakeview"],
        kind="grant",
        paper=secrets.token_bytes(32),
    )
    witness = sign_statement(
        diaz.transaction,
        "application/vnd.careledger.attestation+cbor",
        node.claims(diaz.account, "consent"),
        encode(paper),
    )
    attest = AttestPaperConsent(consent=paper, witness=witness)
    assert node.code(cho.account, cho.transaction, "consent", attest) == 0

    def asks(type_: str, purpose: str) -> tuple[int, tuple[str, ...]]:
        sealed = ask(
            *(network, node, node.member_key("unity-health"), Query(type=type_)),
            custodian="lakeview",
            requester="unity-health",
            account=olga.account["lakeview"],
            purpose=purpose,
            actions=("search",),
        )
        _, told, came = sealed.post()
        assert isinstance(told, Released | Refused)
        return came, told.dimensions if isinstance(told, Refused) else ()

    assert asks("Encounter", "HPAYMT")[0] > 0
    own = olga.consents(
        "grant", "lakeview", "--to", "unity-health", "--for", "payment", "--what", "medications"
    )
    assert asks("MedicationRequest", "HPAYMT")[0] > 0
    assert asks("Encounter", "HPAYMT") == (0, ("terms",))
    assert asks("MedicationRequest", "TREAT") == (0, ("purpose",))
    olga.revokes(own)
    assert asks("Encounter", "HPAYMT")[1], "what she ended, paper does not bring back"
