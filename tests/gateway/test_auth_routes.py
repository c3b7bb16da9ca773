"""Signing in: who may, who may not, and what goes wrong with an assertion."""

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey

from careledger.apps.governance.commands import RotateKey
from careledger.apps.identity.commands import RegisterAccountKey, SetCredentialRoles, SuspendAccount
from careledger.ledger.membership import NewKey
from careledger.ledger.possession import new_key, possession_message, thumbprint
from careledger.ledger.signature import SigningKey
from tests.exchange.world import ANA, DR_CHO, DR_FINN, LAKEVIEW, RIVERSIDE, key
from tests.gateway.world import World, client_key, jwt, key_id, tell, url64

CLINICIAN = {"subject_role": "clinician"}
OWN = {"purpose_of_use": ["PATRQT"]}


def test_members_practitioners_and_patients_sign_in(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        finn = world.assertion(DR_FINN, RIVERSIDE, b2b=CLINICIAN)
        answer = await world.sign_in(RIVERSIDE, finn, "system/Observation.rs launch system/*.read")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        said = answer.json()
        assert said["scope"] == "system/Observation.rs system/*.rs"
        assert (said["token_type"], said["expires_in"]) == ("bearer", 300)
        assert len(said["access_token"]) == 43  # 256 bits
        again = await world.sign_in(
            RIVERSIDE, world.assertion(ANA, RIVERSIDE, b2b=OWN), "system/*.cruds"
        )
        assert again.json()["scope"] == "system/*.rs"
        for_finn = {"subject_id": DR_FINN, "subject_role": "clinician"}
        vouched = world.assertion(RIVERSIDE, RIVERSIDE, b2b=for_finn)
        assert (await world.sign_in(RIVERSIDE, vouched)).status_code == 200
        here = world.assertion(
            DR_FINN, RIVERSIDE, b2b=CLINICIAN, aud=["x", "http://127.0.0.1:7410/auth/token"]
        )
        assert (await world.sign_in(RIVERSIDE, here)).status_code == 200
        oid = {"purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#TREAT"]}
        assert (
            await world.sign_in(RIVERSIDE, world.assertion(RIVERSIDE, RIVERSIDE, b2b=oid))
        ).status_code == 200

    tell(tmp_path, story)


def test_keys_of_every_algorithm_sign_in(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        edwards = await world.register_client(DR_FINN, SigningKey("EdDSA", bytes(range(32))))
        for name in ("EdDSA", "Ed25519"):
            signed = world.assertion(
                DR_FINN, RIVERSIDE, signing=edwards, header={"alg": name}, b2b=CLINICIAN
            )
            assert (await world.sign_in(RIVERSIDE, signed)).status_code == 200
        assert (await world.sign_in(RIVERSIDE, await _es384(world))).status_code == 200

    tell(tmp_path, story)


async def _es384(world: World) -> str:
    """Made with the library that real clients use."""
    private = ec.derive_private_key(4_711, ec.SECP384R1())
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    key = ECKey.import_key(private)
    message = possession_message(world.id, DR_FINN, "client", public)
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA384())))
    proof = r.to_bytes(48) + s.to_bytes(48)
    proved = NewKey(use="client", algorithm="ES384", public=public, proof=proof)
    await world.submit(DR_FINN, "identity", RegisterAccountKey(key=proved))
    header = {"alg": "ES384", "kid": thumbprint("ES384", public).hex()}
    said = world.claims(DR_FINN, RIVERSIDE, b2b=CLINICIAN)
    return joserfc_jwt.encode(header, said, key, algorithms=["ES384"])


