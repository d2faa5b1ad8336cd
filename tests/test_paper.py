"""Paper may be marked destroyable by two people when nothing speaks against it; the register and the story tell all."""

import csv
from datetime import date

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner

from loaders.signing import open_key
from pipeline import archive, paper, tables
from pipeline.cli import app
from records.errors import SohoaError
from reporting import register, trace
from review.tables import account
from tests.test_archive import BY, PASSWORD, authority, copies, decided, originals, settle_all, told  # noqa: F401
from tests.test_review_health import browser  # noqa: F401

pytestmark = pytest.mark.slow

LATER = date(2040, 1, 1)


@pytest.fixture
def code(originals, decided, batch, clean, authority):  # noqa: F811
    """A signed file whose retention is over, in a closed box with a settled sample: its code."""
    settle_all(clean)
    archive.make(batch, *BY, "T1")
    archive.sign(batch, open_key(authority.organisation(), PASSWORD), "an", told(clean, batch).mark)
    with clean.begin() as conn:
        conn.execute(update(tables.file).values(retention="ordinary", retained_until=date(2029, 12, 31)))
        conn.execute(update(tables.batch).values(closed_at=text("now()")))
        sampled(conn, batch, state="settled", was_right=True)
        conn.execute(insert(account).values(account_id="binh", name="Lê Bình", role="manager"))
    return copies(clean, batch)[0]["code"]


def sampled(conn, batch, **values):
    document = conn.scalar(select(tables.document.c.document_id).order_by(tables.document.c.document_id))
    row = dict.fromkeys(
        ("document_type", "edition", "scanner", "software", "engine", "kind", "family", "rule", "value"), "x"
    )
    numbers = {"confidence": 0.9, "target": 0.995, "probability": 0.1}
    own = {"facility_id": "DEMO", "batch_id": batch, "document_id": document, "field": f"f{values['state']}"}
    conn.execute(insert(tables.sample).values(row | numbers | own | values))


def speaks(engine, code, today=LATER):
    with engine.connect() as conn:
        return paper.against(conn, code, today)


def test_nothing_speaks_against_a_signed_sampled_file_after_its_time(code, clean):
    assert speaks(clean, code) == []
    assert speaks(clean, code, date(2029, 12, 31)) == ["còn trong thời hạn lưu trữ, đến hết 31/12/2029"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("UPDATE pipeline.file SET retained_until = NULL", "chưa biết thời hạn lưu trữ"),
        ("UPDATE pipeline.batch SET closed_at = NULL", "sổ trang của hộp chưa khép lại"),
        ("UPDATE pipeline.page_count SET pages = pages + 1", "sổ trang của hộp chưa khép lại"),
        ("DELETE FROM pipeline.sample", "hộp chưa có kết quả mẫu mù"),
        ("UPDATE pipeline.sample SET was_right = false", "mẫu mù của hộp có 1 giá trị sai"),
        ("UPDATE pipeline.document SET document_type = 'consent'", "hồ sơ đã thay đổi sau khi chuyển đổi"),
        (
            "UPDATE pipeline.conversion SET signed_id = NULL, signed_at = NULL",
            "bản lưu trữ đang có hiệu lực chưa được ký số",
        ),
    ],
)
def test_each_condition_alone_keeps_the_paper(code, clean, spoil, said):
    with clean.begin() as conn:
        conn.execute(text(spoil))
    assert speaks(clean, code) == [said]
    with clean.begin() as conn, pytest.raises(SohoaError, match="must be kept"):
        paper.propose(conn, code, "an", "01/BB-HĐ")


def test_an_unanswered_sample_keeps_the_paper(code, clean, batch):
    with clean.begin() as conn:
        sampled(conn, batch, state="asked")
    assert speaks(clean, code) == ["còn 1 giá trị mẫu mù chưa trả lời"]


@pytest.fixture
def over(clean, code):
    """The retention ended before today."""
    with clean.begin() as conn:
        conn.execute(update(tables.file).values(retained_until=date(2025, 12, 31)))


def test_two_people_and_a_number_mark_it_and_one_alone_cannot(code, clean, over):
    with clean.begin() as conn, pytest.raises(SohoaError, match="minutes"):
        paper.propose(conn, code, "an", " ")
    with clean.begin() as conn, pytest.raises(SohoaError, match="Nobody has proposed"):
        paper.agree(conn, code, "binh")
    with clean.begin() as conn:
        paper.propose(conn, code, "an", "01/BB-HĐ")
    with clean.begin() as conn, pytest.raises(SohoaError, match="same person"):
        paper.agree(conn, code, "an")
    with clean.begin() as conn:
        assert register.rows(conn)[0]["paper"] in ("proposed", "kept")
        paper.agree(conn, code, "binh")
    with clean.connect() as conn:
        (row,) = [one for one in register.rows(conn) if one["code"] == code]
    assert (row["paper"], row["minutes"], row["proposed_by"], row["agreed_by"]) == (
        "destroyable", "01/BB-HĐ", "an", "binh",
    )  # fmt: skip


