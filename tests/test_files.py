"""Whole files: separators, the vendor's index, what an officer settles of a page, and rescans, by real reading."""

import os
import re
import time
from collections import Counter
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from rich.console import Console
from sqlalchemy import text

from pipeline import ledger
from pipeline.migrate import migrate_folder, wanted_batch
from pipeline.placing import look_at, place_pages, take_rescan
from records.errors import SohoaError
from records.pages import Boundary
from records.separators import Separator
from reporting.separator_sheets import print_separators
from review import accounts, sessions
from review.app import create_app
from review.decisions import Decision, decide
from validation.contract import UNPROVEN

SAMPLES = Path(__file__).resolve().parents[1] / "sample_scans"
BATCH = "box-17"


@pytest.fixture
def folder(tmp_path, clean):
    path = tmp_path / BATCH
    path.mkdir()
    return path


def sheet_of(folder: Path, separator: Separator) -> pikepdf.Pdf:
    """A separator, printed and scanned at 200 dpi."""
    printed, scanned = folder.with_name("sheet.pdf"), folder.with_name("sheet scanned.pdf")
    print_separators([separator], printed)
    with pypdfium2.PdfDocument(printed) as pdf:
        picture: Image.Image = pdf[0].render(scale=200 / 72, grayscale=True).to_pil()
    picture.save(scanned, resolution=200)
    return pikepdf.open(scanned)


