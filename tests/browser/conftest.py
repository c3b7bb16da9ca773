"""A Chromium, the houses it goes to, and pages that remember what went wrong on them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.house import LIBRARY, BrowserHouse, application

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
FETCHED = ROOT / ".tools" / "chromium"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)

# Playwright's loop runs in this thread for as long as the browser does, so what starts it is put
# away with this folder: tests of other folders run loops of their own.


@pytest.fixture(scope="package")
def chromium() -> Path:
    """A Chromium of this machine, or the one that `make setup` fetched."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is not None:
        return Path(found)
    if not (FETCHED / "chromium").exists():
        pytest.skip(
            f"a browser is missing: looked for {', '.join(NAMES)}, and for {FETCHED}, "
            "where `make browser` puts one if Node.js and npm are here"
        )
    return FETCHED / "chromium"


@pytest.fixture(scope="package")
def browser(chromium: Path) -> Iterator[Browser]:
    """The running browser."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    if chromium.parent == FETCHED:
        environment["LD_LIBRARY_PATH"] = str(FETCHED / "lib")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium, headless=True, args=list(FLAGS), env=dict(environment)
        )
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A person's browser: empty at first, of desktop width."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about on `page`: refused loads, blocked forms, errors."""
    return []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Page:
    """One tab of it."""
    page = context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


@pytest.fixture(scope="package")
def house(
    tmp_path_factory: pytest.TempPathFactory, interop_modules: Path, chromium: Path
) -> Iterator[BrowserHouse]:
    """The running network of one organisation, with an application that anybody could have made."""
    assert chromium.exists()
    if not (interop_modules / LIBRARY).is_file():
        pytest.skip(f"{interop_modules / LIBRARY} is missing: `make interop` puts it there")
    with (
        application(interop_modules) as app,
        BrowserHouse(tmp_path_factory.mktemp("browser"), app) as house,
    ):
        house.ingest()
        house.ana = house.admit(1, "riverside")
        yield house
