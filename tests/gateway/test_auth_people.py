"""People sign in to applications: staff at their provider, patients with their wallet."""

import json
from pathlib import Path

import httpx2
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.exchange.world import BEN_MRN, bundle, patient
from tests.gateway.apps import BASE, FHIR_URL, House, allow, answer_in, code_in, tell


def test_a_clinician_opens_an_application_for_a_patient(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        page = await house.finn_at_consent(browser)
        for words in ("Growth Chart", "Dr Finn", "Treatment", "read and search measurements"):
            assert words in page.text
        said = answer_in(await allow(browser, page))
        assert (said["state"], said["iss"]) == ("the state", BASE)
        tokens = (await house.trade(said["code"])).json()
        assert tokens["patient"] == "MRN-000-4711"
        assert tokens["need_patient_banner"] is True
        assert tokens["fhirUser"] == f"{FHIR_URL}/Practitioner/finn"
        assert set(tokens["scope"].split()) == {
            "launch/patient",
            "openid",
            "fhirUser",
            "offline_access",
            "patient/Observation.rs",
        }
        assert await house.read(tokens["access_token"]) == 200
        assert await house.read(tokens["access_token"], "/fhir/MedicationRequest/m1") == 403
        keys = KeySet.import_key_set((await house.http.get("/auth/jwks")).json())
        claims = jwt.decode(tokens["id_token"], keys, algorithms=["ES256"]).claims
        assert (claims["iss"], claims["aud"], claims["nonce"]) == (BASE, "chart", "the nonce")
        assert claims["fhirUser"] == tokens["fhirUser"]

    tell(tmp_path, story)


def test_a_patient_signs_in_with_the_wallet(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        page = await browser.open(
            f"{BASE}/auth/authorize",
            **house.request(
                client_id="portal",
                redirect_uri="https://portal.example/back",
                scope="launch/patient openid online_access patient/*.rs user/*.rs system/*.rs",
            ),
        )
        assert "Sign in as staff" not in page.text
        code = page.text.split('<p class="code">')[1][:9]
        shown = (await house.http.get(f"/auth/approvals/{code}")).json()
        assert shown["application"] == "My Portal"
        assert (await house.approve(code)).status_code == 200
        page = await browser.open(str(browser.page.url))
        said = answer_in(await allow(browser, page))
        answer = await house.http.post(
            "/auth/token",
            data={
                "grant_type": "authorization_code",
                "code": said["code"],
                "redirect_uri": "https://portal.example/back",
                "code_verifier": "v" * 43,
            },
            auth=("portal", "a secret of the portal"),
        )
        tokens = answer.json()
        assert tokens["patient"] == "MRN-000-4711"
        assert "user/" not in tokens["scope"]
        assert "system/" not in tokens["scope"]
        assert "refresh_token" in tokens
        assert await house.read(tokens["access_token"], "/fhir/MedicationRequest/m1") == 200
        again = await house.approve(code)
        assert again.status_code == 400  # the sign-in is over

    tell(tmp_path, story)


def test_an_application_opens_from_the_chart(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        service = await house.world.service()
        body = {"patient": "MRN-000-4711", "client": "chart"}
        made = await house.http.post("/desk/launches", json=body, headers=service)
        assert made.status_code == 201
        launch = made.json()
        assert launch["iss"] == FHIR_URL
        asked = {"scope": "launch openid patient/Observation.rs", "launch": launch["launch"]}
        browser = house.browser()
        page = await house.finn_at_consent(browser, **asked)
        assert "Which patient?" not in page.text
        tokens = (await house.trade(code_in(await allow(browser, page)))).json()
        assert tokens["patient"] == "MRN-000-4711"
        # A launch counts once, and only for the application that it is for.
        answer = await browser.open(f"{BASE}/auth/authorize", **house.request(**asked))
        assert answer_in(answer)["error"] == "invalid_request"
        other = (await house.http.post("/desk/launches", json=body, headers=service)).json()
        answer = await browser.open(
            f"{BASE}/auth/authorize",
            **house.request(
                client_id="signer",
                redirect_uri="https://signer.example/back",
                scope="launch patient/Observation.rs",
                launch=other["launch"],
            ),
        )
        assert answer_in(answer)["error"] == "invalid_request"

    tell(tmp_path, story)


def test_an_encounter_comes_along_if_it_is_the_patients(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        visit = {
            "resourceType": "Encounter",
            "id": "visit",
            "status": "in-progress",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/MRN-000-4711"},
        }
        await house.world.riverside.ingestion.bundle(bundle(visit, patient(BEN_MRN, "Ode")))
        service = await house.world.service()

        async def launched(of: str) -> httpx2.Response:
            body = {"patient": of, "encounter": "visit"}
            made = await house.http.post("/desk/launches", json=body, headers=service)
            scope = "launch launch/encounter patient/*.rs"
            browser = house.browser()
            page = await house.finn_at_consent(browser, scope=scope, launch=made.json()["launch"])
            return page if page.is_redirect else await allow(browser, page)

        tokens = (await house.trade(code_in(await launched("MRN-000-4711")))).json()
        assert (tokens["patient"], tokens["encounter"]) == ("MRN-000-4711", "visit")
        assert answer_in(await launched(BEN_MRN))["error"] == "access_denied"
        alone = await house.http.post(
            "/desk/launches", json={"encounter": "visit"}, headers=service
        )
        assert alone.status_code == 400

    tell(tmp_path, story)


def test_somebody_of_the_staff_launches_for_themselves(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        tokens = await house.tokens(scope="launch/patient user/Patient.rs")
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        made = await house.http.post(
            "/desk/launches", json={"patient": "MRN-000-4711"}, headers=headers
        )
        assert made.status_code == 201
        absent = await house.http.post("/desk/launches", json={"patient": "x"}, headers=headers)
        assert absent.status_code == 404
        # Kim cannot use the launch that Dr Finn prepared.
        browser = house.browser()
        await browser.open(
            f"{BASE}/auth/authorize",
            **house.request(scope="launch patient/Patient.rs", launch=made.json()["launch"]),
        )
        await browser.send(step="staff")
        await browser.send(subject="desk", password="battery staple")
        answer = await browser.send(purpose="HOPERAT")
        assert answer_in(answer)["error"] == "access_denied"

    tell(tmp_path, story)


def test_boxes_that_are_not_ticked_are_not_granted(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        scope = "launch/patient openid patient/Observation.rs patient/MedicationRequest.rs"
        page = await house.finn_at_consent(browser, scope=scope)
        code = code_in(await allow(browser, page, "patient/MedicationRequest.rs"))
        tokens = (await house.trade(code)).json()
        assert "MedicationRequest" not in tokens["scope"]
        assert "launch/patient" in tokens["scope"]

    tell(tmp_path, story)


def test_who_is_no_staff_and_who_cancels_gets_nothing(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        await browser.open(f"{BASE}/auth/authorize", **house.request())
        await browser.send(step="staff")
        wrong = await browser.send(subject="finn", password="wrong")
        assert "not right" in wrong.text
        answer = await browser.send(subject="stranger", password="no staff")
        assert answer_in(answer)["error"] == "access_denied"
        browser = house.browser()
        await house.finn_at_consent(browser)
        cancelled = await browser.send(answer="deny")
        assert answer_in(cancelled)["error"] == "access_denied"

    tell(tmp_path, story)


def test_the_picker_finds_only_whom_the_person_may_see(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.world.deny(grantee="riverside")
        browser = house.browser()
        await browser.open(f"{BASE}/auth/authorize", **house.request())
        await browser.send(step="staff")
        await browser.send(subject="finn", password="correct horse")
        await browser.send(purpose="TREAT")
        page = await browser.send(text="MRN-000-4711")
        assert "no such patient" in page.text
        absent = await browser.send(text="MRN-999-9999")
        assert absent.text.replace("MRN-999-9999", "MRN-000-4711") == page.text

    tell(tmp_path, story)


def test_the_picker_finds_by_name_birth_date_and_number(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        await browser.open(f"{BASE}/auth/authorize", **house.request())
        await browser.send(step="staff")
        await browser.send(subject="finn", password="correct horse")
        await browser.send(purpose="TREAT")
        for text in ("rivera", "Ana", "ana rivera", "1984-03-07", "mrn-000-4711", "quill"):
            page = await browser.send(text=text)
            assert "Ana Rivera-Quill" in page.text, text
        for text in ("ivera", "1984-03-08", "MRN-000", "Ben", "%", "  "):
            page = await browser.send(text=text)
            assert "Ana Rivera-Quill" not in page.text, text

    tell(tmp_path, story)


def test_the_purpose_may_come_along_and_is_never_assumed(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        browser = house.browser()
        page = await house.finn_at_consent(browser, purpose_of_use="HPAYMT")
        assert "Payment" in page.text
        browser = house.browser()
        await browser.open(f"{BASE}/auth/authorize", **house.request(purpose_of_use="PATRQT"))
        await browser.send(step="staff")
        page = await browser.send(subject="finn", password="correct horse")
        assert "Why do you need access?" in page.text
        assert "checked" not in page.text
        page = await browser.send(purpose="PATRQT")
        assert "Why do you need access?" in page.text

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
