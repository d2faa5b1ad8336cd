"""Pictures of pages: cut at the right place, shown to whom a ticket was given, logged, never from a damaged file."""

import os
import signal
import uuid
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, text, update

from extractors.images import _quarter_turn, _rotation
from pipeline import ledger, tables
from pipeline.keys import ticket_key
from pipeline.reading import PageJob
from records.document_types import document_types
from records.documents import Document, FieldReading, FieldValue, JudgedValue, ValidatedDocument, Verdict
from records.pages import Box, MediaType, PageBox, PageImage
from review import sessions
from review.app import create_app
from review.drawing import Drawing, Sheet, draw
from review.images import ENTRY_BYTES, Images, Remembered
from review.restricted import restricted, restrictions
from review.screens.pages import images_of
from review.tables import account, glass, page_view
from review.texts import say
from review.tickets import LIFE, cut_of, open_ticket, ticket_for

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
KEY = b"k" * 32
WIDTH, HEIGHT = 1240, 1754
VALUE = Box(left=220, top=600, right=920, bottom=634)
BOX = PageBox(left=0.2, top=0.3, right=0.5, bottom=0.32)
SKEWED = np.array([[1.0, 0.03, 0.0], [0.02, 1.0, 0.0], [2e-5, 1e-5, 1.0]])


def holder(name="an", csrf="c1"):
    return sessions.Account(name, "An", "officer", "vi", csrf)


def drawn_page():
    """An upright page: one value in blue, and in red the lines right above and below it."""
    page = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for top, colour in ((VALUE.top - 62, (220, 0, 0)), (VALUE.top, (0, 0, 220)), (VALUE.top + 62, (220, 0, 0))):
        page[int(top) : int(top) + 34, int(VALUE.left) : int(VALUE.right) : 8] = colour
        page[int(top) : int(top) + 34, int(VALUE.left) + 1 : int(VALUE.right) : 8] = colour
    return page


def as_in_the_file(page, turn, skew, bent=None):
    """The page as a scanner left it, and its geometry."""
    size = (WIDTH, HEIGHT) if turn % 180 == 0 else (HEIGHT, WIDTH)
    to_file = np.linalg.inv(_quarter_turn(turn, size)) @ _rotation(skew, (WIDTH, HEIGHT))
    to_file = to_file if bent is None else bent @ to_file
    pixels = cv2.warpPerspective(page, to_file, size, borderValue=(255, 255, 255))
    image = PageImage(
        page_id="p", turn=turn, skew_degrees=skew, width_px=WIDTH, height_px=HEIGHT, file_width_px=size[0],
        file_height_px=size[1], to_file=tuple(to_file.ravel()), dpi=150, ink=0.1, blank=False,
    )  # fmt: skip
    return pixels, image


def png(pixels):
    bgr = pixels[:, :, ::-1] if pixels.ndim == 3 else pixels
    return cv2.imencode(".png", bgr)[1].tobytes()


def looked_at(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1].astype(int)


def ink(pixels):
    """Rows and columns of what is blue, and how much is red."""
    blue = (pixels[:, :, 2] - pixels[:, :, 0]) > 60
    red = (pixels[:, :, 0] - pixels[:, :, 2]) > 60
    return np.argwhere(blue), int(red.sum())


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize(("skew", "bent"), [(0.0, None), (3.0, None), (-2.0, None), (1.0, SKEWED)])
def test_a_crop_holds_its_value_and_no_other_line(store, turn, skew, bent):
    pixels, image = as_in_the_file(drawn_page(), turn, skew, bent)
    sheet = Sheet(PageJob("p", store.put(png(pixels)), MediaType.PNG, 1), image.model_dump_json())
    result = draw(Drawing(sheet, (cut_of(image.in_file(VALUE)),)))
    crop = looked_at(result.crops[0])
    blue, red = ink(crop)
    (top, left), (bottom, right) = blue.min(axis=0), blue.max(axis=0)
    scale = (right - left) / VALUE.width
    assert crop.shape[1] <= 1000 and scale > 1.1
    assert bottom - top == pytest.approx(34 * scale, abs=6)
    assert left > 5 and right < crop.shape[1] - 5 and top > 5 and bottom < crop.shape[0] - 5
    assert red < 0.01 * len(blue)