def test_what_changed_since_the_first_said_so_is_asked_again(code, clean, over):
    with clean.begin() as conn:
        paper.propose(conn, code, "an", "01/BB-HĐ")
        conn.execute(text("UPDATE pipeline.sample SET was_right = false"))
    with clean.begin() as conn, pytest.raises(SohoaError, match="must be kept"):
        paper.agree(conn, code, "binh")


def test_the_database_itself_refuses_one_person(code, clean):
    one = "INSERT INTO pipeline.paper SELECT file_id, 'destroyable', '1', 'an', now(), 'an', now() FROM pipeline.file"
    with pytest.raises(IntegrityError), clean.begin() as conn:
        conn.execute(text(one))


def test_a_legal_hold_ends_what_was_said_and_keeps_the_paper(code, clean, over):
    with clean.connect() as conn:
        query = select(tables.conversion.c.file_id).where(tables.conversion.c.code == code)
        file_id = conn.scalar(query)
    with clean.begin() as conn:
        paper.propose(conn, code, "an", "01/BB-HĐ")
        paper.hold(conn, file_id, "binh", "Tòa án yêu cầu")
    assert speaks(clean, code) == ["hồ sơ đang bị giữ theo yêu cầu pháp lý"]
    with clean.begin() as conn:
        assert next(row for row in register.rows(conn) if row["code"] == code)["paper"] == "legal_hold"
        assert conn.execute(select(tables.paper)).all() == []
        assert paper.release(conn, file_id) and not paper.release(conn, file_id)
    assert speaks(clean, code) == []


def test_the_commands_ask_for_a_senior_and_write_the_register(code, clean, over, tmp_path):
    run = CliRunner().invoke
    assert run(app, ["paper", "check", code]).exit_code == 0
    assert run(app, ["paper", "propose", code, "--by", "nobody", "--minutes", "1"]).exit_code != 0
    assert run(app, ["paper", "propose", code, "--by", "an", "--minutes", "01/BB"]).exit_code == 0
    assert run(app, ["paper", "agree", code, "--by", "an"]).exit_code != 0
    assert run(app, ["paper", "agree", code, "--by", "binh"]).exit_code == 0
    assert run(app, ["register", "list", "--out", str(tmp_path / "r.csv")]).exit_code == 0
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    own = next(row for row in rows if row["code"] == code)
    assert own["paper"] == "destroyable" and own["sampled"] in ("0", "1") and own["pages"] == "1"
    assert own["mark"].startswith("BẢN ĐIỆN TỬ") and len(own["copy_sha256"]) == 64 and own["certificate"]
    with clean.connect() as conn:
        actions = conn.scalars(select(tables.event.c.action)).all()
    assert {"paper:propose", "paper:agree"} <= set(actions)


def test_the_story_of_a_conversion_says_who_did_what_when_and_no_content(code, clean, over):
    with clean.begin() as conn:
        paper.propose(conn, code, "an", "01/BB-HĐ")
        page_id = conn.scalar(select(tables.page.c.page_id).order_by(tables.page.c.page_id))
        conn.execute(text("INSERT INTO review.page_view (account_id, page_id, what, reason) VALUES "
                          "('binh', :page, 'page', '')"), {"page": page_id})  # fmt: skip
    with clean.connect() as conn:
        codes = conn.scalars(select(tables.conversion.c.code)).all()
    said = "\n".join("\n".join(trace.story(one)) for one in codes)
    for part in (
        f"conversion {code}: BẢN ĐIỆN TỬ", "decision qd", "the signature is good", "loaded into emr: revision 1",
        "paper proposed by an, minutes 01/BB-HĐ", "seen by binh 1 times",
    ):  # fmt: skip
        assert part in said, part
    assert "TRẦN THỊ MẪU" not in said and "Viêm ruột thừa" not in said


@pytest.mark.parametrize(("role", "status"), [("auditor", 200), ("senior", 200), ("officer", 403), ("it", 403)])
def test_auditors_and_seniors_see_the_story_in_the_workbench(code, browser, role, status):  # noqa: F811
    assert browser(role).get("/trace", params={"of": code}).status_code == status


def test_the_page_tells_the_story_and_says_when_nothing_is_known(code, browser):  # noqa: F811
    auditor = browser("auditor")
    shown = auditor.get("/trace", params={"of": f" {code} "}).text
    assert f"conversion {code}" in shown and "the signature is good" in shown and "TRẦN THỊ MẪU" not in shown
    unknown = auditor.get("/trace", params={"of": "<b>nothing</b>"})
    assert unknown.status_code == 404 and "Không tìm thấy" in unknown.text and "<b>nothing" not in unknown.text
    assert "Mã trang, mã hồ sơ" in auditor.get("/trace").text
