"""Files become signed archive copies under a decision of the director, once, and only what was read is signed."""

import io
import uuid
from datetime import date

import numpy as np
import pikepdf
import pytest
from PIL import Image
from sqlalchemy import insert, select, update
from typer.testing import CliRunner

from loaders.signing import check, open_key
from pipeline import archive, conversions, ledger, steps, tables, targets, trust, undo, verification
from pipeline.cli import app
from pipeline.statement import statement_of
from records.errors import SohoaError
from records.pages import MediaType
from review.tables import account
from tests.authority import PASSWORD, Authority
from tests.test_review_decisions import READ, page_reading

BY = ("an", "Trần Thị An")


def jpeg(seed):
    held = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (140, 100, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(held, "JPEG", quality=80)
    return held.getvalue()


@pytest.fixture
def originals(clean, store, batch):
    """Two files of a page each, put together; the first is settled, the second still in review."""
    given = {}
    with clean.begin() as conn:
        for number in (1, 2):
            data = jpeg(uuid.uuid4().int % 2**32)
            told = READ | {"patient.id": f"1900000{number}", "encounter.number": f"19.00000{number}"}
            got = ledger.receive(conn, store, batch, f"{number}.jpg", data, (MediaType.JPEG, 1))
            page_id = ledger.page_id(got.receipt_id, 1)
            given[page_id] = data
            steps._keep(conn, page_id, 0, page_reading(page_id, told))
    steps.assemble(batch)
    steps.load(batch)
    with clean.begin() as conn:
        conn.execute(update(tables.page).where(tables.page.c.page_id == next(iter(given))).values(state="loaded"))
    return given


@pytest.fixture
def decided(clean):
    with clean.begin() as conn:
        conn.execute(insert(account).values(account_id="an", name=BY[1], role="senior"))
        targets.add_target(
            conn, targets.Target(target_id="T1", name="Hồ sơ 2019", legal_basis="TT 13/2025/TT-BYT điều 5.2", scope="",
            deadline=date(2026, 12, 31)),
        )  # fmt: skip
        targets.add_decision(
            conn, targets.Decision(decision_id="qd", number="12/QĐ-BV", signed_on=date(2026, 1, 31), scope="",
            target_id="T1"),
        )  # fmt: skip


@pytest.fixture
def authority(settings):
    authority = Authority()
    for kind, data in (("root", authority.root_der()), ("crl", authority.crl())):
        trust.add(settings, trust.Kind(kind), data)
    return authority


def copies(engine, batch):
    with engine.connect() as conn:
        return conversions.copies_of(conn, batch)


def told(engine, batch):
    with engine.connect() as conn:
        return statement_of(conn, batch)


def settle_all(engine):
    with engine.begin() as conn:
        conn.execute(update(tables.page).values(state="loaded"))


def test_a_finished_file_is_converted_and_an_open_one_left_with_the_reason(originals, decided, batch, clean, store):
    made = archive.make(batch, *BY, "T1")
    assert (made.copies, made.stood) == (1, 0)
    assert made.left == (("2.jpg", "còn 1 trang chưa xong"),)
    (row,) = copies(clean, batch)
    assert row["mark"].startswith("BẢN ĐIỆN TỬ CHUYỂN ĐỔI TỪ VĂN BẢN GIẤY - Thời gian chuyển đổi: ")
    assert (
        f"Người chuyển đổi: Trần Thị An - Cơ quan chuyển đổi: Demonstration hospital - Mã tra cứu: {row['code']}"
        in (row["mark"])
    )
    with pikepdf.open(io.BytesIO(store.get(row["copy_id"]))) as pdf:
        (picture,) = pdf.pages[0].get_images().values()
        assert picture.read_raw_bytes() in originals.values(), "the scanner's own JPEG"


def test_converting_again_makes_nothing_until_the_file_is_another(originals, decided, batch, clean):
    archive.make(batch, *BY, "T1")
    (first,) = copies(clean, batch)
    again = archive.make(batch, *BY)
    assert (again.copies, again.stood) == (0, 1)
    with clean.begin() as conn:
        conn.execute(update(tables.document).values(document_type="record_summary"))
    assert archive.make(batch, *BY).copies == 1
    (second,) = copies(clean, batch)
    assert second["code"] != first["code"] and second["replaces"] is None, "an unsigned copy leaves no trace"


def test_a_signed_copy_stays_and_the_next_names_it(originals, decided, batch, clean, authority):
    archive.make(batch, *BY, "T1")
    (first,) = copies(clean, batch)
    archive.sign(batch, open_key(authority.organisation(), PASSWORD), "an", told(clean, batch).mark)
    with clean.begin() as conn:
        conn.execute(update(tables.document).values(document_type="record_summary"))
    archive.make(batch, *BY)
    (second,) = copies(clean, batch)
    assert second["replaces"] == first["code"] and second["signed_id"] is None
    with clean.connect() as conn:
        assert conn.scalar(select(tables.conversion.c.signed_id).where(tables.conversion.c.code == first["code"]))


def test_without_a_decision_for_its_target_nothing_is_converted(originals, batch, clean, decided):
    with pytest.raises(SohoaError, match="no target"):
        archive.make(batch, *BY)
    with clean.begin() as conn:
        conn.execute(update(tables.decision).values(target_id=None))
    with pytest.raises(SohoaError, match="No decision of the director"):
        archive.make(batch, *BY, "T1")
    with pytest.raises(SohoaError, match="no batch"):
        archive.make("NONE", *BY, "T1")
    assert copies(clean, batch) == []


def test_the_statement_says_what_is_signed_what_is_left_and_what_was_measured(originals, decided, batch, clean):
    with pytest.raises(SohoaError, match="not converted yet"):
        told(clean, batch)
    archive.make(batch, *BY, "T1")
    page = "\n".join(told(clean, batch).words())
    for part in (
        "Hộp box-1, Demonstration hospital.", "Quyết định số 12/QĐ-BV ngày 31/01/2026", "Hồ sơ 2019",
        "1 hồ sơ chờ ký số, 0 hồ sơ đã ký; tổng cộng 1 trang.", "độ chính xác chưa được đo",
        "Chưa chuyển đổi: hồ sơ 2.jpg (còn 1 trang chưa xong).",
    ):  # fmt: skip
        assert part in page


def test_only_what_was_read_is_signed(originals, decided, batch, clean, authority, store, settings):
    archive.make(batch, *BY, "T1")
    read = told(clean, batch).mark
    settle_all(clean)
    archive.make(batch, *BY)
    with pytest.raises(SohoaError, match="not the one that was read"):
        archive.sign(batch, open_key(authority.organisation(), PASSWORD), "an", read)
    assert archive.sign(batch, open_key(authority.organisation(), PASSWORD), "an", told(clean, batch).mark) == 2
    for row in copies(clean, batch):
        assert check(store.get(row["signed_id"]), trust.held(settings)).good
        assert "Bệnh viện Mẫu" in row["certificate"]["subject"] and row["signed_by"] == "an"
    assert archive.sign(batch, open_key(authority.organisation(), PASSWORD), "an", told(clean, batch).mark) == 0, "once"


def test_a_certificate_that_does_not_hold_signs_nothing(originals, decided, batch, clean, authority, settings):
    archive.make(batch, *BY, "T1")
    revoked = authority.organisation(revoked=True)
    trust.add(settings, trust.Kind.CRL, authority.crl())
    with pytest.raises(SohoaError, match="revoked"):
        archive.sign(batch, open_key(revoked, PASSWORD), "an", told(clean, batch).mark)
    assert [row["signed_id"] for row in copies(clean, batch)] == [None]


def test_a_damaged_original_leaves_its_file_and_the_others_go_on(originals, decided, batch, clean, settings):
    settle_all(clean)
    with clean.connect() as conn:
        scan_id = conn.scalar(select(tables.page.c.scan_id).order_by(tables.page.c.page_id))
    (sealed,) = (settings.home / "store").rglob(f"{scan_id}*")
    sealed.write_bytes(sealed.read_bytes()[:-1])
    made = archive.make(batch, *BY, "T1")
    assert made.copies == 1 and [why for _, why in made.left] == ["có trang không mở được trong kho"]


def test_one_document_on_request_bears_the_mark_of_its_file(originals, decided, batch, clean, tmp_path):
    with clean.connect() as conn:
        query = select(tables.page.c.document_id).order_by(tables.page.c.state.desc())
        first, second = conn.scalars(query)
    archive.make(batch, *BY, "T1")
    (row,) = copies(clean, batch)
    run = CliRunner().invoke
    assert run(app, ["archive", "document", first, "--out", str(tmp_path / "a.pdf")]).exit_code == 0
    with pikepdf.open(tmp_path / "a.pdf") as pdf:
        (picture,) = pdf.pages[0].get_images().values()
        assert len(pdf.pages) == 1 and picture.read_raw_bytes() in originals.values()
        assert row["mark"] in pdf.Root.Metadata.read_bytes().decode()
    again = run(app, ["archive", "document", first, "--out", str(tmp_path / "a.pdf")])
    assert again.exit_code != 0
    for unknown in (second, "NONE"):
        with pytest.raises(SohoaError, match="is not converted|no document"):
            archive.document_copy(unknown)


def test_the_nightly_scrubbing_finds_a_damaged_copy(originals, decided, batch, clean, settings):
    archive.make(batch, *BY, "T1")
    (row,) = copies(clean, batch)
    assert verification.verify()[0] == []
    (sealed,) = (settings.home / "store").rglob(f"{row['copy_id']}*")
    sealed.write_bytes(sealed.read_bytes()[:-1])
    (fault,) = verification.verify()[0]
    assert row["copy_id"] in fault


def test_an_undone_batch_has_no_conversion_that_stands(originals, decided, batch, clean):
    archive.make(batch, *BY, "T1")
    undo.undo(batch)
    assert copies(clean, batch) == []


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_box_in_the_file_is_where_the_turned_page_shows_it(turn):
    """Checked on pixels: a mark in the file, the page turned clockwise, the box of the mark there."""
    lying = np.zeros((200, 100), np.uint8)
    lying[20:40, 10:40] = 1
    upright = np.rot90(lying, -turn // 90)
    rows, columns = np.nonzero(upright)
    high, wide = upright.shape
    expected = (columns.min() / wide, rows.min() / high, (columns.max() + 1) / wide, (rows.max() + 1) / high)
    assert archive.shown(turn, (0.1, 0.1, 0.4, 0.2)) == pytest.approx(expected)


def test_the_commands_lead_from_files_to_a_checked_signature(
    originals, decided, batch, clean, authority, tmp_path, store
):
    run = CliRunner().invoke
    done = run(app, ["archive", "make", "--batch", batch, "--by", "an", "--target", "T1"])
    assert done.exit_code == 1 and "1 copies made, 0 stood, 1 files left." in done.output
    assert run(app, ["archive", "make", "--batch", batch, "--by", "nobody"]).exit_code != 0
    page = run(app, ["archive", "statement", "--batch", batch]).output
    mark = page.rsplit(":", 1)[1].strip()
    key, root = tmp_path / "key.p12", tmp_path / "root.der"
    key.write_bytes(authority.organisation())
    root.write_bytes(authority.root_der())
    assert "Thử nghiệm CA" in run(app, ["signing", "root", str(root)]).output
    asked = ["archive", "sign", "--batch", batch, "--key", str(key), "--statement", mark, "--password-stdin"]
    assert "1 copies signed." in run(app, asked, input=f"{PASSWORD}\n").output
    (row,) = copies(clean, batch)
    signed = tmp_path / "a.pdf"
    signed.write_bytes(store.get(row["signed_id"]))
    good = run(app, ["archive", "check", str(signed)])
    assert good.exit_code == 0 and "The signature is good" in good.output
    signed.write_bytes(store.get(row["copy_id"]))
    assert run(app, ["archive", "check", str(signed)]).exit_code != 0
    with clean.connect() as conn:
        actions = set(conn.scalars(select(tables.event.c.action)))
    assert {"archive:make", "archive:sign", "signing:root"} <= actions


def test_what_is_no_certificate_or_list_is_refused_and_only_named_hosts_are_asked(settings):
    for kind in trust.Kind:
        with pytest.raises(SohoaError, match="This is no"):
            trust.add(settings, kind, b"nothing")
    with pytest.raises(SohoaError, match="not among the hosts"):
        trust.fetch(settings, "http://elsewhere.example/list.crl")