@pytest.mark.parametrize("turn", [0, 90])
def test_the_whole_page_is_upright_and_at_most_2000_pixels_long(store, turn):
    pixels, image = as_in_the_file(drawn_page(), turn, 2.0)
    larger = cv2.resize(pixels, None, fx=2, fy=2)
    sheet = Sheet(PageJob("p", store.put(png(larger)), MediaType.PNG, 1), image.model_dump_json())
    page = looked_at(draw(Drawing(sheet, ())).page)
    assert page.shape[:2] == (HEIGHT, WIDTH)
    (top, left), (bottom, right) = (edge(ink(page)[0], axis=0) for edge in (np.min, np.max))
    assert [left, top, right, bottom] == pytest.approx([VALUE.left, VALUE.top, VALUE.right, VALUE.bottom], abs=8)


def test_short_print_is_shown_larger(store):
    pixels, image = as_in_the_file(drawn_page(), 0, 0.0)
    small = Box(left=300, top=600, right=340, bottom=616)
    sheet = Sheet(PageJob("p", store.put(png(pixels)), MediaType.PNG, 1), image.model_dump_json())
    crop = looked_at(draw(Drawing(sheet, (cut_of(image.in_file(small)),))).crops[0])
    assert crop.shape[0] == pytest.approx((16 + 2 * 0.6 * 16) * 3, abs=4)


def test_a_film_of_16_bits_is_shown_in_8(store):
    steps = np.tile(np.linspace(1000, 1400, 400).astype(np.uint16), (300, 1))
    sheet = Sheet(PageJob("p", store.put(png(steps)), MediaType.PNG, 1), "")
    page = looked_at(draw(Drawing(sheet, ())).page)
    assert page.shape[:2] == (300, 400)
    assert page[:, 2].mean() < 10 and page[:, -3].mean() > 245


def test_a_ticket_opens_what_it_was_made_for():
    given = ticket_for(KEY, holder(), "page-1", BOX, NOW)
    found = open_ticket(KEY, holder(), given, NOW + LIFE - timedelta(seconds=1))
    assert found and (found.page_id, found.cut) == ("page-1", (2000, 3000, 5000, 3200))
    assert open_ticket(KEY, holder(), ticket_for(KEY, holder(), "page-1", None, NOW), NOW).cut is None


def test_a_ticket_of_another_an_ended_or_an_altered_one_opens_nothing():
    given = ticket_for(KEY, holder(), "page-1", BOX, NOW)
    assert open_ticket(KEY, holder("binh"), given, NOW) is None
    assert open_ticket(KEY, holder(csrf="c2"), given, NOW) is None
    assert open_ticket(b"x" * 32, holder(), given, NOW) is None
    assert open_ticket(KEY, holder(), given, NOW + LIFE) is None
    for at in range(len(given)):
        for letter in "Aa0_":
            altered = given[:at] + letter + given[at + 1 :]
            assert altered == given or open_ticket(KEY, holder(), altered, NOW) is None
    for strange in ("", "A", "é", given[:-1], given + "A", given + "=", "A" * 43, "." * 80):
        assert open_ticket(KEY, holder(), strange, NOW) is None


