"""Group review: values of one kind in sets, false ones among them that nothing gives away, and what is saved of it."""

import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, insert, select, text, update

from pipeline import audit, database, documents, facts, tables
from records.documents import Document, FieldReading, FieldValue, Issue, JudgedValue, ValidatedDocument, Verdict
from records.pages import PageBox
from review import attention, groups, queue, sessions
from review.app import create_app
from review.groups import NoSet, Outcome
from review.misreadings import MISREADINGS, misread
from review.progress import progress
from review.revisions import Decision, normal
from review.screens.groups import WIDE
from review.tables import account, group_set
from review.tables import attention as noted
from review.texts import say
from review.words import shown
from validation.kinds import KIND_CHECKS

pytestmark = pytest.mark.slow

BATCH, KIND, FIELD = "box-1", "insurance_card", "patient.insurance_number"
TRUE = "GD4013001234567"
CHANCE = random.Random(7)


# What is shown falsely.

VALUES = {
    "person_name": "TRẦN THỊ MẪN", "birth_date": "1963-02-05", "date": "2019-02-01", "moment": "2019-02-01T08:30",
    "age": "54", "integer": "12", "number": "4.69", "measure": "120/80", "reference": "3.9-6.4",
    "insurance_card": TRUE, "personal_id": "022086719900", "phone": "0912345678", "identifier": "19.000001",
    "icd10": "C50.9;I10", "sex": "female", "outcome": "improved", "modality": "CT", "flag": "H",
}  # fmt: skip


@pytest.mark.parametrize("kind", MISREADINGS)
def test_a_false_value_is_another_sound_one_of_its_kind(kind):
    value = VALUES[kind]
    for seed in range(40):
        false = misread(value, kind, random.Random(seed))
        assert false != value and shown(false, kind) != shown(value, kind)
        assert normal(shown(false, kind), kind) == false
        assert not any(check(false, None) for check in KIND_CHECKS.get(kind, {}).values())
    assert say(f"groups.kind.{kind}", "vi")


def test_a_false_value_is_one_that_a_reader_might_have_read():
    told = {misread("2019-02-01", "date", random.Random(seed)) for seed in range(200)}
    assert {"2019-01-02", "2019-02-07"} <= told and all(one.startswith("201") for one in told)
    names = {misread("LÊ THỊ MẪN", "person_name", random.Random(seed)) for seed in range(200)}
    assert "LÊ THỊ MẬN" in names and all(len(name) == len("LÊ THỊ MẪN") for name in names)
    cards = {misread(TRUE, KIND, random.Random(seed)) for seed in range(200)}
    assert all(card[:5] == TRUE[:5] and sum(a != b for a, b in zip(card, TRUE, strict=True)) == 1 for card in cards)


def test_what_no_reader_could_take_for_something_else_is_not_shown_falsely():
    assert misread("Âm tính", "number", CHANCE) == ""


def test_kinds_with_long_crops_are_kinds_that_come_in_sets():
    assert set(MISREADINGS) >= WIDE


# Documents with one card number each.

OTHER = "patient.sex"


def card_number(at):
    """A card number of the form's grammar, another for each `at`."""
    return f"GD40130012{at:05}"


def judged(page_id, field, kind, value, *, settled=False, top=0.3, **more):
    box = PageBox(left=0.3, top=top, right=0.6, bottom=top + 0.025)
    reading = FieldReading(
        field=field, raw=value, confidence=0.9, page_id=page_id, box=box, engine="sohoa 1", method="label_right"
    )
    own = FieldValue(reading=reading, kind=kind, value=value, problem=more.pop("problem", ""))
    how = {"verdict": Verdict.ACCEPT, "rule": "witness", "witness": "registry"} if settled else {}
    return JudgedValue(value=own, **({"verdict": Verdict.REVIEW, "rule": "no_witness", "confidence": 0.7} | how | more))


