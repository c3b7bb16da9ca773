"""Every page can be used by everybody: axe finds nothing, and nothing runs over on a phone.

axe-core is the usual checker of the WCAG; it sees labels, headings, language and contrast.
"""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from careledger.web.page import access_page, patient_page, trouble_page
from careledger.web.source import AccessView
from tests.browser.house import BrowserHouse
from tests.browser.people import pick, say_why
from tests.clients.house import PASSWORD
from tests.web.test_pages import VIEW

PHONE = {"width": 320, "height": 640}
"""As narrow as WCAG 2.2, 1.4.10 asks."""

WAITS = {"meta-refresh"}
"""Of the page with a patient's code: it has no script, so it comes anew, every 15 seconds or so.

Whoever needs longer has the time: it is the same page, with the same code.
"""


@pytest.fixture(scope="module")
def axe(interop_modules: Path) -> str:
    """The checker's source."""
    path = interop_modules / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.skip(f"{path} is missing: `make interop` puts it there")
    return path.read_text()


def look(page: Page, axe: str, known: set[str] | None = None) -> None:
    """Nothing is wrong with the page as it is."""
    found: Any = page.evaluate(
        f"async () => {{ {axe}; return (await window.axe.run()).violations; }}"
    )
    wrong = {one["id"]: [node["html"] for node in one["nodes"]] for one in found}
    assert wrong.keys() <= (known or set()), wrong
    before = page.viewport_size
    page.set_viewport_size(PHONE)  # type: ignore[arg-type] # a plain dict says the same
    over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert over <= 0, f"{page.title()} is {over} pixels too wide"
    assert before is not None
    page.set_viewport_size(before)


def test_pages_of_a_sign_in(page: Page, axe: str, house: BrowserHouse) -> None:
    local = house.ana.local["riverside"]
    page.goto(house.launch())
    expect(page.get_by_role("heading", name="I am a patient")).to_be_visible()
    look(page, axe, WAITS)
    page.get_by_role("button", name="Sign in as staff").click()
    page.get_by_label("Name").fill("mori")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look(page, axe)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Why do you need access?")).to_be_visible()
    look(page, axe)
    say_why(page)
    page.get_by_label("Name, birth date or record number").fill("nobody at all")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look(page, axe)
    pick(page, local)
    expect(page.get_by_role("heading", name="Allow access?")).to_be_visible()
    look(page, axe)


def test_trouble(page: Page, axe: str, house: BrowserHouse) -> None:
    page.goto(f"{house.url}/auth/authorize?client_id=nobody")
    expect(page.get_by_text("Riverside Hospital")).to_be_visible()
    look(page, axe)


@pytest.mark.parametrize(
    "html",
    [
        patient_page(VIEW),
        access_page(AccessView(name=VIEW.name, log=VIEW.log, consents=VIEW.consents)),
        trouble_page("Try again."),
    ],
    ids=["timeline", "who looked", "trouble"],
)
def test_the_patients_own_pages(page: Page, axe: str, html: str) -> None:
    page.set_content(html)
    look(page, axe)
