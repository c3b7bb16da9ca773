"""fhirclient, SMART's own client for Python: discovery, sign-in with PKCE, and reading."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.clients.house import BACK, PASSWORD, House, play

PROGRAM = Path(__file__).parent / "programs" / "signs_in.py"


class Browser:
    """What Dr Mori's browser does, page by page."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(timeout=30)
        self.page = self._follow(self.http.get(url))

    def press(self, **fields: str | list[str]) -> httpx2.Response:
        """Send the first form that has these fields; the page behind it."""
        for action, inner in re.findall(
            r'<form method="post" action="([^"]*)"[^>]*>(.*?)</form>', self.page.text, re.DOTALL
        ):
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', inner))
            if all(f'name="{name}"' in inner for name in fields):
                url = str(self.page.url.join(action))
                self.page = self._follow(self.http.post(url, data=hidden | fields))
                return self.page
        raise AssertionError(self.page.text)

    def _follow(self, answer: httpx2.Response) -> httpx2.Response:
        while answer.is_redirect and not answer.headers["location"].startswith(BACK):
            answer = self.http.get(str(answer.url.join(answer.headers["location"])))
        return answer


def sign_in(url: str, patient: str) -> str:
    """Dr Mori signs in, picks the patient and allows everything; where the browser ends up."""
    browser = Browser(url)
    browser.press()
    browser.press(subject="mori", password=PASSWORD)
    browser.press(purpose="TREAT")
    browser.press(text=patient)
    page = browser.press(patient=patient)
    ticked = re.findall(r'name="scope" value="([^"]*)" checked', page.text)
    answer = browser.press(answer="allow", scope=ticked)
    browser.http.close()
    return str(answer.headers["location"])


@pytest.fixture(scope="module")
def ana(house: House) -> str:
    return next(str(one["id"]) for one in house.loaded if one["resourceType"] == "Patient")


@pytest.fixture(scope="module")
def begun(house: House, clients: Path) -> Any:
    return play([clients / "python", PROGRAM], fhir=house.fhir, back=BACK)


def test_it_finds_out_where_to_sign_in(house: House, begun: Any) -> None:
    assert begun["url"].startswith(f"{house.url}/auth/authorize?")
    assert "code_challenge_method=S256" in begun["url"]
    assert (begun["version"], begun["types"] > 90) == ("4.0.1", True)


def test_it_signs_in_reads_and_refreshes(house: House, clients: Path, begun: Any, ana: str) -> None:
    callback = sign_in(begun["url"], ana)
    program = [clients / "python", PROGRAM]
    found = play(program, fhir=house.fhir, state=begun["state"], callback=callback)
    assert (found["patient"], found["again"]) == (ana, ana)
    assert found["of"] == [f"Patient/{ana}"]
    assert found["observations"] == found["total"] > found["first"] == 20
    assert found["relations"] == ["self", "next"]
    assert (found["missing"], found["refreshed"]) == (0, True)
    assert "id_token" in found["context"] or "patient" in found["context"]
