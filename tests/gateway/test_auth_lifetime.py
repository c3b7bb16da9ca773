"""How long tokens live, who may know of them, and what else the sign-in doors say."""

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

from joserfc import jwt

from careledger.ledger.record import MemberId
from tests.exchange.world import ANA, RIVERSIDE
from tests.gateway.apps import BASE, SECRET, VERIFIER, House, allow, code_in, tell


def test_a_public_application_refreshes_by_its_token_alone(tmp_path: Path) -> None:
    """RFC 6749 6 has no more for who has no credentials, and SMART's own library sends no more."""

    async def story(house: House) -> None:
        tokens = await house.tokens()
        alone = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        wrong = await house.http.post("/auth/token", data=alone | {"client_id": "portal"})
        assert wrong.status_code in {400, 401}
        fresh = await house.http.post("/auth/token", data=alone)
        assert fresh.status_code == 200, fresh.text
        assert await house.read(fresh.json()["access_token"]) == 200
        unknown = await house.http.post("/auth/token", data=alone | {"refresh_token": "guessed"})
        assert unknown.status_code == 401
        # Shown twice, it ends all that came of the sign-in.
        assert (await house.http.post("/auth/token", data=alone)).status_code == 400
        assert await house.read(fresh.json()["access_token"]) == 401

    tell(tmp_path, story)