def letter(conn, name, value, *, settled=False, form="discharge_letter", scan_id=None, state="open", issues=(), **more):
    """A document with one card number (or `field`), waiting or `settled`, and one other value that waits."""
    page_id = f"p-{name}"
    conn.execute(insert(tables.file).values(file_id=f"f-{name}", batch_id=BATCH, label=f"KHO/{name}", state=state))
    conn.execute(insert(tables.receipt).values(receipt_id=f"r-{name}", batch_id=BATCH, path=name, outcome="received"))
    conn.execute(
        insert(tables.page).values(
            page_id=page_id, batch_id=BATCH, receipt_id=f"r-{name}", number=1, state="in_review", document_id=name,
            scan_id=scan_id,
        )
    )  # fmt: skip
    field, kind = more.pop("field", FIELD), more.pop("kind", KIND)
    own = Document(document_id=name, file_id=f"f-{name}", document_type=form, edition="", page_ids=(page_id,))
    values = (judged(page_id, field, kind, value, settled=settled, **more), judged(page_id, OTHER, "sex", "", top=0.5))
    whole = ValidatedDocument(document=own, revision=1, values=values, issues=issues, verdict=Verdict.REVIEW)
    documents.store_document(conn, BATCH, whole)


def stored(conn, name):
    own = tables.document.c.document_id == name
    return ValidatedDocument.model_validate(conn.scalar(select(tables.document.c.validated).where(own)))


@pytest.fixture
def desk(clean):
    """30 card numbers that wait and 10 that are beyond doubt; two officers and a senior."""
    with clean.begin() as conn:
        people = [("an", "officer"), ("binh", "officer"), ("hoa", "senior")]
        conn.execute(insert(account), [{"account_id": who, "name": who.upper(), "role": role} for who, role in people])
        conn.execute(insert(tables.batch).values(batch_id=BATCH, facility_id="DEMO", folder="/scans"))
        for at in range(30):
            letter(conn, f"open{at:02}", card_number(at))
        for at in range(10):
            letter(conn, f"done{at:02}", card_number(900 + at), settled=True)
    return clean


@pytest.fixture
def review(desk, settings):
    """The engine of the workbench's own role."""
    return database.engine(settings, "review")


def set_for(engine, who="an", kind=KIND, seed=1):
    with engine.begin() as conn:
        return groups.hand_out(conn, who, kind, "vi", random.Random(seed))


def real(found):
    return [one for one in found.tiles if one.tile.task_id]


def false(found):
    return [one for one in found.tiles if not one.tile.task_id]


def rows(engine, query, **values):
    with engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(query), values)]


DECIDED = """
    SELECT document_id, field, decision, decided_by
    FROM pipeline.review_decision JOIN pipeline.review_task USING (task_id)"""


# A set.


def test_a_set_has_24_tiles_of_one_kind_of_which_about_two_are_false(review):
    sizes = set()
    for seed in range(8):
        found = set_for(review, seed=seed)
        assert len(found.tiles) == 24 and {one.card.kind for one in found.tiles} == {KIND}
        assert all(one.written == one.card.value for one in real(found))
        assert all(one.written != one.card.value and "done" in one.tile.document_id for one in false(found))
        sizes.add(len(false(found)))
        with review.begin() as conn:
            groups.give_back(conn, "an", KIND)
            conn.execute(delete(group_set))
    assert sizes == {1, 2, 3}


def test_false_values_stand_anywhere_in_the_set(review):
    places = set()
    for seed in range(16):
        places |= {one.tile.place for one in false(set_for(review, seed=seed))}
        with review.begin() as conn:
            groups.give_back(conn, "an", KIND)
            conn.execute(delete(group_set))
    assert len(places) > 10 and min(places) < 4 and max(places) > 19


def test_two_officers_never_have_one_value_and_nobody_else_gets_its_document(review):
    first, second = set_for(review), set_for(review, "binh")
    mine, hers = ({one.tile.document_id for one in real(found)} for found in (first, second))
    assert not mine & hers and len(mine) > 20
    with review.begin() as conn:
        assert queue.take(conn, "binh", min(mine)) is None
        assert queue.claim(conn, "hoa") not in mine | hers


def test_few_values_make_a_small_set_with_one_false_one_and_none_make_none(desk, review):
    with desk.begin() as conn:
        conn.execute(text("UPDATE pipeline.review_task SET state = 'settled' WHERE document_id > 'open03' "
                          "OR document_id < 'open'"))  # fmt: skip
    found = set_for(review)
    assert (len(real(found)), len(false(found))) == (4, 1)
    with pytest.raises(NoSet, match=r"groups\.nothing"):
        set_for(review, "binh")


def test_without_a_value_beyond_doubt_nothing_is_handed_out(desk, review):
    with desk.begin() as conn:
        conn.execute(text("DELETE FROM pipeline.document WHERE document_id LIKE 'done%'"))
    with pytest.raises(NoSet, match=r"groups\.unmeasured"):
        set_for(review)
    assert rows(desk, "SELECT * FROM review.lease") == []


