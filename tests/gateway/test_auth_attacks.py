"""Attacks on the sign-in of people, each of which has a name (RFC 9700)."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
from joserfc import jwt

from tests.exchange.world import ANA, ANA_MRN, DR_CHO, DR_FINN, RIVERSIDE
from tests.gateway.apps import (
    BACK,
    BASE,
    PASSWORDS,
    VERIFIER,
    House,
    answer_in,
    tell,
)
from tests.gateway.world import jwt as jwt_by_hand

NOW = 1_790_000_000


def test_nothing_is_sent_to_an_address_that_is_not_registered(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        for uri in (
            None,
            "",
            "https://chart.example/callback/",
            "https://chart.example/callback?x=1",
            "https://chart.example/callback#x",
            "https://chart.example/callback/../evil",
            "https://chart.example/call",
            "https://chart.example.evil.example/callback",
            "https://chart.example@evil.example/callback",
            "HTTPS://CHART.EXAMPLE/callback",
            "http://chart.example/callback",
            "https://chart.example/other?x=2",
            "https://portal.example/back",
            "javascript:alert(1)",
            "//evil.example",
            BACK + "\r\nx: y",
        ):
            asked = house.request(redirect_uri=uri)
            answer = await house.http.get("/auth/authorize", params=asked)
            assert answer.status_code == 400, uri
            assert "location" not in answer.headers
            assert "evil" not in answer.text
        unknown = await house.http.get("/auth/authorize", params=house.request(client_id="x"))
        assert unknown.status_code == 400
        backend = await house.http.get("/auth/authorize", params=house.request(client_id="nightly"))
        assert backend.status_code == 400
        twice = httpx2.QueryParams([*house.request().items(), ("redirect_uri", "https://evil")])
        assert (await house.http.get(f"/auth/authorize?{twice}")).status_code == 400

    tell(tmp_path, story)


def test_a_bad_request_goes_back_with_its_state(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        async def error(**changed: str | None) -> str:
            answer = await house.http.get("/auth/authorize", params=house.request(**changed))
            assert answer.headers["location"].startswith(BACK + "?")
            return answer_in(answer)["error"]

        assert await error(response_type="token") == "unsupported_response_type"
        assert await error(code_challenge=None) == "invalid_request"
        assert await error(code_challenge_method="plain") == "invalid_request"
        assert await error(code_challenge_method=None) == "invalid_request"
        assert await error(code_challenge="short") == "invalid_request"
        assert await error(aud="https://evil.example/fhir") == "invalid_request"
        assert await error(aud=None) == "invalid_request"
        assert await error(state=None) == "invalid_request"
        assert await error(scope="system/*.rs") == "invalid_scope"
        assert await error(scope="patient/*.cud") == "invalid_scope"
        assert await error(scope="launch patient/*.rs", launch="guessed") == "invalid_request"
        assert await error(purpose_of_use="CURIOSITY") == "invalid_request"
        assert await error(request_uri="https://evil.example/x") == "request_not_supported"

    tell(tmp_path, story)


def test_a_code_is_for_who_has_the_verifier_the_address_and_the_name(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        for changed in (
            {"code_verifier": "w" * 43},
            {"code_verifier": None},
            {"code_verifier": ""},
            {"redirect_uri": "https://chart.example/other?x=1"},
            {"redirect_uri": None},
        ):
            code = await house.code()
            refused = await house.trade(code, **changed)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
            # Whoever tried and failed has used it up.
            assert (await house.trade(code)).status_code == 400
        code = await house.code()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "code_verifier": VERIFIER,
        }
        mixed = await house.http.post(
            "/auth/token", data=form, auth=("portal", "a secret of the portal")
        )
        assert mixed.status_code == 400
        finn = house.world.assertion(DR_FINN, "riverside")
        own = await house.world.sign_in(
            "riverside", finn, grant_type="authorization_code", code=await house.code()
        )
        assert own.status_code == 400

    tell(tmp_path, story)


def test_a_code_that_is_used_twice_ends_what_came_of_it(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        code = await house.code()
        tokens = (await house.trade(code)).json()
        assert await house.read(tokens["access_token"]) == 200
        assert (await house.trade(code)).status_code == 400
        assert await house.read(tokens["access_token"]) == 401
        assert (await house.refresh(tokens["refresh_token"])).status_code == 400
        late = await house.code()
        await house.world.pass_time(61)
        assert (await house.trade(late)).status_code == 400

    tell(tmp_path, story)


def test_a_sign_in_is_a_patients_or_the_staffs_and_never_both(tmp_path: Path) -> None:
    """The wallet approves while the staff's provider is open: its patient must not stay behind."""

    async def story(house: House) -> None:
        browser = house.browser()
        page = await browser.open(f"{BASE}/auth/authorize", **house.request())
        code, place = page.text.split('<p class="code">')[1][:9], str(page.url)
        at_provider = await browser.send(step="staff")
        assert (await house.approve(code, ANA)).status_code == 200
        assert "Allow access?" in (await browser.open(place)).text
        browser.page = at_provider
        both = await browser.send(subject="finn", password=PASSWORDS["finn"])
        assert both.status_code == 400
        assert "Dr Finn" not in both.text

    tell(tmp_path, story)