def test_an_application_with_a_secret_still_proves_it(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        back, browser = "https://portal.example/back", house.browser()
        scope = "launch/patient online_access patient/*.rs"
        asked = house.request(client_id="portal", redirect_uri=back, scope=scope)
        page = await browser.open(f"{BASE}/auth/authorize", **asked)
        await house.approve(page.text.split('<p class="code">')[1][:9])
        granted = code_in(await allow(browser, await browser.open(str(page.url))))
        basic = {"authorization": "Basic " + b64encode(f"portal:{SECRET}".encode()).decode()}
        form = {
            "grant_type": "authorization_code",
            "code": granted,
            "redirect_uri": back,
            "code_verifier": VERIFIER,
        }
        tokens = (await house.http.post("/auth/token", data=form, headers=basic)).json()
        alone = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert (await house.http.post("/auth/token", data=alone)).status_code == 401
        again = await house.http.post("/auth/token", data=alone, headers=basic)
        assert again.status_code == 200

    tell(tmp_path, story)


def test_tokens_live_through_a_restart(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        tokens = await house.tokens()
        assertion = house.world.assertion("riverside", "riverside")
        assert (await house.world.sign_in("riverside", assertion)).status_code == 200
        house.restart()
        assert await house.read(tokens["access_token"]) == 200
        again = await house.refresh(tokens["refresh_token"])
        assert again.status_code == 200
        assert (await house.world.sign_in("riverside", assertion)).status_code == 401
        house.restart()
        reused = await house.refresh(tokens["refresh_token"])
        assert reused.status_code == 400
        assert await house.read(again.json()["access_token"]) == 401

    tell(tmp_path, story)


def test_refresh_tokens_live_through_the_end_of_the_process(tmp_path: Path) -> None:
    """What was revoked stays revoked, and a suspended member's are dead after it as before."""

    async def story(house: House) -> None:
        async def begin_again(how: Callable[[MemberId], Awaitable[None]]) -> None:
            await how(RIVERSIDE)
            house.restart()

        ended, kept = await house.tokens(), await house.tokens()
        form = {"token": ended["refresh_token"], "client_id": "chart"}
        assert (await house.http.post("/auth/revoke", data=form)).status_code == 200
        await house.world.pass_time(3_600)
        await begin_again(house.world.restart)
        again = await house.refresh(kept["refresh_token"])
        assert again.status_code == 200, again.text
        await begin_again(house.world.crash)
        assert await house.read(again.json()["access_token"]) == 200
        assert (await house.refresh(ended["refresh_token"])).status_code == 400
        files = b"".join(
            path.read_bytes() for path in (house.world.folder / RIVERSIDE).glob("sign-ins*")
        )
        for secret in (kept["refresh_token"], again.json()["refresh_token"], "MRN-000-4711"):
            assert secret.encode() not in files
        await house.world.suspend(RIVERSIDE)
        await begin_again(house.world.restart)
        assert (await house.refresh(again.json()["refresh_token"])).status_code == 400
        assert await house.read(again.json()["access_token"]) == 401

    tell(tmp_path, story)


def test_a_code_is_worth_nothing_once_its_patient_is_erased(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        page = await house.finn_at_consent(browser)
        waiting = house.browser()
        other = await house.finn_at_consent(waiting)
        code = code_in(await allow(browser, page))
        service = await house.world.service()
        erased = await house.http.post("/desk/patients/MRN-000-4711/shred", headers=service)
        assert erased.status_code == 200
        refused = await house.trade(code)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert "over" in (await allow(waiting, other)).text

    tell(tmp_path, story)


def test_a_code_is_worth_nothing_once_its_patient_is_erased_elsewhere(tmp_path: Path) -> None:
    """By the operator's command, say, and not at the desk: the vault knows."""

    async def story(house: House) -> None:
        code = await house.code()
        await house.world.riverside.erasure.shred(ANA)
        assert (await house.trade(code)).status_code == 400

    tell(tmp_path, story)


def test_a_patients_own_code_is_worth_nothing_once_they_are_erased(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        back = "https://portal.example/back"
        asked = house.request(
            client_id="portal", redirect_uri=back, scope="launch/patient patient/*.rs"
        )
        page = await browser.open(f"{BASE}/auth/authorize", **asked)
        code = page.text.split('<p class="code">')[1][:9]
        assert (await house.approve(code)).status_code == 200
        page = await browser.open(str(browser.page.url))
        granted = code_in(await allow(browser, page))
        await house.world.riverside.erasure.shred(ANA)
        form = {"grant_type": "authorization_code", "code": granted, "redirect_uri": back}
        answer = await house.http.post(
            "/auth/token", data=form | {"code_verifier": "v" * 43}, auth=("portal", SECRET)
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")

    tell(tmp_path, story)


def test_a_code_is_worth_nothing_once_the_member_is_suspended(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        code = await house.code()
        await house.world.suspend(RIVERSIDE)
        refused = await house.trade(code)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")

    tell(tmp_path, story)


def test_who_is_struck_out_is_out(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        tokens = await house.tokens()
        assert await house.read(tokens["access_token"]) == 200
        staff = house.folder / "staff.toml"
        staff.write_text(staff.read_text().replace('role = "clinician"', 'role = "nurse"'))
        await house.world.pass_time(2)
        assert await house.read(tokens["access_token"]) == 401
        assert (await house.refresh(tokens["refresh_token"])).status_code == 400
        clients = house.folder / "clients.toml"
        clients.write_text("not = toml [")
        await house.world.pass_time(2)
        gone = await house.http.get("/auth/authorize", params=house.request())
        assert gone.status_code == 400

    tell(tmp_path, story)


def test_an_erased_patient_is_in_no_token(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        tokens = await house.tokens()
        service = await house.world.service()
        erased = await house.http.post("/desk/patients/MRN-000-4711/shred", headers=service)
        assert erased.status_code == 200
        assert await house.read(tokens["access_token"]) == 401
        assert (await house.refresh(tokens["refresh_token"])).status_code == 400
        assert await house.read(service["authorization"].removeprefix("Bearer ")) == 404

    tell(tmp_path, story)


def test_a_program_of_the_house_signs_with_a_key_the_house_knows(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        async def signed(name: str, scope: str, **more: object) -> tuple[int, dict[str, str]]:
            from tests.gateway.apps import app_key

            claims = house.world.claims(name, "riverside") | {"extensions": None} | more
            claims = {k: v for k, v in claims.items() if v is not None}
            key = app_key("nightly")
            token = jwt.encode({"alg": "ES256", "kid": "nightly"}, claims, key)
            answer = await house.world.sign_in("riverside", token, scope)
            return answer.status_code, answer.json()

        status, said = await signed("nightly", "system/*.cruds patient/*.rs")
        assert (status, said["scope"]) == (200, "system/*.rs")
        assert await house.read(said["access_token"]) == 200
        treat = {"hl7-b2b": {"version": "1", "purpose_of_use": ["TREAT"]}}
        assert (await signed("nightly", "system/*.rs", extensions=treat))[0] == 400
        assert (await signed("unstated", "system/*.rs"))[0] == 400
        status, said = await signed("unstated", "system/*.rs", extensions=treat)
        assert said["scope"] == "system/Observation.rs"

    tell(tmp_path, story)


def test_introspection_and_revocation(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        tokens = await house.tokens()

        async def about(token: str) -> dict[str, object]:
            form = {
                "token": token,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": house.world.assertion("riverside", "riverside"),
            }
            found: dict[str, object] = (await house.http.post("/auth/introspect", data=form)).json()
            return found

        found = await about(tokens["access_token"])
        assert found["active"] is True
        assert (found["client_id"], found["patient"]) == ("chart", "MRN-000-4711")
        assert found["purpose_of_use"] == "TREAT"
        assert (await about(tokens["refresh_token"]))["active"] is True
        assert await about("nothing") == {"active": False}
        other = await house.http.post(
            "/auth/introspect",
            data={"token": tokens["access_token"]},
            auth=("portal", "a secret of the portal"),
        )
        assert other.json() == {"active": False}
        public = {"token": tokens["access_token"], "client_id": "chart"}
        assert (await house.http.post("/auth/introspect", data=public)).status_code == 401
        # Another application cannot end the tokens; their own can, all of the sign-in at once.
        form = {"token": tokens["refresh_token"]}
        await house.http.post("/auth/revoke", data=form, auth=("portal", "a secret of the portal"))
        assert await house.read(tokens["access_token"]) == 200
        ended = await house.http.post("/auth/revoke", data=form | {"client_id": "chart"})
        assert ended.status_code == 200
        assert await house.read(tokens["access_token"]) == 401
        assert await about(tokens["refresh_token"]) == {"active": False}
        unknown = await house.http.post("/auth/revoke", data={"token": "x", "client_id": "chart"})
        assert unknown.status_code == 200

    tell(tmp_path, story)


def test_the_configuration_says_what_there_is(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        found = (await house.http.get("/fhir/.well-known/smart-configuration")).json()
        assert {"launch-ehr", "launch-standalone", "client-public", "permission-v2"} <= set(
            found["capabilities"]
        )
        for name in ("authorization_endpoint", "introspection_endpoint", "jwks_uri", "issuer"):
            assert found[name].startswith(BASE)
        openid = (await house.http.get("/.well-known/openid-configuration")).json()
        assert openid["id_token_signing_alg_values_supported"] == ["ES256"]
        assert "private" not in json.dumps((await house.http.get("/auth/jwks")).json())

    tell(tmp_path, story)