def test_an_unsaved_set_comes_back_as_it_was_but_for_what_others_took(desk, review):
    first = set_for(review)
    assert set_for(review, seed=2) == first
    with review.begin() as conn:
        groups.give_back(conn, "an", KIND)
        taken = real(first)[0].tile
        assert queue.take(conn, "binh", taken.document_id)
    again = set_for(review, seed=3)
    assert [(o.tile.place, o.written) for o in again.tiles] == [
        (o.tile.place, o.written) for o in first.tiles if o.tile.place != taken.place
    ]


def test_a_value_that_somebody_entered_meanwhile_comes_back_to_nobody_who_is_to_be_blind_to_it(desk, review):
    first = set_for(review)
    entered, other = (one.tile for one in real(first)[:2])
    with desk.begin() as conn:
        conn.execute(text("DELETE FROM review.lease"))
        own = tables.review_task.c.task_id == entered.task_id
        conn.execute(update(tables.review_task).where(own).values(stage="second", first_by="binh"))
    kept = {one.tile.key for one in real(set_for(review, seed=2))}
    assert entered.key not in kept and other.key in kept


def test_the_same_false_value_is_not_shown_again_while_there_are_others(review):
    told = set()
    for seed in range(3):
        found = set_for(review, seed=seed)
        assert not told & {one.tile.key for one in false(found)}
        told |= {one.tile.key for one in false(found)}
        groups.save(review, "an", found.set_id, range(24), "vi")
        with review.begin() as conn:
            conn.execute(text("DELETE FROM review.lease"))


UNFIT = {
    "a check speaks against it": {"rule": "check:card_form"},
    "a finding names it": {"issues": (Issue(check="witness_disagrees", field=FIELD, message="Khác."),)},
    "it is none of its kind": {"problem": "thẻ BHYT phải có 15 hoặc 10 ký tự"},
    "its document is restricted by type": {"form": "insurance_card"},
    "its file is stopped": {"state": "held"},
}


@pytest.mark.parametrize("why", [*UNFIT, "restricted by a code", "second entry", "policy of two"])
def test_what_one_glance_cannot_settle_is_not_handed_out(desk, review, why):
    with desk.begin() as conn:
        conn.execute(text("DELETE FROM pipeline.document WHERE document_id LIKE 'open%'"))
        letter(conn, "unfit", card_number(1), **UNFIT.get(why, {}))
        if why == "restricted by a code":
            whole = stored(conn, "unfit")
            code = judged("p-unfit", "diagnosis.main.code", "icd10", "B20", settled=True, top=0.7)
            documents.store_document(conn, BATCH, whole.model_copy(update={"values": (*whole.values, code)}))
        elif why == "second entry":
            own = tables.review_task.c.field == FIELD
            conn.execute(update(tables.review_task).where(own).values(stage="second", first_by="binh"))
        elif why == "policy of two":
            conn.execute(insert(tables.field_policy).values(field=FIELD, ask="ask", second=True))
    with pytest.raises(NoSet):
        set_for(review)
    assert rows(desk, "SELECT * FROM review.lease") == []


def test_false_values_come_from_no_restricted_document(desk, review):
    with desk.begin() as conn:
        conn.execute(text("DELETE FROM pipeline.document WHERE document_id LIKE 'done%'"))
        letter(conn, "card", card_number(900), settled=True, form="insurance_card")
    with pytest.raises(NoSet):
        set_for(review)


# What is saved.


