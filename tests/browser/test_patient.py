"""A patient signs in with her wallet, and looks at her own pages."""

from playwright.sync_api import Page, expect

from tests.browser.house import BrowserHouse
from tests.browser.people import allow, approve_with_wallet, told
from tests.e2e.own_page import own_page

FOCUS_LATER = """() => new Promise((tell) => {
  setTimeout(() => tell(document.activeElement.textContent), 3_000);
})"""


def test_standalone_launch(page: Page, complaints: list[str], house: BrowserHouse) -> None:
    """The page waits with what has the focus, and goes on once the wallet approved."""
    page.goto(house.launch(client="mine"))
    approve_with_wallet(page, house)
    expect(page.get_by_text("You are: Ana Rivera, born")).to_be_visible()
    expect(page.get_by_label("read and search everything about you")).to_be_checked()
    allow(page)
    assert told(page)["patient"] == house.ana.local["riverside"]
    assert complaints == []


def test_the_page_with_the_code_stays_while_nobody_approves(
    page: Page, house: BrowserHouse
) -> None:
    """The next look at it is on its way then: whoever uses a keyboard does not lose their place."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(house.launch())
    page.get_by_role("button", name="Sign in as staff").focus()
    # The page itself says so later: the driver's own questions wait for what is on its way.
    assert page.evaluate(FOCUS_LATER) == "Sign in as staff"
    assert asked[-1].endswith("?wait=1")


def test_her_own_pages(page: Page, complaints: list[str], house: BrowserHouse) -> None:
    with own_page(house.ana.wallet) as url:
        page.goto(url)
        expect(page.get_by_role("heading", name="Ana Rivera")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="verified").first).to_be_visible()
        page.get_by_role("link", name="Who looked").first.click()
        expect(page.get_by_role("heading", name="What you allow")).to_be_visible()
        page.go_back()
        page.reload()
        expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    assert complaints == []
