"""The statement before signing in the workbench: seniors and managers read it, and its mark is the one that signs."""

import pytest

from loaders.signing import open_key
from pipeline import archive
from tests.test_archive import BY, PASSWORD, authority, copies, decided, originals  # noqa: F401
from tests.test_review_health import browser  # noqa: F401

pytestmark = pytest.mark.slow


@pytest.fixture
def converted(originals, decided, batch, clean):  # noqa: F811
    archive.make(batch, *BY, "T1")
    return batch


@pytest.mark.parametrize(("role", "status"), [("manager", 200), ("senior", 200), ("officer", 403), ("it", 403)])
def test_who_signs_may_read_it(converted, browser, role, status):  # noqa: F811
    client = browser(role)
    assert client.get("/archive").status_code == client.get(f"/archive/{converted}").status_code == status


def test_the_mark_that_is_read_is_the_one_that_signs(converted, browser, authority, clean):  # noqa: F811
    manager = browser("manager", "en")
    assert f'href="/archive/{converted}"' in manager.get("/archive").text
    shown = manager.get(f"/archive/{converted}").text
    assert "Quyết định số 12/QĐ-BV ngày 31/01/2026" in shown and "còn 1 trang chưa xong" in shown
    assert "Statement before signing box box-1" in shown and "TRẦN THỊ MẪU" not in shown
    mark = shown.partition("<code>")[2].partition("</code>")[0]
    assert archive.sign(converted, open_key(authority.organisation(), PASSWORD), "an", mark) == 1
    assert mark not in manager.get(f"/archive/{converted}").text


def test_a_box_that_was_not_converted_has_none(batch, browser):  # noqa: F811
    manager = browser("manager")
    assert manager.get(f"/archive/{batch}").status_code == manager.get("/archive/NONE").status_code == 404
    assert "Chưa có bản lưu trữ nào" in manager.get("/archive").text
