"""People sign in to applications: staff at their provider, patients with their wallet."""

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