def test_what_is_not_marked_is_accepted_and_marked_and_false_ones_stay_as_they_are(desk, review):
    found = set_for(review)
    odd = [real(found)[3], real(found)[7], false(found)[0]]
    before = rows(desk, "SELECT document_id, field, value, rule FROM pipeline.field_value ORDER BY 1, 2")
    done = groups.save(review, "an", found.set_id, [one.tile.place for one in odd], "vi")
    accepted = {one.tile.document_id for one in real(found)} - {one.tile.document_id for one in odd}
    assert set(rows(desk, DECIDED)) == {(name, FIELD, "accept", "an") for name in accepted}
    after = rows(desk, "SELECT document_id, field, value, rule FROM pipeline.field_value ORDER BY 1, 2")
    changed = {
        (name, field, value, "reviewed") for name, field, value, _ in before if name in accepted and field == FIELD
    }
    assert set(after) - set(before) == changed
    assert {one.tile.tile.key for one in done.of(Outcome.ODD)} == {one.tile.key for one in odd[:2]}
    assert [one.written for one in done.missed] == [one.written for one in false(found)[1:]]
    assert done.checks == len(false(found))
    noted_now = rows(desk, "SELECT account_id, kind, document_id, caught FROM review.attention ORDER BY caught DESC")
    assert noted_now[0] == ("an", KIND, odd[2].tile.document_id, True)
    assert [row[3] for row in noted_now[1:]] == [False] * (len(false(found)) - 1)
    with desk.connect() as conn:
        assert audit.verify(conn) == []


def test_marked_documents_come_to_her_next_and_the_others_are_free(desk, review):
    found = set_for(review)
    marked = real(found)[5].tile
    groups.save(review, "an", found.set_id, [marked.place], "vi")
    assert rows(desk, "SELECT document_id, account_id FROM review.lease") == [(marked.document_id, "an")]
    with review.begin() as conn:
        assert queue.claim(conn, "an") == marked.document_id


def test_a_set_counts_as_work_done_and_not_as_pace(desk, review):
    found = set_for(review)
    groups.save(review, "an", found.set_id, [], "vi")
    with desk.begin() as conn:
        conn.execute(text("UPDATE pipeline.review_decision SET decided_at = now() + decision_id * interval '20 ms'"))
    with review.connect() as conn:
        day = progress(conn, "an", datetime.now(UTC) - timedelta(hours=1))
    assert (day.values, day.seconds) == (len(real(found)), None)


def test_a_set_that_was_saved_is_not_saved_again(desk, review):
    found = set_for(review)
    assert groups.save(review, "binh", found.set_id, [], "vi") is None
    assert groups.save(review, "an", found.set_id, range(24), "vi") is not None
    assert groups.save(review, "an", found.set_id, [], "vi") is None
    assert rows(desk, DECIDED) == [] and len(rows(desk, "SELECT 1 FROM review.attention")) == len(false(found))
    assert rows(desk, "SELECT * FROM review.group_tile") == []


def test_what_cannot_be_accepted_says_why_and_the_others_are_saved(desk, review):
    found = set_for(review)
    lost, changed, decided = (one.tile for one in real(found)[:3])
    with desk.begin() as conn:
        conn.execute(text("UPDATE review.lease SET account_id = 'binh', token = token + 1000 WHERE document_id = :id"),
                     {"id": lost.document_id})  # fmt: skip
        whole = stored(conn, changed.document_id)
        new = judged(f"p-{changed.document_id}", FIELD, KIND, card_number(77))
        documents.store_document(conn, BATCH, whole.model_copy(update={"values": (new, *whole.values[1:])}))
        groups.decide(conn, decided.task_id, "binh", Decision.ABSENT)
    done = groups.save(review, "an", found.set_id, [one.tile.place for one in false(found)], "vi")
    said = {one.tile.tile.document_id: one.why for one in done.of(Outcome.REFUSED)}
    assert said[lost.document_id] == say("groups.lost", "vi")
    assert said[changed.document_id] == said[decided.document_id] == say("groups.changed", "vi")
    assert len(said) == 3 and len(done.of(Outcome.ACCEPTED)) == len(real(found)) - 3
    assert rows(desk, "SELECT state FROM pipeline.review_task WHERE task_id = :id", id=lost.task_id) == [("open",)]
    assert (lost.document_id, "binh") in rows(desk, "SELECT document_id, account_id FROM review.lease")


def test_a_set_is_saved_in_one_order_with_an_officer_who_has_the_file(desk, review):
    found = set_for(review)
    tile = min(one.tile.document_id for one in real(found))
    with desk.begin() as conn, ThreadPoolExecutor(1) as runs:
        facts.lock_file(conn, tile)
        saving = runs.submit(groups.save, review, "an", found.set_id, [], "vi")
        until_it_waits(desk, saving)
        conn.execute(select(tables.document).where(tables.document.c.document_id == tile).with_for_update(nowait=True))
        conn.commit()
        assert len(saving.result().of(Outcome.ACCEPTED)) == len(real(found))


