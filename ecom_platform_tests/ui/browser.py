"""A real Chromium, and what a test does with Dagster's pages in it."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Browser, Locator, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Where to keep pictures of the pages, as docs/screenshots does; without it, none are taken.
FOLDER = os.environ.get("SCREENSHOTS")
WIDTH, HEIGHT = 1600, 1000
#: Milliseconds. The page asks for much, and the machine may be busy with other tests.
PATIENCE = 60_000


@contextmanager
def chromium() -> Generator[Browser]:
    """Start the system's Chromium; where there is none, skip the test, or fail it in CI."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        message = "Chromium is not installed. On Debian: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS])
        yield browser
        browser.close()


@contextmanager
def watched_page(browser: Browser, width: int = WIDTH, height: int = HEIGHT) -> Generator[Page]:
    """Open an empty page; at the end, fail if anything in it went wrong.

    A page larger than 1600 pixels is shown smaller, so that screenshots are of one width.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=WIDTH / width,
        color_scheme="light",
        locale="en-US",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.extend([message.text] * (message.type == "error")))
    page.on(
        "response",
        lambda response: wrong.extend(
            [f"{response.status} {response.url}"] * (response.status >= 400)
        ),
    )
    page.on(
        "request",
        lambda request: wrong.extend(
            [f"asks another host: {request.url}"]
            * (not re.match(r"(data|blob|about):|https?://127\.0\.0\.1:", request.url))
        ),
    )
    try:
        yield page
    finally:
        context.close()
    assert not wrong


def screenshot(page: Page, name: str) -> None:
    """Keep what the page shows, once it stands still, where SCREENSHOTS names a folder."""
    if not FOLDER:
        return
    page.mouse.move(0, 0)
    before = None
    while (now := page.screenshot()) != before:
        before = now
        page.wait_for_timeout(400)
    Path(FOLDER, f"{name}.png").write_bytes(now)


def choose_days(page: Page, button: str, days: str, count: int = 1) -> Locator:
    """Open the dialog of a button that materializes, and choose days in it.

    Args:
        page: With the button.
        button: Words it begins with.
        days: As the dialog takes them: `[2026-01-01...2026-01-31]`, or one day.
        count: How many they are.
    """
    page.get_by_role("button", name=button).first.click()
    # A cleaned asset never comes without its quarantine, and Dagster says so first.
    first = page.get_by_role("button", name="Confirm").or_(page.get_by_text("Partition selection"))
    expect(first).to_be_visible()
    if page.get_by_role("button", name="Confirm").is_visible():
        page.get_by_role("button", name="Confirm").click()
    dialog = page.get_by_role("dialog").filter(has_text="Partition selection")
    entry = dialog.get_by_role("textbox").first
    entry.fill(days)
    entry.blur()
    expect(dialog.get_by_text(re.compile(rf"^{count} partitions?$"))).to_be_visible()
    return dialog


def launch_backfill(page: Page, dialog: Locator) -> str:
    """Launch what was chosen; return the id of the backfill."""
    answer = _launch(page, dialog, "LaunchPartitionBackfill")
    expect(page.get_by_text("Created backfill")).to_be_visible()
    return answer["launchPartitionBackfill"]["backfillId"]


def launch_run(page: Page, dialog: Locator) -> str:
    """Launch what was chosen, one day; return the id of the run."""
    answer = _launch(page, dialog, "LaunchPipelineExecution")
    expect(page.get_by_text("Launched run")).to_be_visible()
    return answer["launchPipelineExecution"]["run"]["id"]


def _launch(page: Page, dialog: Locator, mutation: str) -> dict[str, Any]:
    with page.expect_response(lambda answer: mutation in (answer.request.post_data or "")) as found:
        dialog.get_by_role("button", name="Launch").click()
    return found.value.json()["data"]
