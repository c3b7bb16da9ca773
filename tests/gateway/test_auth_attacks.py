"""Attacks on the sign-in of people, each of which has a name (RFC 9700)."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
from joserfc import jwt

from tests.exchange.world import ANA, DR_FINN
from tests.gateway.apps import (
    BACK,
    BASE,
    ISSUER,
    PASSWORDS,
    VERIFIER,
    House,
    allow,
    answer_in,
    code_in,
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


def test_a_form_counts_only_from_our_page_in_the_browser_that_began(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        page = await house.finn_at_consent(browser)
        url = str(page.url)
        token = re.findall(r'name="form" value="([^"]*)"', page.text)[-1]
        form = {"form": token, "step": "answer", "answer": "allow", "scope": "openid"}
        cookie = dict(browser.http.cookies)
        for fields, cookies, headers in (
            (form | {"form": "guessed"}, cookie, {}),
            ({k: v for k, v in form.items() if k != "form"}, cookie, {}),
            (form, {}, {}),
            (form, dict.fromkeys(cookie, "another browser"), {}),
            (form, cookie, {"sec-fetch-site": "cross-site"}),
        ):
            async with httpx2.AsyncClient(transport=house.door, cookies=cookies) as other:
                answer = await other.post(url, data=fields, headers=headers)
            assert answer.status_code == 400
            assert "location" not in answer.headers
        # Whoever is given the address of somebody's page sees nothing of it.
        stranger = await house.browser().open(url)
        assert stranger.status_code == 400
        assert "Finn" not in stranger.text
        assert answer_in(await allow(browser, page))["code"]
        over = await browser.open(url)
        assert over.status_code == 400

    tell(tmp_path, story)


def test_a_planted_cookie_is_worth_nothing_once_somebody_signed_in(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        victim = house.browser()
        page = await victim.open(f"{BASE}/auth/authorize", **house.request())
        planted = dict(victim.http.cookies)
        async with httpx2.AsyncClient(transport=house.door, cookies=planted) as attacker:
            assert (await attacker.get(str(page.url))).status_code == 200
            await victim.send(step="staff")
            page = await victim.send(subject="finn", password=PASSWORDS["finn"])
            assert "Why do you need access?" in page.text
            assert (await attacker.get(str(page.url))).status_code == 400
        # Two tabs of one browser do not disturb each other.
        first = await victim.open(f"{BASE}/auth/authorize", **house.request())
        await victim.open(f"{BASE}/auth/authorize", **house.request())
        assert (await victim.open(str(first.url))).status_code == 200

    tell(tmp_path, story)


def test_no_step_can_be_left_out(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        page = await browser.open(f"{BASE}/auth/authorize", **house.request())
        token = re.findall(r'name="form" value="([^"]*)"', page.text)[0]
        allow_it = {"form": token, "step": "answer", "answer": "allow", "scope": "openid"}
        skipped = await browser.http.post(str(page.url), data=allow_it)
        assert "code=" not in skipped.headers["location"].replace("code=https", "")
        await browser.open(str(page.url))
        await browser.send(step="staff")
        why = await browser.send(subject="finn", password=PASSWORDS["finn"])
        skipped = await browser.http.post(str(why.url), data=allow_it)
        assert skipped.headers["location"].startswith("/auth/sign-in/")
        whom = await browser.send(purpose="TREAT")
        skipped = await browser.http.post(str(whom.url), data=allow_it)
        assert skipped.headers["location"].startswith("/auth/sign-in/")
        picked = {"form": token, "step": "patient", "patient": "MRN-000-0815"}
        unseen = await browser.http.post(str(whom.url), data=picked)
        assert "no such patient" in unseen.text

    tell(tmp_path, story)


def test_pages_cannot_be_framed_scripted_or_kept(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        page = await house.finn_at_consent(browser)
        for answer in (page, await house.http.get("/auth/authorize")):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "<script" not in answer.text
        assert "https://chart.example" in page.headers["content-security-policy"]
        begun = await house.http.get("/auth/authorize", params=house.request())
        assert "HttpOnly" in begun.headers["set-cookie"]
        assert "samesite=lax" in begun.headers["set-cookie"].lower()
        markup = '"><script>alert(1)</script>'
        browser = house.browser()
        await browser.open(f"{BASE}/auth/authorize", **house.request(state=markup))
        await browser.send(step="staff")
        await browser.send(subject="finn", password=PASSWORDS["finn"])
        await browser.send(purpose="TREAT")
        assert "<script" not in (await browser.send(text=markup)).text

    tell(tmp_path, story)


def test_the_provider_is_believed_only_about_this_sign_in(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        victim, attacker = house.browser(), house.browser()
        await attacker.open(f"{BASE}/auth/authorize", **house.request())
        await attacker.send(step="staff")
        # The attacker signs in as themselves and sends the victim the way back: login CSRF.
        token = re.findall(r'name="form" value="([^"]*)"', attacker.page.text)[0]
        form = {"form": token, "subject": "desk", "password": PASSWORDS["desk"]}
        way_back = await attacker.http.post(f"{ISSUER}/login", data=form)
        stolen = way_back.headers["location"]
        assert (await victim.open(stolen)).status_code == 400
        tampered = stolen.replace("code=", "code=x")
        assert answer_in(await attacker.open(tampered))["error"] == "access_denied"
        assert (await attacker.open(stolen)).status_code == 400  # the attempt is used up
        mixed = house.browser()
        await mixed.open(f"{BASE}/auth/authorize", **house.request())
        await mixed.send(step="staff")
        token = re.findall(r'name="form" value="([^"]*)"', mixed.page.text)[0]
        way_back = await mixed.http.post(f"{ISSUER}/login", data=form | {"form": token})
        other = re.sub(r"iss=[^&]*", "iss=https%3A%2F%2Fevil.example", way_back.headers["location"])
        assert answer_in(await mixed.open(other))["error"] == "access_denied"

    tell(tmp_path, story)


def test_a_wallet_approves_one_sign_in_and_only_its_own(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        await browser.open(f"{BASE}/auth/authorize", **house.request())
        code = browser.page.text.split('<p class="code">')[1][:9]
        token_endpoint = f"{BASE}/auth/token"
        assert (await house.approve(code, aud=token_endpoint)).status_code == 401
        assert (await house.approve("AAAA-AAAA")).status_code == 400
        clinician = {"b2b": {"purpose_of_use": ["TREAT"], "subject_role": "clinician"}}
        assert (await house.approve(code, DR_FINN, **clinician)).status_code == 400
        # What approves a sign-in is no use at the token endpoint.
        stolen = house.world.assertion(
            ANA,
            "riverside",
            aud=f"{BASE}/auth/approvals",
            sign_in=code,
            b2b={"purpose_of_use": ["PATRQT"]},
        )
        assert (await house.world.sign_in("riverside", stolen)).status_code == 401
        assert (await house.approve(code)).status_code == 200
        assert (await house.approve(code)).status_code == 400
        assert (await house.http.get("/auth/approvals/AAAA-AAAA")).status_code == 400

    tell(tmp_path, story)


def test_oversized_input_is_refused(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        long = await house.http.get("/auth/authorize", params=house.request(scope="x" * 9_000))
        assert long.status_code == 400
        many = "&".join(f"a{number}=1" for number in range(100))
        assert (await house.http.get(f"/auth/authorize?{many}")).status_code == 400
        headers = {"content-type": "application/x-www-form-urlencoded"}
        for path in ("/auth/token", "/auth/introspect", "/auth/revoke", "/auth/approvals"):
            answer = await house.http.post(path, content=b"a=" + b"x" * 20_000, headers=headers)
            assert answer.status_code == 413
        posted = await house.http.post("/auth/authorize", data=house.request())
        assert posted.status_code == 303
        code = code_in(await allow(*await _at_consent(house)))
        assert code

    tell(tmp_path, story)


async def _at_consent(house: House) -> tuple[Any, httpx2.Response]:
    browser = house.browser()
    return browser, await house.finn_at_consent(browser)