def test_a_set_comes_back_in_one_order_with_an_officer_who_has_a_file(desk, review):
    tiles = sorted(real(set_for(review)), key=lambda one: one.tile.document_id)
    with desk.begin() as conn, ThreadPoolExecutor(1) as runs:
        facts.lock_file(conn, tiles[5].tile.document_id)
        own = tables.document.c.document_id == tiles[5].tile.document_id
        conn.execute(select(tables.document).where(own).with_for_update())
        opening = runs.submit(set_for, review)
        until_it_waits(desk, opening)
        own = tables.document.c.document_id.in_([one.tile.document_id for one in tiles])
        conn.execute(select(tables.document).where(own).with_for_update(nowait=True))
        conn.commit()
        assert len(real(opening.result())) == len(tiles)


def until_it_waits(engine, run):
    """Until another transaction waits for a lock; what needs none is over instead."""
    with engine.connect() as conn:
        while not run.done() and not conn.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            time.sleep(0.05)


def test_what_a_check_refuses_stays_open_and_is_told(desk, review):
    born = {"field": "patient.birth_date", "kind": "birth_date"}
    with desk.begin() as conn:
        letter(conn, "sound", "1963-02-05", **born)
        letter(conn, "never", "1850-02-05", **born)
        letter(conn, "known", "1971-04-09", settled=True, **born)
    found = set_for(review, kind="birth_date")
    done = groups.save(review, "an", found.set_id, [], "vi")
    ((refused, why),) = [(one.tile.tile, one.why) for one in done.of(Outcome.REFUSED)]
    assert refused.document_id == "never" and why.startswith("Chưa lưu: Năm 1850")
    assert rows(desk, "SELECT state FROM pipeline.review_task WHERE task_id = :id", id=refused.task_id) == [("open",)]
    assert rows(desk, DECIDED) == [("sound", "patient.birth_date", "accept", "an")]


# Attention.


def note(engine, *caught, who="an", at=None):
    with engine.begin() as conn:
        own = {"account_id": who, "kind": KIND, "document_id": "d", "field": FIELD}
        conn.execute(insert(noted), [{**own, "caught": one, "shown_at": at or datetime.now(UTC)} for one in caught])


@pytest.mark.parametrize(
    ("caught", "closed"),
    [
        ([True] * 32 + [False] * 8, False), ([True] * 31 + [False] * 9, True), ([False] * 9 + [True] * 40, False),
        ([False] * 8, False), ([False] * 9, True), ([], False),
    ],
)  # fmt: skip
def test_fewer_than_80_percent_of_the_last_40_close_it_for_the_day(desk, review, caught, closed):
    for one in caught:
        note(desk, one)
    now = datetime.now(UTC)
    with review.connect() as conn:
        assert attention.closed(conn, "an", now - timedelta(hours=1)) is closed
        assert not attention.closed(conn, "an", now + timedelta(hours=1))  # Nothing was missed today.
        assert not attention.closed(conn, "binh", now - timedelta(hours=1))


def test_attention_is_that_of_the_last_30_days_by_officer(desk, review):
    note(desk, True, True, False)
    note(desk, False, at=datetime.now(UTC) - timedelta(days=31))
    note(desk, *[False] * 9, who="binh")
    with review.connect() as conn:
        assert attention.attention_of(conn, "an") == (3, 2)
        told = attention.by_officer(conn, datetime.now(UTC) - timedelta(hours=1))
    assert told == [("AN", 3, 2, False), ("BINH", 9, 0, True)]


def test_what_was_noted_is_never_changed(review):
    with review.connect() as conn, pytest.raises(Exception, match="permission denied"):
        conn.execute(update(noted).values(caught=True))


# The screens.


@pytest.fixture
def browser(desk, settings):
    """`browser(who)`: somebody signed in."""
    app = create_app(settings)

    def signed_in(who):
        client = TestClient(app, follow_redirects=False)
        with desk.begin() as conn:
            client.cookies.set(sessions.COOKIE, sessions.start(conn, who, 12))
        return client

    return signed_in


def tiles_of(html):
    return re.findall(r"<li><label class=\"tile\">.*?</label></li>", html, re.S)


def post(client, html, odd=(), kind=KIND):
    given = dict(re.findall(r'<input type="hidden" name="(csrf|set_id)" value="([^"]+)"', html))
    return client.post(f"/groups/{kind}", data={**given, "odd": [str(place) for place in odd]})


