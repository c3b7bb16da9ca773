"""Riverside's desk: Ben gets a code and claims his account; a practitioner is enrolled."""

import base64
from pathlib import Path
from typing import Any

from careledger.apps.identity.commands import ClaimAccount
from careledger.exchange.organisation import claims
from careledger.ledger.claim import claim_key, parse_code
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId
from careledger.ledger.signature import SigningKey
from careledger.ledger.transaction import call, sign_transaction
from tests.exchange.world import ANA, ANA_MRN, DR_FINN, RIVERSIDE, bundle, key, patient
from tests.gateway.world import World, account, tell


def test_a_patient_is_given_a_code_and_claims_the_account(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, desk = world.at_riverside, await world.service()
        await world.riverside.ingestion.bundle(bundle(patient("cy", "Ng")))
        cy = (await client.get("/desk/patients/cy", headers=desk)).json()
        assert cy == {"id": "cy", "account": cy["account"], "claimed": False}
        first = await client.post("/desk/patients/cy/claim", headers=desk)
        assert first.status_code == 201
        assert first.headers["cache-control"] == "no-store"
        second = await client.post("/desk/patients/cy/claim", headers=desk)
        assert second.json()["account"] == first.json()["account"] == cy["account"]
        assert second.json()["claim_until"] > world.clock()
        assert await _claim(world, first.json()) is False  # another code came after it
        assert await _claim(world, second.json()) is True
        assert (await client.get("/desk/patients/cy", headers=desk)).json()["claimed"] is True
        assert (await client.post("/desk/patients/cy/claim", headers=desk)).status_code == 409
        newcomer = await client.post("/desk/patients/dee/claim", headers=desk)
        assert newcomer.status_code == 201
        assert await _claim(world, newcomer.json()) is True
        listed = (await client.get("/desk/patients", headers=desk)).json()["patients"]
        found = {one["id"]: one["claimed"] for one in listed}
        assert found == {ANA_MRN: True, "MRN-000-0815": True, "cy": True, "dee": True}

    tell(tmp_path, story)


async def _claim(world: World, given: dict[str, Any]) -> bool:
    """What the patient's wallet does with the code."""
    holder = AccountId(given["account"])
    code = claim_key(parse_code(given["code"]), holder, world.id)
    own = new_key(SigningKey("EdDSA", b"w" * 32), "transaction", holder, world.id)
    said = claims(holder, "identity", world.id, world.clock())
    raw = sign_transaction(code, said, call("identity", ClaimAccount(key=own)))
    try:
        return (await world.engine.submit(raw)).receipt.code == 0
    except Exception:  # noqa: BLE001 - the door does not know the key either
        return False


def test_a_practitioner_is_enrolled_with_a_key_of_their_own(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, desk = world.at_riverside, await world.service()
        who = account(1)
        proved = new_key(key(who), "transaction", who, world.id)
        body = {
            "account": who,
            "name": "Dr Grey",
            "roles": ["clinician"],
            "ial": 3,
            "aal": 2,
            "key": {
                "use": "transaction",
                "algorithm": proved.algorithm,
                "public": base64.b64encode(proved.public).decode(),
                "proof": base64.b64encode(proved.proof).decode(),
            },
        }
        made = await client.post("/desk/practitioners", json=body, headers=desk)
        assert made.status_code == 201, made.text
        again = await client.post("/desk/practitioners", json=body, headers=desk)
        assert again.status_code == 409
        assert again.headers["content-type"] == "application/problem+json"
        wrongs: list[Any] = [
            {},
            body | {"account": "Grey"},
            body | {"ial": 9},
            body | {"more": 1},
            [],
        ]
        for wrong in wrongs:
            answer = await client.post("/desk/practitioners", json=wrong, headers=desk)
            assert answer.status_code == 400
        await world.register_client(who)
        await world.token(who, RIVERSIDE, b2b={"subject_role": "clinician"})

    tell(tmp_path, story)


def test_only_the_members_own_key_works_the_desk(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        tokens = (
            await world.ana(),
            await world.dr_finn("system/*.cruds"),
            await world.service("system/Observation.cruds"),
        )
        for token in tokens:
            for verb, path in (
                ("GET", "/desk/patients"),
                ("GET", f"/desk/patients/{ANA_MRN}"),
                ("POST", f"/desk/patients/{ANA_MRN}/claim"),
                ("POST", "/desk/practitioners"),
            ):
                assert (await client.request(verb, path, headers=token)).status_code == 403, path
        assert (await client.get("/desk/patients")).status_code == 401
        desk = await world.service()
        assert (await client.get("/desk/patients/nobody", headers=desk)).status_code == 404
        assert (await client.post("/desk/patients/a b/claim", headers=desk)).status_code == 404
        vouching = await world.token(
            RIVERSIDE, RIVERSIDE, "system/*.cruds", b2b={"subject_id": DR_FINN}
        )
        assert (await client.get("/desk/patients", headers=vouching)).status_code == 200
        assert ANA in (await client.get("/desk/patients", headers=desk)).text

    tell(tmp_path, story)
