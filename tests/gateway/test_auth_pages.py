"""Attacks on the pages where people sign in: forms, cookies, frames, steps left out."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx2

from careledger.gateway.pages.steps import source_of
from tests.exchange.world import ANA, DR_FINN
from tests.gateway.apps import (
    BASE,
    ISSUER,
    PASSWORDS,
    House,
    allow,
    answer_in,
    code_in,
    tell,
)

NOW = 1_790_000_000


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
        skipped = await browser.http.post(str(whom.url), data=picked)
        assert skipped.headers["location"] == whom.url.path
        assert "no such patient" in (await browser.open(str(whom.url))).text

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
        assert "form-action 'self' https:; " in page.headers["content-security-policy"]
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


def test_the_last_button_may_be_pressed_twice(tmp_path: Path) -> None:
    """A double click: the browser drops the first answer, and has only the second to follow."""

    async def story(house: House) -> None:
        browser = house.browser()
        page = await house.finn_at_consent(browser)
        url, token = str(page.url), re.findall(r'name="form" value="([^"]*)"', page.text)[-1]
        first = await allow(browser, page)
        form = {"form": token, "step": "answer", "answer": "allow", "scope": "openid"}
        second = await browser.http.post(url, data=form)
        assert second.headers["location"] == first.headers["location"]
        stranger = await house.browser().http.post(url, data=form)
        guessed = await browser.http.post(url, data=form | {"form": "guessed"})
        assert (stranger.status_code, guessed.status_code) == (400, 400)
        assert (await house.trade(code_in(second))).status_code == 200
        # Now the code is used, and using it again would end what came of it.
        assert (await browser.http.post(url, data=form)).status_code == 400

    tell(tmp_path, story)


def test_a_wrong_patient_or_purpose_can_be_changed(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        await house.finn_at_consent(browser)
        picker = await browser.send(change="patient")
        assert "Which patient?" in picker.text
        await browser.send(text="MRN-000-4711")
        await browser.send(patient="MRN-000-4711")
        assert "Why do you need access?" in (await browser.send(change="purpose")).text
        await browser.send(purpose="HOPERAT")
        await browser.send(text="MRN-000-4711")
        page = await browser.send(patient="MRN-000-4711")
        assert "Purpose: <strong>Operations" in page.text
        # What the application said stays.
        fixed = await house.finn_at_consent(browser, purpose_of_use="TREAT")
        assert 'value="purpose"' not in fixed.text
        token = re.findall(r'name="form" value="([^"]*)"', fixed.text)[-1]
        form = {"form": token, "step": "change", "change": "purpose"}
        await browser.http.post(str(fixed.url), data=form)
        assert "Purpose: <strong>Treatment" in (await browser.open(str(fixed.url))).text

    tell(tmp_path, story)


def test_every_form_may_lead_to_the_application(tmp_path: Path) -> None:
    """Browsers hold `form-action` against each redirect that follows (ADR 0205)."""
    assert source_of("https://chart.example/callback") == "https:"
    assert source_of("http://localhost:8000/") == "http://localhost:* http://127.0.0.1:*"
    assert source_of("http://[::1]:8000/") == "http:"
    assert source_of("org.example.chart:/callback") == "org.example.chart:"

    async def story(house: House) -> None:
        browser = house.browser()
        pages = [await browser.open(f"{BASE}/auth/authorize", **house.request())]
        await browser.send(step="staff")
        pages.append(await browser.send(subject="finn", password=PASSWORDS["finn"]))
        pages.append(await browser.send(purpose="TREAT"))
        pages.append(await browser.send(text="MRN-000-4711"))
        pages.append(await browser.send(patient="MRN-000-4711"))
        assert len({re.findall(r"<h1>.*</h1>", page.text)[0] for page in pages}) == 4
        for page in pages:
            assert "form-action 'self' https:" in page.headers["content-security-policy"]
            # Windows stay joined to the one that opened them (ADR 0206).
            assert "cross-origin-opener-policy" not in page.headers

    tell(tmp_path, story)


def test_the_page_with_a_code_waits_for_the_wallet(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        page = await browser.open(f"{BASE}/auth/authorize", **house.request())
        code = page.text.split('<p class="code">')[1][:9]
        [address] = re.findall(r'content="1;url=([^"]*)"', page.text)
        waiting = asyncio.ensure_future(browser.http.get(f"{BASE}{address}"))
        await asyncio.sleep(0.6)
        assert not waiting.done()
        assert (await house.approve(code)).status_code == 200
        # By a redirect, so that Back never leads to an address that takes its time.
        assert (await waiting).headers["location"] == page.url.path
        assert "Allow access?" in (await browser.open(str(page.url))).text

    tell(tmp_path, story)
