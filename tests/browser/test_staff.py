"""A clinician opens an application, in a browser, with SMART's own library."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.house import BrowserHouse
from tests.browser.people import allow, pick, say_why, sign_in_as_staff, told

CHART = "launch openid fhirUser patient/*.rs"

CHANGE = """async () => {
  const before = smart.state.tokenResponse.access_token;
  await smart.refresh();
  const headers = { authorization: smart.getAuthorizationHeader(), prefer: "return=minimal",
    "content-type": "application/fhir+json" };
  const body = JSON.stringify({ resourceType: "Observation", status: "final",
    code: { text: "Height" }, subject: { reference: "Patient/" + smart.patient.id } });
  const url = smart.state.serverUrl + "/Observation";
  const made = await fetch(url, { method: "POST", headers, body });
  const etag = made.headers.get("etag"), place = made.headers.get("location").split("/_history")[0];
  const gone = await fetch(place, { method: "DELETE", headers: { ...headers, "if-match": etag } });
  const denied = await fetch(place, { headers: { authorization: "Bearer none" } });
  return { fresh: before !== smart.state.tokenResponse.access_token, made: made.status, etag,
    gone: gone.status, denied: denied.status, why: denied.headers.get("www-authenticate") };
}"""


def test_standalone_launch(page: Page, complaints: list[str], house: BrowserHouse) -> None:
    local = house.ana.local["riverside"]
    page.goto(house.launch())
    sign_in_as_staff(page)
    say_why(page)
    pick(page, local)
    allow(page)
    found = told(page)
    assert (found["patient"], found["refresh"]) == (local, True)
    assert found["observations"] > 0
    assert complaints == []


def test_launch_from_a_chart(page: Page, complaints: list[str], house: BrowserHouse) -> None:
    local = house.ana.local["riverside"]
    page.goto(house.launch(launch=house.prepared(local), scope=CHART))
    sign_in_as_staff(page, "yuki")
    say_why(page)
    allow(page)
    found = told(page)
    assert (found["patient"], found["user"]) == (local, "Practitioner/yuki-mori")
    assert complaints == []


def test_cancel(page: Page, complaints: list[str], house: BrowserHouse) -> None:
    page.goto(house.launch())
    sign_in_as_staff(page)
    say_why(page)
    pick(page, house.ana.local["riverside"])
    page.get_by_role("button", name="Cancel").click()
    assert "cancelled" in told(page)["error"]
    assert "error=access_denied" in page.url
    assert complaints == []


def test_a_launch_that_is_not_to_be_seen_tells_the_application(
    page: Page, complaints: list[str], house: BrowserHouse
) -> None:
    """A form's redirects lead to the application: Chromium holds `form-action` against each."""
    page.goto(house.launch(launch=house.prepared("nobody"), scope=CHART))
    sign_in_as_staff(page)
    say_why(page)
    assert "no such patient" in told(page)["error"]
    assert complaints == []


def test_who_is_not_of_the_staff_gets_back_to_the_application(
    page: Page, complaints: list[str], house: BrowserHouse
) -> None:
    page.goto(house.launch())
    sign_in_as_staff(page, "stranger")
    assert "not among the staff" in told(page)["error"]
    assert complaints == []


def test_an_application_may_lead_on_to_another_origin(page: Page, house: BrowserHouse) -> None:
    page.goto(house.launch(back=f"{house.app}/moved"))
    sign_in_as_staff(page)
    say_why(page)
    pick(page, house.ana.local["riverside"])
    allow(page)
    page.wait_for_url("http://127.0.0.1:*/index.html?*code=*")


def test_refresh_and_change_from_another_origin(
    page: Page, complaints: list[str], house: BrowserHouse
) -> None:
    """A refresh says nothing but its token; the page reads what the headers say."""
    page.goto(
        house.launch(scope="launch/patient offline_access patient/*.rs user/Observation.cruds")
    )
    sign_in_as_staff(page)
    say_why(page)
    pick(page, house.ana.local["riverside"])
    allow(page)
    told(page)
    assert complaints == []
    found: Any = page.evaluate(CHANGE)
    assert (found["fresh"], found["made"], found["gone"]) == (True, 201, 204)
    assert found["etag"] == 'W/"1"'
    assert (found["denied"], "invalid_token" in (found["why"] or "")) == (401, True)


def test_a_window_of_its_own_tells_the_page_that_opened_it(page: Page, house: BrowserHouse) -> None:
    page.goto(house.launch().replace("launch.html", "opener.html"))
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Connect").click()
    window = opened.value
    sign_in_as_staff(window)
    say_why(window)
    pick(window, house.ana.local["riverside"])
    allow(window)
    page.wait_for_url("**/index.html*")
    assert told(page)["patient"] == house.ana.local["riverside"]


def test_wrong_password_back_and_double_clicks(page: Page, house: BrowserHouse) -> None:
    local = house.ana.local["riverside"]
    page.goto(house.launch())
    sign_in_as_staff(page, password="wrong")
    expect(page.get_by_role("alert")).to_contain_text("not right")
    expect(page.get_by_label("Name")).to_have_value("mori")
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill("tidal mountain")
    page.get_by_role("button", name="Sign in").dblclick()
    say_why(page)
    pick(page, local)
    expect(page.get_by_text("Patient: Ana Rivera, born")).to_be_visible()
    page.go_back()  # no page is the answer to a form: nothing is to be sent again
    page.reload()
    page.get_by_role("button", name="Another patient").click()
    pick(page, local)
    page.get_by_role("button", name="Another purpose").click()
    say_why(page, "Emergency treatment")
    pick(page, local)
    page.get_by_role("button", name="Allow").dblclick()
    assert told(page)["patient"] == local
    page.go_back()
    expect(page.get_by_role("alert")).to_contain_text("This sign-in is over")