def test_bad_assertions_are_refused_alike(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        now, good = world.clock(), client_key(DR_FINN)

        def finn(**changed: Any) -> str:
            return world.assertion(DR_FINN, RIVERSIDE, **({"b2b": CLINICIAN} | changed))

        stranger = SigningKey("ES256", b"s" * 32)
        claims = world.claims(DR_FINN, RIVERSIDE, b2b=CLINICIAN)
        head, _, signature = finn().split(".")
        other_body = url64(b'{"iss":"riverside"}')
        hs256 = {"alg": "HS256", "kid": key_id(good)}
        bad = {
            "forged": jwt({"alg": "ES256", "kid": key_id(good)}, claims, stranger.sign),
            "unknown key": finn(signing=stranger),
            "the transaction key": finn(signing=key(DR_FINN)),
            "altered": f"{head}.{other_body}.{signature}",
            "alg none": jwt({"alg": "none", "kid": key_id(good)}, claims, lambda _: b""),
            "alg HS": jwt(hs256, claims, lambda message: _hs256(good.public.public, message)),
            "another algorithm": finn(header={"alg": "EdDSA"}),
            "no kid": finn(header={"kid": None}),
            "kid is a number": finn(header={"kid": 7}),
            "critical header": finn(header={"crit": ["b64"], "b64": False}),
            "expired": finn(exp=now),
            "lives too long": finn(exp=now + 301),
            "not yet": finn(nbf=now + 61),
            "from the future": finn(iat=now + 61),
            "another token endpoint": finn(aud=f"http://{LAKEVIEW}.test/auth/token"),
            "the FHIR base": finn(aud=f"http://{RIVERSIDE}.test/fhir"),
            "no aud": finn(aud=None),
            "no exp": finn(exp=None),
            "no jti": finn(jti=None),
            "an empty jti": finn(jti=""),
            "iss is not sub": finn(sub=ANA),
            "of no form": finn(iss="Riverside Hospital", sub="Riverside Hospital"),
            "not a JWT": "a.b",
            "not ASCII": "ä.b.c",
            "empty": "",
            "no object": jwt({"alg": "ES256", "kid": key_id(good)}, [1], good.sign),
        }
        for name, assertion in bad.items():
            answer = await world.sign_in(RIVERSIDE, assertion)
            assert answer.status_code == 401, name
            assert answer.json()["error"] == "invalid_client", name
            assert "access_token" not in answer.text

    tell(tmp_path, story)


def _hs256(secret: bytes, message: bytes) -> bytes:
    import hmac

    return hmac.digest(secret, message, "sha256")


def test_an_assertion_counts_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assertion = world.assertion(DR_FINN, RIVERSIDE, b2b=CLINICIAN)
        assert (await world.sign_in(RIVERSIDE, assertion)).status_code == 200
        replayed = await world.sign_in(RIVERSIDE, assertion)
        assert replayed.status_code == 401
        # One that was refused for something else has been used as well.
        greedy = world.assertion(DR_FINN, RIVERSIDE, b2b=CLINICIAN)
        assert (await world.sign_in(RIVERSIDE, greedy, "nothing/known")).status_code == 400
        assert (await world.sign_in(RIVERSIDE, greedy)).status_code == 401
        # Two people may have the same jti.
        for signer, business in ((DR_FINN, CLINICIAN), (ANA, OWN)):
            same = world.assertion(signer, RIVERSIDE, jti="the same", b2b=business)
            assert (await world.sign_in(RIVERSIDE, same)).status_code == 200

    tell(tmp_path, story)


def test_the_purpose_is_stated_once_and_the_role_is_the_ledgers(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async def refused(signer: str, error: str, **changed: Any) -> None:
            answer = await world.sign_in(RIVERSIDE, world.assertion(signer, RIVERSIDE, **changed))
            assert (answer.status_code, answer.json()["error"]) == (400, error), changed

        await refused(DR_FINN, "invalid_grant", extensions=None)
        await refused(DR_FINN, "invalid_grant", extensions={})
        for purposes in (
            None,
            [],
            ["TREAT", "HPAYMT"],
            ["TREAT", "TREAT"],
            ["CURIOSITY"],
            ["PATRQT"],
        ):
            await refused(DR_FINN, "invalid_grant", b2b={"purpose_of_use": purposes})
        await refused(DR_FINN, "invalid_grant", b2b={"purpose_of_use": ["http://else#TREAT"]})
        await refused(DR_FINN, "invalid_grant", b2b={"version": "2"})
        await refused(DR_FINN, "invalid_grant", b2b={"subject_role": "pharmacist"})
        await refused(DR_FINN, "invalid_grant", b2b={"subject_id": ANA})
        await refused(ANA, "invalid_grant", b2b={"purpose_of_use": ["TREAT"]})
        await refused(ANA, "invalid_grant", b2b=OWN | {"subject_role": "clinician"})
        await refused(RIVERSIDE, "invalid_grant", b2b={"subject_id": "Dr Finn"})
        await refused(RIVERSIDE, "unauthorized_client", b2b={"subject_id": DR_CHO})
        await refused(DR_CHO, "unauthorized_client", b2b=CLINICIAN)

    tell(tmp_path, story)


def test_the_form_is_what_oauth_says(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async def refused(error: str, scope: str = "system/*.rs", **form: str) -> None:
            good = world.assertion(DR_FINN, RIVERSIDE, b2b=CLINICIAN)
            answer = await world.sign_in(RIVERSIDE, good, scope, **form)
            assert (answer.status_code, answer.json()["error"]) == (400, error)

        await refused("unsupported_grant_type", grant_type="password")
        await refused("invalid_request", client_assertion_type="urn:something")
        await refused("invalid_scope", scope="")
        for scope in (
            "openid",
            "system/*.reads",
            "system/Observation.sr",
            "system/Unicorn.rs",
            "system/*.",
            "patient/*.rs",
            "user/*.rs",
            "system/*.rs?category:in=x",
            "system/*.rs?",
            "system/*.cud?category=x",
        ):
            await refused("invalid_scope", scope=scope)
        post = world.at_riverside.post
        twice = await post("/auth/token", content="grant_type=a&grant_type=b", headers=_FORM)
        assert twice.json()["error"] == "invalid_request"
        assert (await post("/auth/token", content=b"\xff=1", headers=_FORM)).status_code == 400
        assert (await post("/auth/token", json={})).status_code == 400
        long = await post("/auth/token", content=b"a" * 20_000, headers=_FORM)
        assert long.status_code == 413
        assert (await world.at_riverside.get("/auth/token")).status_code == 405

    tell(tmp_path, story)


_FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_the_configuration_leads_to_the_token_endpoint(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for path in ("/fhir/.well-known/smart-configuration", "/.well-known/smart-configuration"):
            found = (await world.at_riverside.get(path)).json()
            assert found["token_endpoint"] == "http://riverside.test/auth/token"
            assert "private_key_jwt" in found["token_endpoint_auth_methods_supported"]
            assert found["code_challenge_methods_supported"] == ["S256"]
            assert "none" not in found["token_endpoint_auth_signing_alg_values_supported"]

    tell(tmp_path, story)


def test_a_token_dies_with_its_key_its_holder_and_its_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async def status(token: dict[str, str], path: str = "/fhir/Observation/o1") -> int:
            return (await world.at_riverside.get(path, headers=token)).status_code

        finn, ana, service = await world.dr_finn(), await world.ana(), await world.service()
        assert [await status(one) for one in (finn, ana, service)] == [200, 200, 200]

        old = client_key(RIVERSIDE)
        fresh = new_key(SigningKey("ES256", b"f" * 32), "client", RIVERSIDE, world.id)
        rotation = RotateKey(old=bytes.fromhex(key_id(old)), key=fresh)
        await world.submit(RIVERSIDE, "governance", rotation)
        assert [await status(one) for one in (finn, ana, service)] == [200, 200, 401]
        assert (
            await world.sign_in(RIVERSIDE, world.assertion(RIVERSIDE, RIVERSIDE))
        ).status_code == 401

        await world.submit(
            RIVERSIDE, "identity", SetCredentialRoles(account=DR_FINN, roles=("nurse",))
        )
        assert await status(finn) == 401
        nurse = await world.token(DR_FINN, RIVERSIDE, b2b={"subject_role": "nurse"})
        assert await status(nurse) == 200
        await world.submit(RIVERSIDE, "identity", SuspendAccount(account=DR_FINN))
        assert await status(nurse) == 401

        world.offset += 299
        await world.pass_time(0)
        assert await status(ana) == 200
        await world.pass_time(1)
        assert await status(ana) == 401

    tell(tmp_path, story)


def test_a_suspended_members_people_are_out_but_its_patients_are_not(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        finn, ana, service = await world.dr_finn(), await world.ana(), await world.service()
        await world.suspend(RIVERSIDE)
        statuses = [
            (await world.at_riverside.get("/fhir/Observation/o1", headers=one)).status_code
            for one in (finn, service, ana)
        ]
        assert statuses == [401, 401, 200]
        again = await world.sign_in(RIVERSIDE, world.assertion(DR_FINN, RIVERSIDE, b2b=CLINICIAN))
        assert again.json()["error"] == "unauthorized_client"

    tell(tmp_path, story)


def test_tokens_that_are_none(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        finn = (await world.dr_finn())["authorization"]
        bad = (None, "", "Bearer", "Bearer ", "Basic eDp5", finn[:-1], finn + "A", f"Token {finn}")
        for header in bad:
            headers = {} if header is None else {"authorization": header}
            answer = await world.at_riverside.get("/fhir/Observation/o1", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["resourceType"] == "OperationOutcome"
        other = await world.at_lakeview.get("/fhir/Patient/x", headers={"authorization": finn})
        assert other.status_code == 401

    tell(tmp_path, story)
