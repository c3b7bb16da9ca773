"""What people do on the pages of a sign-in."""

import json
import subprocess
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.house import BrowserHouse
from tests.clients.house import PASSWORD
from tests.e2e.network import CARELEDGER, COMMAND_S


def sign_in_as_staff(page: Page, name: str = "mori", password: str = PASSWORD) -> None:
    """From the gateway's first page through the provider's."""
    page.get_by_role("button", name="Sign in as staff").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def say_why(page: Page, purpose: str = "Treatment") -> None:
    """Choose a purpose."""
    expect(page.get_by_role("heading", name="Why do you need access?")).to_be_visible()
    page.get_by_role("radio", name=purpose).first.check()
    page.get_by_role("button", name="Continue").click()


def pick(page: Page, local: str) -> None:
    """Look for a patient and choose them."""
    page.get_by_label("Name, birth date or record number").fill(local)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name=local).click()


def allow(page: Page) -> None:
    """Agree to everything."""
    expect(page.get_by_role("heading", name="Allow access?")).to_be_visible()
    page.get_by_role("button", name="Allow").click()


def approve_with_wallet(page: Page, house: BrowserHouse) -> None:
    """Ana types the page's code into her wallet.

    As a program of its own: this process cannot run a second loop beside the browser's.
    """
    code = page.locator("p.code").inner_text()
    said = subprocess.run(
        [CARELEDGER, "wallet", "sign-in", "riverside", code, "--yes", "--wallet", house.ana.wallet],
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert said.returncode == 0, said.stderr


def told(page: Page) -> Any:
    """What the application says in the end."""
    expect(page.locator("#told")).not_to_be_empty()
    return json.loads(page.locator("#told").inner_text())