def test_nothing_in_the_page_tells_a_false_value(desk, browser):
    html = browser("an").get(f"/groups/{KIND}").text
    shown_tiles = tiles_of(html)
    bare = {re.sub(r'/crop/[\w-]+|value="\d+"|GD40\d+', "", tile) for tile in shown_tiles}
    assert len(shown_tiles) == 24 and len(bare) == 1
    checks = rows(desk, "SELECT place FROM review.group_tile WHERE task_id IS NULL")
    assert checks
    places = [int(re.search(r'name="odd" value="(\d+)"', tile)[1]) for tile in shown_tiles]
    lengths = {len(re.search(r"/crop/([\w-]+)", tile)[1]) for tile in shown_tiles}
    assert places == list(range(24)) and len(lengths) == 1
    assert not re.search(r"done\d\d|open\d\d", html)


def test_a_set_is_saved_from_the_screen_and_what_was_missed_is_told_with_the_truth(desk, browser):
    client = browser("an")
    html = client.get(f"/groups/{KIND}").text
    told = rows(desk, "SELECT place, document_id, value, task_id FROM review.group_tile ORDER BY place")
    marked = next(row for row in told if row[3])
    answer = post(client, html, [marked[0]])
    assert answer.status_code == 200 and f'href="/task/{marked[1]}"' in answer.text
    for _, document_id, value, task_id in told:
        if task_id is None:
            assert f"<del>{value}</del>" in answer.text
            assert f'<strong class="value">{card_number(900 + int(document_id[4:]))}</strong>' in answer.text
    assert f"trong {sum(row[3] is None for row in told)} ô kiểm tra" in answer.text
    assert len(rows(desk, DECIDED)) == sum(row[3] is not None for row in told) - 1
    again = post(client, html)
    assert say("groups.gone", "vi") in again.text and len(rows(desk, "SELECT 1 FROM review.attention")) < 4


def test_the_list_of_kinds_counts_what_waits(desk, browser):
    html = browser("an").get("/groups").text
    assert re.search(rf'href="/groups/{KIND}"[^>]*>Số thẻ BHYT</a></th><td class="number">30<', html)
    assert 'href="/groups" aria-current="page"' in html and "/groups/sex" not in html


def test_when_too_much_was_missed_a_sentence_stands_in_its_place(desk, browser):
    note(desk, *[False] * 9)
    answer = browser("an").get(f"/groups/{KIND}")
    assert "dưới 80 %" in answer.text and tiles_of(answer.text) == []
    assert len(tiles_of(browser("binh").get(f"/groups/{KIND}").text)) == 24


def test_an_officer_sees_her_own_attention_and_a_senior_everybodys(desk, browser):
    note(desk, True, False)
    note(desk, *[False] * 9, who="binh")
    assert "1 trên 2" in browser("an").get("/queue").text
    assert "BINH" not in browser("an").get("/groups").text
    told = browser("hoa").get("/groups").text
    assert re.search(r'AN</th><td class="number">2</td><td class="number">1</td><td class="number">50 %', told)
    assert re.search(r'BINH</th>.*?0 %</td><td><span class="tag warn">', told)


def test_a_set_is_kept_alive_and_given_back(desk, browser):
    client = browser("an")
    html = client.get(f"/groups/{KIND}").text
    csrf = {"csrf": re.search(r'name="csrf" value="([^"]+)"', html)[1]}
    with desk.begin() as conn:
        conn.execute(text("UPDATE review.lease SET until = now() + interval '1 s'"))
    assert client.post(f"/groups/{KIND}/renew", data=csrf).status_code == 204
    assert rows(desk, "SELECT count(*) FROM review.lease WHERE until < now() + interval '9 min'") == [(0,)]
    assert client.post("/groups/date/renew", data=csrf).status_code == 409
    assert client.post(f"/groups/{KIND}/give-back", data=csrf).headers["location"] == "/groups"
    assert rows(desk, "SELECT * FROM review.lease") == []


def test_who_does_not_review_has_no_way_here(desk, browser):
    with desk.begin() as conn:
        conn.execute(insert(account).values(account_id="it", name="it", role="it"))
    client = browser("it")
    assert [client.get(path).status_code for path in ("/groups", f"/groups/{KIND}")] == [403, 403]
    assert 'href="/groups"' not in client.get("/queue").text
    assert browser("an").get("/groups/long_text").status_code == 404