def test_a_launch_tells_nobody_who_is_withheld(tmp_path: Path) -> None:
    """By the house's launch, by one's own, and by the picker: denied is as good as absent."""

    async def story(house: House) -> None:
        scope = "openid launch user/*.rs patient/*.rs"
        tokens = await house.tokens(scope="openid user/*.rs launch/patient")
        finn = {"authorization": f"Bearer {tokens['access_token']}"}
        service = await house.world.service()
        await house.world.deny(grantee=RIVERSIDE)

        async def own(patient: str) -> tuple[int, bytes]:
            answer = await house.http.post(
                "/desk/launches", json={"patient": patient}, headers=finn
            )
            return answer.status_code, answer.content

        async def from_the_house(patient: str, encounter: str | None) -> dict[str, str]:
            said = {"patient": patient} | ({"encounter": encounter} if encounter else {})
            made = await house.http.post("/desk/launches", json=said, headers=service)
            launch = made.json()["launch"]
            answer = await house.finn_at_consent(house.browser(), scope=scope, launch=launch)
            return answer_in(answer)

        async def picked(patient: str) -> tuple[int, str]:
            browser = house.browser()
            await browser.open(f"{BASE}/auth/authorize", **house.request())
            await browser.send(step="staff")
            await browser.send(subject="finn", password=PASSWORDS["finn"])
            await browser.send(purpose="TREAT")
            await browser.send(text=patient)
            [form] = re.findall(r'name="form" value="([^"]*)"', browser.page.text)
            fields = {"form": form, "step": "patient", "patient": patient}
            answer = await browser.http.post(browser.page.url, data=fields)
            text = answer.text.replace(form, "").replace(patient, "")
            return answer.status_code, text.replace(browser.page.url.path, "")

        assert await own(ANA_MRN) == await own("nobody")
        assert (await own("nobody"))[0] == 404
        for encounter in (None, "e1"):
            denied = await from_the_house(ANA_MRN, encounter)
            assert denied == await from_the_house("nobody", encounter)
            assert denied["error"] == "access_denied"
        assert await picked(ANA_MRN) == await picked("nobody")

    tell(tmp_path, story)


def test_strangers_fill_no_memory_of_assertions(tmp_path: Path) -> None:
    """Accounts of other members cannot sign in here, nor shut out those who can."""

    async def story(house: House) -> None:
        assertion = house.world.assertion(DR_CHO, RIVERSIDE)
        for _ in range(2):
            refused = await house.world.sign_in(RIVERSIDE, assertion)
            assert refused.json()["error"] == "unauthorized_client"

    tell(tmp_path, story)


