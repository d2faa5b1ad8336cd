"""A film in a real browser: its density window, negative and zoom by keys; nothing of the scan changes."""

import os
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from pipeline.migrate import migrate_folder, wanted_batch
from review import accounts
from review.app import create_app
from tests.conftest import empty, served
from tests.test_review_browser import (  # noqa: F401
    PASSWORD,
    assert_accessible,
    assert_accessible_at_125_percent,
    chromium,
    page,
    shot,
)

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "sample_scans")]
from films import make_film  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(engine, settings, assets, tmp_path_factory):
    """The workbench with one film, of a mirrored X-ray, whose values wait for an officer."""
    empty(engine)
    folder = tmp_path_factory.mktemp("films")
    film = next(f for f in map(make_film, range(60)) if f.mirrored and f.grid == (1, 1) and f.finish == "grey8")
    (folder / "film.jpg").write_bytes(film.data)
    os.utime(folder / "film.jpg", (time.time() - 3600,) * 2)
    migrate_folder(wanted_batch(folder, "films"), 1, Console(quiet=True))
    with engine.begin() as conn:
        accounts.add(conn, "test", "lan", "Nguyễn Thị Lan", "officer", PASSWORD)
    with served(create_app(settings)) as at:
        yield at


def picture(page):  # noqa: F811
    """The middle of the film as it is seen, 0..255."""
    page.wait_for_timeout(700)
    seen = Image.open(BytesIO(page.locator("#viewer canvas").first.screenshot())).convert("L")
    return np.asarray(seen, np.float64)


def test_a_film_is_shown_in_any_window_and_as_a_negative_by_keys(page):  # noqa: F811
    page.goto("/queue")
    page.locator('form[action="/queue/next"] button').first.press("Enter")
    page.wait_for_url("**/task/*")
    page.wait_for_function("() => document.activeElement.name === 'value'")
    page.keyboard.press("F2")
    plain = picture(page)
    assert_accessible(page)
    assert_accessible_at_125_percent(page)
    shot(page, "film")
    page.keyboard.press("Alt+i")
    assert np.abs(picture(page) + plain - 255).mean() < 12
    page.keyboard.press("Alt+i")
    for _ in range(3):
        page.keyboard.press("Alt+[")
    assert picture(page).mean() > plain.mean() + 20
    for _ in range(4):
        page.keyboard.press("Alt+,")
    assert picture(page).std() > plain.std()
    page.keyboard.press("Alt+0")
    assert np.abs(picture(page) - plain).mean() < 2
    page.keyboard.press("Alt+=")
    assert np.abs(picture(page) - plain).mean() > 2
    assert page.evaluate("document.activeElement.name") == "value"