def test_pictures_are_remembered_up_to_so_many_bytes_and_the_longest_unused_goes_first():
    kept = Remembered(10 * (1000 + ENTRY_BYTES))
    sheets = [Sheet(PageJob(str(n), "s", MediaType.PNG, 1), "") for n in range(12)]
    for sheet in sheets[:10]:
        kept.put(sheet, None, bytes(1000))
    kept.put(sheets[9], None, bytes(1000))
    assert kept.bytes == kept.most_bytes and kept.get(sheets[0], None)
    for sheet in sheets[10:]:
        kept.put(sheet, None, bytes(1000))
    assert kept.bytes <= kept.most_bytes
    assert [n for n, sheet in enumerate(sheets) if kept.get(sheet, None) is None] == [1, 2]
    kept.put(sheets[1], None, bytes(kept.most_bytes))
    assert kept.bytes == 0 and kept.get(sheets[1], None) is None


@pytest.fixture(scope="module")
def app(settings, engine):
    app = create_app(settings)
    yield app
    images_of(app).close()


@pytest.fixture
def sign_in(app, clean):
    """Gives the browser and the account of somebody."""

    def signed_in(name, role="officer"):
        with clean.begin() as conn:
            conn.execute(insert(account).values(account_id=name, name=name, role=role))
            token = sessions.start(conn, name, 1)
            who = sessions.find(conn, token, 30)
        browser = TestClient(app, raise_server_exceptions=False)
        browser.cookies.set(sessions.COOKIE, token)
        return browser, who

    return signed_in


@pytest.fixture
def new_page(clean, store, batch):
    """Makes a page of a document of a type; gives its id, its document's and its original's."""

    def made(document_type="discharge_letter", fields=(), document=True):
        pixels, image = as_in_the_file(drawn_page(), 90, 1.0)
        pixels[0, :16] = np.frombuffer(uuid.uuid4().bytes, np.uint8)[:, None]
        with clean.begin() as conn:
            given = ledger.receive(conn, store, batch, f"{uuid.uuid4()}.png", png(pixels), (MediaType.PNG, 1))
            page_id = ledger.page_id(given.receipt_id, 1)
            scan_id = conn.scalar(select(tables.page.c.scan_id).where(tables.page.c.page_id == page_id))
            shape = image.model_copy(update={"page_id": page_id}).model_dump(mode="json")
            conn.execute(
                insert(tables.page_text).values(
                    page_id=page_id, engine="e", image=shape, text={}, document_type=document_type
                )
            )
            if document:
                put_document(conn, batch, page_id, document_type, fields)
        return page_id, f"d-{page_id}", scan_id

    return made


def put_document(conn, batch, page_id, document_type, fields):
    own = {"document_id": f"d-{page_id}", "file_id": f"f-{page_id}"}
    conn.execute(insert(tables.file).values(file_id=own["file_id"], batch_id=batch, label="1"))
    conn.execute(
        insert(tables.document).values(
            **own, batch_id=batch, document_type=document_type, page_ids=[page_id], verdict="review", validated={}
        )
    )
    conn.execute(update(tables.page).where(tables.page.c.page_id == page_id).values(document_id=own["document_id"]))
    for number, (kind, value) in enumerate(fields):
        conn.execute(
            insert(tables.field_value).values(
                document_id=own["document_id"], field=f"x[{number}]", value=value, raw=value, kind=kind, confidence=0.5,
                verdict="review", page_id=page_id, box=BOX.model_dump(), engine="e",
            )
        )  # fmt: skip


def address(settings, who, page_id, box=BOX):
    ticket = ticket_for(ticket_key(settings), who, page_id, box, datetime.now(UTC))
    return f"/{'crop' if box else 'page'}/{ticket}"


def views(clean):
    with clean.connect() as conn:
        query = select(page_view.c.account_id, page_view.c.page_id, page_view.c.what, page_view.c.reason)
        return [tuple(row) for row in conn.execute(query.order_by(page_view.c.view_id))]