def test_a_refresh_only_narrows_and_counts_once(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        scope = "launch/patient openid offline_access patient/Observation.rs patient/Patient.r"
        tokens = await house.tokens(scope=scope)
        for wider in (
            "patient/*.rs",
            "user/Observation.rs",
            "system/Observation.rs",
            "patient/Observation.rs patient/Condition.rs",
            "patient/Patient.rs",
            "patient/Observation.rs online_access",
        ):
            refused = await house.refresh(tokens["refresh_token"], scope=wider)
            assert refused.json()["error"] == "invalid_scope", wider
        narrow = await house.refresh(tokens["refresh_token"], scope="patient/Observation.r")
        assert narrow.json()["scope"] == "patient/Observation.r"
        wide = await house.refresh(narrow.json()["refresh_token"])
        assert "patient/Patient.r" in wide.json()["scope"]
        # Somebody else shows the first one again: nobody keeps anything.
        assert (await house.refresh(tokens["refresh_token"])).status_code == 400
        assert (await house.refresh(wide.json()["refresh_token"])).status_code == 400
        assert await house.read(wide.json()["access_token"]) == 401

    tell(tmp_path, story)


def test_a_refresh_token_is_one_applications(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        tokens = await house.tokens()
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        other = await house.http.post(
            "/auth/token", data=form, auth=("portal", "a secret of the portal")
        )
        assert other.status_code == 400
        assert (await house.refresh(tokens["access_token"])).status_code == 400
        assert await house.read(tokens["refresh_token"]) == 401
        assert (await house.refresh(tokens["refresh_token"])).status_code == 200

    tell(tmp_path, story)


def test_refreshing_ends_with_the_block_that_suspends(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        tokens = await house.tokens()
        await house.world.suspend("riverside")  # type: ignore[arg-type] # a member's id
        assert await house.read(tokens["access_token"]) == 401
        assert (await house.refresh(tokens["refresh_token"])).status_code == 400

    tell(tmp_path, story)


def test_a_secret_is_proved_and_in_one_way(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        for auth in (("portal", "wrong"), ("chart", ""), ("nobody", "x"), ("signer", "x")):
            answer = await house.http.post("/auth/token", data=form, auth=auth)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
            assert answer.headers["www-authenticate"] == "Basic"
        for more in (
            {"client_id": "portal"},
            {"client_id": "portal", "client_secret": "a secret of the portal"},
            {"client_id": "signer"},
        ):
            answer = await house.http.post("/auth/token", data=form | more)
            assert answer.status_code == 401

    tell(tmp_path, story)


def test_a_registered_key_signs_for_its_application_alone(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        from tests.gateway.apps import app_key

        def claims(**changed: Any) -> dict[str, Any]:
            return house.world.claims("nightly", "riverside", **changed) | {"extensions": {}}

        async def status(token: str) -> int:
            return (await house.world.sign_in("riverside", token)).status_code

        good, other = app_key("nightly"), app_key("signer")
        header = {"alg": "ES256", "kid": "nightly"}
        assert await status(jwt.encode(header, claims(), good)) == 200
        assert await status(jwt.encode(header, claims(), other)) == 401
        assert await status(jwt.encode(header, claims(iss="signer", sub="signer"), good)) == 401
        assert await status(jwt.encode(header, claims(sub="signer"), good)) == 401
        assert await status(jwt.encode(header, claims(aud="https://other"), good)) == 401
        assert await status(jwt.encode(header, claims(exp=NOW - 1), good)) == 401
        assert await status(jwt.encode(header, claims(exp=NOW + 3_000), good)) == 401
        none = jwt_by_hand({"alg": "none", "kid": "nightly"}, claims(), lambda _: b"")
        assert await status(none) == 401
        public = json.dumps(good.as_dict(private=False)).encode()
        hs256 = jwt_by_hand(
            {"alg": "HS256", "kid": "nightly"}, claims(), lambda text: _hs256(public, text)
        )
        assert await status(hs256) == 401
        once = jwt.encode(header, claims(), good)
        assert [await status(once), await status(once)] == [200, 401]

    tell(tmp_path, story)


def _hs256(secret: bytes, message: bytes) -> bytes:
    import hmac

    return hmac.digest(secret, message, "sha256")