def scan_of(folder: Path, name: str, *parts: Separator | tuple[str, int]) -> Path:
    """A PDF of separators and of pages of the samples, an hour old."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with pikepdf.new() as whole:
        whole.docinfo["/Title"] = name
        for part in parts:
            source = sheet_of(folder, part) if isinstance(part, Separator) else pikepdf.open(SAMPLES / part[0])
            whole.pages.append(source.pages[0 if isinstance(part, Separator) else part[1] - 1])
        whole.save(path, deterministic_id=True)
    os.utime(path, (time.time() - 3600,) * 2)
    return path


def migrated(folder: Path, boundary: Boundary) -> dict:
    return migrate_folder(wanted_batch(folder, BATCH, boundary=boundary), 2, Console(quiet=True))


def rows(engine, query: str, **values) -> list:
    with engine.connect() as conn:
        return list(conn.execute(text(query), values).mappings())


def states(result: dict) -> dict[str, int]:
    return dict(Counter(page["state"] for page in result["pages"]))


def balanced(engine) -> bool:
    with engine.begin() as conn:
        return ledger.balance(conn) == []


TASKS = "SELECT task_id, field FROM pipeline.review_task WHERE document_id = :document AND state = 'open' ORDER BY 2"
VALUE = """SELECT v.*, label FROM pipeline.field_value v JOIN pipeline.document USING (document_id)
    JOIN pipeline.file USING (file_id) WHERE document_id = :document AND field = :field"""


def decided(engine, task_id: str) -> None:
    with engine.begin() as conn:
        decide(conn, task_id, "lan", Decision.ACCEPT)


LIEU = Separator(box="T01", file_number=1, encounter_number="19.013225", sheets=2)
HUNG = Separator(box="T01", file_number=2)


@pytest.mark.slow
def test_files_between_separators_late_sheets_and_the_numbers_that_the_sheets_vouch_for(folder, clean):
    lieu, hung = "files/file_01.pdf", "files/file_02.pdf"
    scan_of(folder, "scan 2.pdf", LIEU, (lieu, 1), HUNG, (hung, 1))
    first = migrated(folder, Boundary.SEPARATOR)
    assert states(first)["separator"] == 2 and balanced(clean)
    assert [r["label"] for r in rows(clean, "SELECT label FROM pipeline.file ORDER BY label")] == [
        "T01/0001",
        "T01/0002",
    ]
    (told,) = rows(clean, "SELECT verdict, witness FROM pipeline.field_value WHERE value = '19.013225'")
    assert (told["verdict"], told["witness"]) == ("accept", "registry")  # the sheet says so too
    assert "sheet_count" in {issue["check"] for page in first["pages"] for issue in page["issues"]}

    scan_of(folder, "scan 10.pdf", LIEU, (lieu, 2))
    later = migrated(folder, Boundary.SEPARATOR)
    assert "sheet_count" not in {issue["check"] for page in later["pages"] for issue in page["issues"]}
    (one,) = rows(clean, "SELECT count(*) AS pages FROM pipeline.document JOIN pipeline.file USING (file_id) "
                         "WHERE label = 'T01/0001'")  # fmt: skip
    assert one["pages"] == 2 and balanced(clean)


@pytest.mark.slow
def test_pages_before_any_separator_wait_until_an_officer_places_them(folder, clean):
    lieu = "files/file_01.pdf"
    scan_of(folder, "a.pdf", (lieu, 1), LIEU, (lieu, 2))
    result = migrated(folder, Boundary.SEPARATOR)
    first, sheet, second = result["pages"]
    assert (first["state"], sheet["state"]) == ("in_review", "separator")
    assert [issue["check"] for issue in first["issues"]][-1] == "no_separator"
    assert rows(clean, "SELECT state FROM pipeline.file WHERE label = 'a.pdf#1'") == [{"state": "held"}]
    (page,) = rows(clean, "SELECT page_id FROM pipeline.page WHERE number = 1")
    with clean.begin() as conn:
        place_pages(conn, [page["page_id"]], "T01/0001", "lan", "cùng số vào viện")
    again = migrated(folder, Boundary.SEPARATOR)
    assert "no_separator" not in {issue["check"] for p in again["pages"] for issue in p["issues"]}
    assert rows(clean, "SELECT label FROM pipeline.file") == [{"label": "T01/0001"}] and balanced(clean)
    assert rows(clean, "SELECT count(*) AS n FROM audit.event WHERE action = 'place_page'") == [{"n": 1}]
    assert rows(clean, "SELECT count(DISTINCT page_id) AS n FROM emr.document_reference") == [{"n": 2}]


@pytest.mark.slow
def test_a_foreign_page_is_loaded_once_an_officer_has_put_it_into_a_file_of_its_own(folder, clean):
    scan_of(folder, "mixed.pdf", *[("awkward/foreign_page_inside.pdf", number) for number in (1, 2, 3)])
    assert states(migrated(folder, Boundary.SCAN)) == {"in_review": 3}
    (foreign,) = rows(clean, "SELECT page_id FROM pipeline.issue WHERE check_name = 'foreign_patient'")
    (own,) = rows(clean, "SELECT document_id FROM pipeline.page WHERE page_id = :page", page=foreign["page_id"])
    (doubt, *_) = rows(clean, TASKS, document=own["document_id"])
    decided(clean, doubt["task_id"])
    with clean.begin() as conn:
        assert place_pages(conn, [foreign["page_id"]], "put aside", "lan", "trang của người bệnh khác") == 3
    result = migrated(folder, Boundary.SCAN)
    assert "foreign_patient" not in {issue["check"] for page in result["pages"] for issue in page["issues"]}
    files = rows(clean, "SELECT label, state, encounter_key FROM pipeline.file ORDER BY label")
    assert [(f["label"], f["state"]) for f in files] == [("mixed.pdf", "open"), ("put aside", "open")]
    assert files[0]["encounter_key"] != files[1]["encounter_key"] and balanced(clean)
    (kept,) = rows(clean, VALUE, document=own["document_id"], field=doubt["field"])
    assert (kept["verdict"], kept["label"]) == ("accept", "put aside"), "what was decided goes with its page"
    assert len(rows(clean, "SELECT DISTINCT encounter_id FROM emr.document_reference")) == 2


@pytest.mark.slow
def test_an_officer_places_a_foreign_page_on_her_screen_and_other_roles_may_not(folder, clean, settings):
    scan_of(folder, "mixed.pdf", *[("awkward/foreign_page_inside.pdf", number) for number in (1, 2, 3)])
    migrated(folder, Boundary.SCAN)
    (foreign,) = rows(clean, "SELECT page_id FROM pipeline.issue WHERE check_name = 'foreign_patient'")
    app = create_app(settings)
    officer, manager = (signed_in(app, clean, role) for role in ("officer", "manager"))
    assert (manager.get("/files").status_code, officer.get("/files").status_code) == (403, 200)
    (address,) = re.findall(r'href="(/files/[0-9a-f]+)"', officer.get("/files").text)
    shown = officer.get(address).text
    assert shown.count('<li class="sheet asked">') == 1 and f'value="{foreign["page_id"]}" checked' in shown
    given = {"csrf": re.search(r'name="csrf" content="([^"]+)"', shown)[1], "pages": [foreign["page_id"]]}
    refused = officer.post(f"{address}/place", data=given | {"label": "mixed.pdf", "reason": "x"})
    assert refused.status_code == 422 and "lý do" in refused.text
    strange = officer.post(f"{address}/place", data=given | {"pages": ["f-0001"], "label": "x", "reason": "của bà Hoa"})
    assert strange.status_code == 422
    placed = officer.post(f"{address}/place", data=given | {"label": "bà Hoa", "reason": "trang của bà Hoa"})
    assert placed.status_code == 303 and "mixed.pdf" not in officer.get("/files").text
    migrated(folder, Boundary.SCAN)
    labels = rows(clean, "SELECT label, state FROM pipeline.file ORDER BY label")
    assert [tuple(r.values()) for r in labels] == [("bà Hoa", "open"), ("mixed.pdf", "open")]


def signed_in(app, engine, role: str) -> TestClient:
    """A browser of somebody with this role."""
    with engine.begin() as conn:
        accounts.add(conn, "test", role, role, role, "Mật khẩu rất dài 1")
        token = sessions.start(conn, role, 12)
    client = TestClient(app, follow_redirects=False)
    client.cookies.set(sessions.COOKIE, token)
    return client


INDEX = {
    "index.csv": "Tên file;Số vào viện;Số tờ\nlieu.pdf;19.013225;1\n",
    "index.xml": "<box><file name='x'><path>lieu.pdf</path><MA_LK>19.013225</MA_LK></file></box>",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", INDEX)
def test_a_vendors_index_beside_the_scans_vouches_for_the_number_that_is_read(folder, clean, name):
    (folder / name).write_text(INDEX[name], encoding="utf-8")
    scan_of(folder, "lieu.pdf", ("files/file_01.pdf", 1))
    migrated(folder, Boundary.SCAN)
    (told,) = rows(clean, "SELECT verdict FROM pipeline.field_value WHERE value = '19.013225'")
    assert told["verdict"] == "accept"


@pytest.mark.slow
def test_a_number_in_the_index_that_no_page_bears_stops_the_file(folder, clean):
    (folder / "index.csv").write_text("Tên file;Số vào viện\nlieu.pdf;18.077777\n", encoding="utf-8")
    scan_of(folder, "lieu.pdf", ("files/file_01.pdf", 1))
    (page,) = migrated(folder, Boundary.SCAN)["pages"]
    assert page["state"] == "in_review" and "named_otherwise" in {issue["check"] for issue in page["issues"]}
    assert rows(clean, "SELECT state FROM pipeline.file") == [{"state": "held"}]
    assert rows(clean, "SELECT * FROM emr.document_reference") == []


@pytest.mark.slow
def test_a_rescan_takes_the_old_pages_place_and_the_document_stays_the_same(folder, tmp_path, clean, monkeypatch):
    monkeypatch.setattr("pipeline.filing.contract_in_force", lambda *_: UNPROVEN)  # so that something is asked
    scan_of(folder, "lieu.pdf", *[("files/file_01.pdf", number) for number in (1, 2)])
    before = migrated(folder, Boundary.SCAN)
    (old,) = rows(clean, "SELECT page_id, document_id FROM pipeline.page WHERE number = 2")
    (doubt, *_) = rows(clean, TASKS, document=old["document_id"])
    decided(clean, doubt["task_id"])
    anew = tmp_path / "page.png"
    with pypdfium2.PdfDocument(folder / "lieu.pdf") as pdf:
        pdf[1].render(scale=2.5).to_pil().save(anew)
    with clean.begin() as conn:
        new = take_rescan(conn, old["page_id"], anew, "scan desk", look_at(anew))
    after = migrated(folder, Boundary.SCAN)
    found = {r["page_id"]: r for r in rows(clean, "SELECT * FROM pipeline.page")}
    assert found[old["page_id"]]["state"] == "superseded" and found[new]["document_id"] == old["document_id"]
    assert states(after)["superseded"] == 1 and len(after["pages"]) == len(before["pages"]) + 1 and balanced(clean)
    (stored,) = rows(clean, "SELECT page_ids FROM pipeline.document WHERE document_id = :id", id=old["document_id"])
    assert stored["page_ids"] == [new]
    sources = rows(clean, "SELECT DISTINCT page_id FROM emr.document_reference WHERE document_id = :id",
                   id=old["document_id"])  # fmt: skip
    assert [source["page_id"] for source in sources] == [new]
    (kept,) = rows(clean, VALUE, document=old["document_id"], field=doubt["field"])
    assert (kept["verdict"], kept["rule"], kept["page_id"]) == ("accept", "reviewed", new)
    with clean.begin() as conn, pytest.raises(SohoaError, match="superseded"):
        take_rescan(conn, old["page_id"], anew, "scan desk", look_at(anew))