def test_crops_and_pages_are_shown_uncached_and_every_look_is_logged(settings, clean, sign_in, new_page):
    browser, who = sign_in("an")
    page_id, _, _ = new_page(fields=[("text", "x")])
    boxes = [BOX, BOX, PageBox(left=0.1, top=0.1, right=0.4, bottom=0.2)]
    for where in [
        *(address(settings, who, page_id, box) for box in boxes),
        *[address(settings, who, page_id, None)] * 2,
    ]:
        answer = browser.get(where)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["cache-control"] == "no-store"
        assert looked_at(answer.content).ndim == 3
    crops, pages = ("an", page_id, "crops", ""), ("an", page_id, "page", "")
    assert views(clean) == [crops, pages, pages]
    with clean.begin() as conn:
        conn.execute(text("UPDATE review.page_view SET at = at - interval '11 minutes'"))
    assert browser.get(address(settings, who, page_id)).status_code == 200
    assert views(clean) == [crops, pages, pages, crops]


def test_a_ticket_is_of_no_use_to_others_nor_for_what_it_was_not_made(settings, clean, sign_in, new_page):
    an, who = sign_in("an")
    binh, _ = sign_in("binh")
    operator, handed_out = sign_in("chi", "operator")
    page_id, _, _ = new_page()
    where = address(settings, who, page_id)
    assert binh.get(where).status_code == 404
    assert an.get(where.replace("/crop/", "/page/")).status_code == 404
    assert an.get(address(settings, who, page_id, None).replace("/page/", "/crop/")).status_code == 404
    assert an.get(address(settings, who, "no-such-page")).status_code == 404
    assert operator.get(address(settings, handed_out, page_id)).status_code == 403
    assert TestClient(an.app).get(where).status_code == 401
    with clean.begin() as conn:
        again = sessions.find(conn, sessions.start(conn, "an", 1), 30)
    assert an.get(address(settings, again, page_id)).status_code == 404
    assert views(clean) == []


def test_an_original_that_fails_its_hash_is_told_and_not_shown(settings, clean, store, sign_in, new_page):
    browser, who = sign_in("an")
    page_id, _, scan_id = new_page()
    path = settings.home / "store" / scan_id[:2] / scan_id[2:4] / scan_id
    sealed = bytearray(path.read_bytes())
    sealed[-1] ^= 1
    path.write_bytes(sealed)
    answer = browser.get(address(settings, who, page_id))
    assert (answer.status_code, answer.headers["content-type"]) == (409, "text/plain; charset=utf-8")
    assert answer.text.startswith("Ảnh gốc của trang này không còn đúng")
    assert views(clean) == []


def end_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_child_that_dies_costs_one_picture_and_says_so(settings, clean, app, sign_in, new_page, monkeypatch):
    browser, who = sign_in("an")
    page_id, _, _ = new_page()
    images = Images(settings, lambda page_id: [])
    monkeypatch.setattr(app.state, "images", images, raising=False)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(os.path.dirname(__file__))
        patch.setattr("review.images.draw", end_itself)
        died = browser.get(address(settings, who, page_id))
    ends = [child.process.returncode for workers in images._all for child in workers._children]
    assert [one for one in ends if one is not None] == [-signal.SIGKILL]
    assert (died.status_code, died.text) == (503, "Chưa dựng được ảnh của trang này; hãy thử lại.")
    assert views(clean) == []
    assert [browser.get(address(settings, who, page_id)).status_code for _ in images._all] == [200, 200]
    images.close()


def test_a_page_drawn_ahead_is_there_when_it_is_asked_for(settings, store):
    pixels, image = as_in_the_file(drawn_page(), 0, 0.0)
    sheet = Sheet(PageJob("p", store.put(png(pixels)), MediaType.PNG, 1), image.model_dump_json())
    images = Images(settings, lambda page_id: [cut_of(BOX)])
    images.warm([sheet])
    images._ahead.shutdown(wait=True)
    assert images.remembered.get(sheet, None) and images.remembered.get(sheet, cut_of(BOX))
    images.close()
    assert images.crop(sheet, cut_of(BOX)) == images.remembered.get(sheet, cut_of(BOX))


def test_the_list_of_what_is_restricted_names_known_forms_and_has_words_for_each_class():
    for one in restrictions():
        assert set(one.document_types) <= set(document_types())
        assert say(f"glass.class.{one.code}", "vi")


