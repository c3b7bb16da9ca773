"""Whatever is sent to the sign-in doors, they answer; no input makes them fail or say too much."""

import random
from pathlib import Path

from tests.gateway.apps import House, tell

PARAMETERS = (
    *("response_type", "client_id", "redirect_uri", "scope", "state", "aud", "launch", "nonce"),
    *("code_challenge", "code_challenge_method", "purpose_of_use", "grant_type", "code"),
    *("code_verifier", "refresh_token", "client_assertion", "client_assertion_type", "token"),
    *("iss", "form", "step", "answer", "patient", "text"),
)
NASTY = (
    *("", " ", "\0", "\r\nset-cookie: x=y", "é", "\ud83d\ude00", "%00", "../..", "'\"><script>"),
    *("a" * 3_000, "-1", "1e999", "null", "{}", "[]", "eyJhbGciOiJub25lIn0.e30.", "..", "a.b.c"),
    *("chart", "portal", "riverside", "@" + "a" * 26, "code", "S256", "authorization_code"),
    *("refresh_token", "client_credentials", "https://chart.example/callback", "openid"),
    *("patient/*.rs", "patient/Observation.rs?category=a|b", "http://riverside.test/fhir"),
)
DOORS = (
    ("GET", "/auth/authorize"),
    ("POST", "/auth/authorize"),
    ("POST", "/auth/token"),
    ("POST", "/auth/introspect"),
    ("POST", "/auth/revoke"),
    ("POST", "/auth/approvals"),
    ("GET", "/auth/callback"),
    ("POST", "/auth/sign-in/x"),
    ("GET", "/auth/sign-in/x"),
    ("GET", "/auth/approvals/x"),
)
EXPECTED = {200, 303, 400, 401, 413}


def test_no_input_makes_a_door_fail(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        chance = random.Random(11)
        for _ in range(400):
            method, path = chance.choice(DOORS)
            names = chance.sample(PARAMETERS, chance.randint(0, 8))
            fields = {
                name: value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
                for name in names
                for value in [chance.choice(NASTY)]
            }
            headers = {"cookie": f"sign-in={chance.choice(('x', '', 'a' * 100))}"}
            if chance.random() < 0.2:
                headers["authorization"] = chance.choice(("Basic !!", "Basic eDp5", "Bearer x"))
            if method == "GET":
                answer = await house.http.get(path, params=fields, headers=headers)
            else:
                answer = await house.http.post(path, data=fields, headers=headers)
            assert answer.status_code in EXPECTED, (method, path, fields)
            assert "<script" not in answer.text
            assert "access_token" not in answer.text
            assert "x" not in answer.headers.get("set-cookie", "").split("=")[:1]
            location = answer.headers.get("location", "")
            assert location.startswith(("/auth/sign-in/", "https://chart.example/callback?")) or (
                not location
            )

    tell(tmp_path, story)


def test_bodies_that_are_no_forms(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        chance = random.Random(12)
        form = {"content-type": "application/x-www-form-urlencoded"}
        for _ in range(100):
            _, path = chance.choice([door for door in DOORS if door[0] == "POST"])
            body = chance.randbytes(chance.randint(0, 200))
            answer = await house.http.post(path, content=body, headers=form)
            assert answer.status_code in EXPECTED, (path, body)
            answer = await house.http.post(path, content=body)
            assert answer.status_code in EXPECTED, (path, body)

    tell(tmp_path, story)