@pytest.mark.parametrize(
    ("document_type", "kind", "said", "why"),
    [
        ("identity_card", "text", "", "identity"),
        ("insurance_card", "text", "", "identity"),
        ("discharge_letter", "icd10", "C50.9;B20.1", "hiv"),
        ("discharge_letter", "icd10", "Z21", "hiv"),
        ("inpatient_cover", "icd10", "F32.1", "mental"),
        ("inpatient_cover", "icd10", "t74.1", "child_abuse"),
        ("inpatient_cover", "icd10", "Q90.9", "genetic"),
        ("lab_report", "test_name", "HIV Ab", "hiv"),
        ("lab_report", "test_name", "Glucose", ""),
        ("discharge_letter", "icd10", "C50.9;B25.1;G00", ""),
        ("discharge_letter", "text", "F32", ""),
    ],
)
def test_what_is_restricted(document_type, kind, said, why):
    reading = FieldReading(field="f", raw=said, confidence=1, page_id="p", box=BOX, engine="e", method="m")
    value = JudgedValue(
        value=FieldValue(reading=reading, kind=kind, value=""), verdict=Verdict.REVIEW, rule="", confidence=1
    )
    own = Document(document_id="d", file_id="f", document_type=document_type, edition="", page_ids=("p",))
    found = ValidatedDocument(document=own, revision=1, values=(value,), issues=(), verdict=Verdict.REVIEW)
    assert restricted(found) == why


@pytest.mark.parametrize(
    ("document_type", "fields", "document"),
    [("identity_card", (), True), ("discharge_letter", [("icd10", "B20.1")], True), ("identity_card", (), False)],
)
def test_a_restricted_page_is_closed_until_a_reason_is_given(
    settings, clean, sign_in, new_page, document_type, fields, document
):
    an, who = sign_in("an")
    binh, other = sign_in("binh")
    page_id, document_id, _ = new_page(document_type, fields, document)
    where, subject = address(settings, who, page_id, None), document_id if document else page_id
    assert (an.get(where).status_code, an.get(address(settings, who, page_id)).status_code) == (403, 403)
    csrf = {"X-CSRF-Token": who.csrf, "HX-Request": "true"}
    assert an.post(f"/glass/{subject}", data={"reason": "xem   thử"}, headers=csrf).status_code == 422
    assert an.post(f"/glass/{subject}", data={"reason": "x" * 10_000}, headers=csrf).status_code == 422
    assert (an.get(where).status_code, views(clean)) == (403, [])
    reason = "Đối chiếu số thẻ với giấy ra viện"
    assert an.post(f"/glass/{subject}", data={"reason": f" {reason} "}, headers=csrf).status_code == 204
    assert an.get(where).status_code == 200
    assert views(clean) == [("an", page_id, "page", reason)]
    assert binh.get(address(settings, other, page_id)).status_code == 403
    with clean.begin() as conn:
        logged = conn.execute(select(tables.event.c.actor, tables.event.c.action, tables.event.c.object)).all()
        assert logged == [("an", "break_glass", f"document:{subject}")]
        conn.execute(update(glass).values(until=text("now()")))
    assert an.get(where).status_code == 403


def test_glass_for_nothing_restricted_writes_nothing_and_for_nothing_at_all_is_not_found(clean, sign_in, new_page):
    an, who = sign_in("an")
    _, document_id, _ = new_page()
    csrf = {"X-CSRF-Token": who.csrf, "HX-Request": "true"}
    assert an.post(f"/glass/{document_id}", data={"reason": "lý do đủ dài"}, headers=csrf).status_code == 204
    assert an.post("/glass/none", data={"reason": "lý do đủ dài"}, headers=csrf).status_code == 404
    with clean.connect() as conn:
        assert conn.scalar(text("SELECT count(*) FROM review.glass")) == 0
