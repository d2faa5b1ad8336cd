"""Blind samples: drawn by strata, keyed without sight of the machine's value, weighed, and what they find corrected."""

import json
import random
import uuid
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from scipy.stats import binomtest
from sqlalchemy import insert, select, text, update
from typer.testing import CliRunner

from pipeline import contracts, database, drift, filing, ledger, sampling, steps, tables
from pipeline.cli import app
from pipeline.contracts import DRIFT
from pipeline.drift import Seen, drifted
from records.documents import ValidatedDocument, Verdict
from records.errors import SohoaError
from records.pages import MediaType
from review import samples, sessions
from review.app import create_app
from review.decisions import Decision, Refused, decide
from review.look_alikes import misread
from review.samples import Asker
from review.tables import account
from tests.builders import contract
from tests.conftest import INSTALLED_ASSETS, served
from tests.test_review_decisions import READ, page_reading
from validation.contract import NEVER

pytestmark = pytest.mark.slow

ADMITTED, DISCHARGED, NAME = "encounter.admitted_at", "encounter.discharged_at", "patient.name"
CHROMIUM = Path("/usr/bin/chromium")
AXE = INSTALLED_ASSETS / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OFFICER, SENIOR = Asker("an", False), Asker("chi", True)
READ_AS, TRUTH = "2019-02-09T08:00", "08:00 07/02/2019"


class Box:
    """Discharge letters that were read alike by two readers, so that they pass; their values as samples."""

    def __init__(self, owner, settings, batch_id, store):
        self.owner, self.batch_id, self.store = owner, batch_id, store
        self.engine = database.engine(settings, "review")

    def letter(self, number, doubtful=(), **read):
        said = READ | {"patient.id": f"1900000{number}", "encounter.number": f"19.00000{number}"} | read
        with self.owner.begin() as conn:
            given = ledger.receive(
                conn, self.store, self.batch_id, f"{number}.png", uuid.uuid4().bytes, (MediaType.PNG, 1)
            )
            page_id = ledger.page_id(given.receipt_id, 1)
            reading = page_reading(page_id, said)
            twice = tuple(
                one.model_copy(update={"others": () if one.field in doubtful else (one.raw,)})
                for one in reading.readings
            )
            steps._keep(conn, page_id, 0, reading.model_copy(update={"readings": twice}))
        steps.assemble(self.batch_id)
        steps.load(self.batch_id)
        with self.owner.connect() as conn:
            return conn.scalar(select(tables.page.c.document_id).where(tables.page.c.page_id == page_id))

    def draw(self, share=1.0, seed=1):
        with self.owner.begin() as conn:
            sampling.set_share(conn, "DEMO", share, "", "", "test")
        with self.owner.begin() as conn:
            return sampling.draw(conn, self.batch_id, random.Random(seed))

    def answer(self, document_id, field, who, decision=Decision.CORRECT, typed=""):
        with self.engine.begin() as conn:
            samples.answer(conn, document_id, field, who, decision, typed)

    def sample(self, document_id, field):
        with self.owner.connect() as conn:
            own = (tables.sample.c.document_id == document_id) & (tables.sample.c.field == field)
            return conn.execute(select(tables.sample).where(own)).mappings().one_or_none()

    def value(self, document_id, field):
        with self.owner.connect() as conn:
            query = select(tables.document.c.validated).where(tables.document.c.document_id == document_id)
            validated = ValidatedDocument.model_validate(conn.scalar(query))
        return next(v for v in validated.values if v.value.field == field)

    def in_emr(self, document_id, field):
        query = "SELECT value FROM emr.provenance WHERE document_id = :document AND field = :field"
        with self.owner.connect() as conn:
            return conn.scalar(text(query), {"document": document_id, "field": field})

    def rows(self, table):
        with self.owner.connect() as conn:
            return conn.execute(select(table)).mappings().all()


@pytest.fixture
def box(clean, settings, store, batch, monkeypatch):
    for module in (filing, sampling):
        monkeypatch.setattr(module, "contract_in_force", lambda conn, facility: contract())
    with clean.begin() as conn:
        names = {"an": "officer", "binh": "officer", "chi": "senior", "dao": "senior"}
        conn.execute(insert(account), [{"account_id": n, "name": n, "role": r} for n, r in names.items()])
    return Box(clean, settings, batch, store)


# Drawing.


def test_every_accepted_value_comes_by_once_and_is_in_the_sample_with_its_probability(box):
    first = box.letter(1)
    assert box.draw(1.0) == len(box.rows(tables.sample)) > 3
    assert box.draw(1.0) == 0
    one = box.sample(first, DISCHARGED)
    assert (one["value"], one["rule"], one["probability"], one["state"]) == (READ_AS, "confidence", 1.0, "asked")
    assert (one["scanner"], one["family"], one["target"]) == ("png 300", "figures", 0.999)


def test_a_batch_draws_its_samples_when_it_is_accounted_for_and_the_command_tells_what_they_say(box):
    runner = CliRunner()
    assert runner.invoke(app, ["sample", "share", "100"]).exit_code == 0
    letter = box.letter(1)
    steps.account(box.batch_id)
    assert len(box.rows(tables.sample)) == len(READ)
    box.answer(letter, DISCHARGED, OFFICER, typed="08:00 09/02/2019")
    with box.owner.begin() as conn:
        task = {"task_id": "t", "batch_id": box.batch_id, "document_id": letter, "field": ADMITTED, "reason": "x"}
        conn.execute(insert(tables.review_task).values(task | {"state": "open"}))
    with box.engine.begin() as conn:
        decide(conn, "t", "an", Decision.CORRECT, "08:00 02/02/2019")
    told = json.loads(runner.invoke(app, ["sample", "accuracy", "--by", "scanner", "--json"]).output)
    assert [(t["group"], t["samples"], t["wrong"], t["review_settled"], t["review_corrected"]) for t in told] == [
        ("png 300", 1, 0, 1, 1)
    ]


def test_a_stratum_gives_its_share_to_within_one_value(box):
    documents = [box.letter(n) for n in range(1, 8)]
    box.draw(0.4, seed=7)
    for row in box.rows(tables.sample_stratum):
        own = [one for one in box.rows(tables.sample) if one["field"] == row["field"]]
        assert row["seen"] <= len(documents) and abs(len(own) - 0.4 * row["seen"]) < 1
    assert {one["probability"] for one in box.rows(tables.sample)} == {0.4}


def test_each_value_is_as_likely_as_its_share_says():
    """Over many random starts; 5 of 25 values, so each of them about every fifth time."""
    counts = [0] * 25
    for start in range(400):
        passed = random.Random(start).random()
        for at in range(25):
            counts[at] += int(passed + 0.2) > int(passed)
            passed += 0.2
    assert all(binomtest(one, 400, 0.2).pvalue > 0.001 for one in counts)


def test_the_share_of_a_field_counts_before_that_of_its_form(box):
    with box.owner.begin() as conn:
        sampling.set_share(conn, "DEMO", 0.0, "discharge_letter", "", "test")
        sampling.set_share(conn, "DEMO", 1.0, "", ADMITTED, "test")
    letter = box.letter(1)
    with box.owner.begin() as conn:
        sampling.draw(conn, box.batch_id, random.Random(1))
    assert {(one["document_id"], one["field"]) for one in box.rows(tables.sample)} == {(letter, ADMITTED)}
    with box.owner.begin() as conn, pytest.raises(SohoaError, match="between 0 and 100"):
        sampling.set_share(conn, "DEMO", 1.5, "", "", "test")


def test_values_that_a_person_settled_are_not_sampled_and_the_restricted_not_shown(box):
    letter = box.letter(1)
    with box.owner.begin() as conn:
        conn.execute(update(tables.document).values(restricted=True))
    assert box.draw(1.0) == 0
    with box.owner.begin() as conn:
        conn.execute(update(tables.document).values(restricted=False))
    box.draw(1.0)
    with box.owner.begin() as conn:
        conn.execute(update(tables.field_value).values(rule="reviewed"))
        assert samples.next_document(conn, OFFICER) is None
    assert box.sample(letter, NAME)["state"] == "asked"


# Answers.


def test_who_agrees_settles_it_and_nothing_is_changed(box):
    letter = box.letter(1)
    box.draw()
    before = box.value(letter, DISCHARGED)
    box.answer(letter, DISCHARGED, OFFICER, typed="8h00 ngày 09/02/2019")
    one = box.sample(letter, DISCHARGED)
    assert (one["state"], one["agreed"], one["was_right"], one["officer"]) == ("settled", True, True, "an")
    assert box.value(letter, DISCHARGED) == before
    with pytest.raises(Refused):
        box.answer(letter, DISCHARGED, Asker("binh", False), typed=TRUTH)


def test_the_officer_may_be_the_one_who_is_wrong(box):
    letter = box.letter(1)
    box.draw()
    before = box.value(letter, DISCHARGED)
    box.answer(letter, DISCHARGED, OFFICER, typed=TRUTH)
    assert box.sample(letter, DISCHARGED)["state"] == "senior" and box.value(letter, DISCHARGED) == before
    box.answer(letter, DISCHARGED, SENIOR, typed="08:00 09/02/2019")
    one = box.sample(letter, DISCHARGED)
    assert (one["agreed"], one["was_right"], one["settled_by"]) == (False, True, "chi")
    assert box.value(letter, DISCHARGED) == before


def test_no_senior_settles_her_own_answer_and_no_officer_at_all(box):
    letter = box.letter(1)
    box.draw()
    box.answer(letter, DISCHARGED, SENIOR, typed=TRUTH)
    for who in (SENIOR, OFFICER):
        with pytest.raises(Refused):
            box.answer(letter, DISCHARGED, who, typed=TRUTH)
    box.answer(letter, DISCHARGED, Asker("dao", True), typed=TRUTH)
    assert box.sample(letter, DISCHARGED)["was_right"] is False


def test_a_wrong_value_is_corrected_in_the_emr_by_those_two(box):
    letter = box.letter(1)
    box.draw()
    assert box.in_emr(letter, DISCHARGED) == READ_AS
    box.answer(letter, DISCHARGED, OFFICER, typed=TRUTH)
    box.answer(letter, DISCHARGED, SENIOR, typed=TRUTH)
    steps.load(box.batch_id)
    assert box.in_emr(letter, DISCHARGED) == "2019-02-07T08:00"
    assert box.value(letter, DISCHARGED).rule == "reviewed"
    [decision] = box.rows(tables.review_decision)
    assert decision["before"]["value"]["value"]["value"] == READ_AS
    assert [e["action"] for e in box.rows(tables.event)][-4:].count("sample:settle") == 1


def test_the_emr_is_corrected_though_another_value_of_the_document_still_waits(box):
    letter = box.letter(1, doubtful=("diagnosis.main",))
    box.draw()
    for who in (OFFICER, SENIOR):
        box.answer(letter, DISCHARGED, who, typed=TRUTH)
    steps.load(box.batch_id)
    assert box.in_emr(letter, DISCHARGED) == "2019-02-07T08:00"
    assert [t["field"] for t in box.rows(tables.review_task) if t["state"] == "open"] == ["diagnosis.main"]


def test_the_checks_of_the_form_hold_for_what_a_sample_corrects(box):
    letter = box.letter(1)
    box.draw()
    box.answer(letter, DISCHARGED, OFFICER, typed="08:00 01/01/2019")
    with pytest.raises(Refused) as refused:
        box.answer(letter, DISCHARGED, SENIOR, typed="08:00 01/01/2019")
    assert refused.value.insist and box.sample(letter, DISCHARGED)["state"] == "senior"


def test_a_value_that_nobody_can_read_was_wrong_to_pass(box):
    letter = box.letter(1)
    box.draw()
    for who in (OFFICER, SENIOR):
        box.answer(letter, DISCHARGED, who, Decision.UNREADABLE)
    assert box.sample(letter, DISCHARGED)["was_right"] is False
    assert box.value(letter, DISCHARGED).verdict is Verdict.REJECT


def test_the_letters_that_were_misread():
    assert misread("2019-02-09", "2019-02-07") == {"9"}
    assert misread("12.5", "125") == {"."}
    assert misread("130", "1300") == {"0"}


def test_look_alikes_are_asked_again_and_others_are_not(box):
    wrong, alike = box.letter(1), box.letter(2)
    unlike = box.letter(3, **{DISCHARGED: "08 giờ 00 phút, ngày 02 tháng 03 năm 2020"})
    box.draw()
    for who in (OFFICER, SENIOR):
        box.answer(wrong, DISCHARGED, who, typed=TRUTH)
    assert box.value(alike, DISCHARGED).rule == "look_alike"
    assert box.value(unlike, DISCHARGED).verdict is box.value(alike, NAME).verdict is Verdict.ACCEPT
    open_now = [(t["document_id"], t["field"]) for t in box.rows(tables.review_task) if t["state"] == "open"]
    assert (alike, DISCHARGED) in open_now and (unlike, DISCHARGED) not in open_now


# Weighing.


def found(*groups):
    return [sampling.Found(at >= wrong, p) for count, wrong, p in groups for at in range(count)]


def test_equal_weights_have_the_interval_of_clopper_and_pearson():
    one = sampling.estimate("x", found((600, 3, 0.02)))
    exact = binomtest(597, 600).proportion_ci(method="exact")
    assert (one.low, one.high) == pytest.approx((exact.low, exact.high)) and one.method == "Clopper-Pearson"


def test_what_was_sampled_less_weighs_more():
    one = sampling.estimate("x", found((100, 10, 0.1), (100, 0, 1.0)))
    assert one.share == pytest.approx(1 - 100 / 1100) and one.method == "Wilson"
    effective = 1100**2 / (100 * 100 + 100)
    score = binomtest(round(one.share * 1000), 1000).proportion_ci(method="wilson")
    assert sampling.wilson(round(one.share * 1000) / 1000, 1000) == pytest.approx((score.low, score.high), abs=1e-6)
    assert (one.low, one.high) == pytest.approx(sampling.wilson(one.share, effective))


def test_what_a_senior_has_not_seen_counts_as_wrong(box):
    letter = box.letter(1)
    box.draw()
    box.answer(letter, DISCHARGED, OFFICER, typed=TRUTH)
    box.answer(letter, ADMITTED, OFFICER, typed="08:00 01/02/2019")
    with box.owner.connect() as conn:
        by = {one.group: one for one in sampling.accuracy_by(conn, "DEMO", "field")}
        assert {sampling.accuracy_by(conn, "DEMO", by)[0].group for by in ("scanner", "edition", "week", "")} >= {"all"}
        with pytest.raises(SohoaError, match="told apart"):
            sampling.accuracy_by(conn, "DEMO", "moon")
    assert (by[DISCHARGED].wrong, by[ADMITTED].wrong, by[NAME].waiting) == (1, 0, 1)


# Drift.


def seen(rate, target, count, seed):
    rng = random.Random(seed)
    return [Seen(rng.random() >= rate, target) for _ in range(count)]


@pytest.mark.parametrize(("target", "within"), [(0.995, 200), (0.999, 1000)])
def test_ten_times_the_errors_are_seen_within_the_stated_number_of_samples(target, within):
    planted = [drifted(seen(10 * (1 - target), target, within, seed)) > 0 for seed in range(300)]
    assert sum(planted) >= 0.87 * len(planted)


@pytest.mark.parametrize(("target", "count"), [(0.995, 1000), (0.999, 2000)])
def test_at_the_rate_of_the_target_hardly_ever_an_alarm(target, count):
    false = [drifted(seen(1 - target, target, count, seed)) > 0 for seed in range(150)]
    assert sum(false) <= 0.05 * len(false)


def planted(conn, batch_id, wrong, right):
    row = {
        "facility_id": "DEMO", "batch_id": batch_id, "document_type": "discharge_letter", "edition": "tt56",
        "scanner": "png 300", "software": "s", "engine": "e", "kind": "moment", "family": "figures",
        "rule": "confidence", "value": "x", "confidence": 1.0, "target": 0.995, "probability": 0.02, "field": "f",
        "state": "settled",
    }  # fmt: skip
    rows = [row | {"document_id": f"d{at}", "was_right": at >= wrong} for at in range(wrong + right)]
    conn.execute(insert(tables.sample), rows)
    conn.execute(update(tables.sample).values(settled_at=text("clock_timestamp()")))


def test_an_alarm_stops_the_family_alone_until_a_senior_opens_it_for_a_reason(conn, batch, settings):
    before = {row.family: row.threshold for row in contracts.contract_in_force(conn, "DEMO").thresholds}
    planted(conn, batch, wrong=0, right=40)
    assert not drift.watch(conn, "DEMO", "figures", "d1")
    conn.execute(tables.sample.delete())
    planted(conn, batch, wrong=4, right=0)
    assert drift.watch(conn, "DEMO", "figures", "d1") and not drift.watch(conn, "DEMO", "figures", "d1")
    stopped = contracts.contract_in_force(conn, "DEMO")
    assert {(r.threshold, r.objection) for r in stopped.thresholds if r.family == "figures"} == {(NEVER, DRIFT)}
    assert {r.family: r.threshold for r in stopped.thresholds if r.family != "figures"} == {
        family: threshold for family, threshold in before.items() if family != "figures"
    }
    assert "ngừng tự nhận" in conn.scalar(select(tables.issue.c.message))
    assert conn.scalars(select(tables.event.c.action)).all() == ["drift:alarm"]
    [alarm] = drift.open_alarms(conn, "DEMO")
    assert (alarm.samples, alarm.wrong) == (4, 4)
    drift.reopen(conn, alarm.alarm_id, "chi", "đã sửa máy quét")
    assert {r.family: r.threshold for r in contracts.contract_in_force(conn, "DEMO").thresholds} == before
    assert not drift.watch(conn, "DEMO", "figures", "d1"), "errors before the reopening count no more"
    with pytest.raises(SohoaError, match="not stopped"):
        drift.reopen(conn, alarm.alarm_id, "chi", "đã sửa máy quét")


def test_errors_found_by_samples_raise_the_alarm(box):
    letters = [box.letter(n) for n in range(1, 4)]
    box.draw()
    for letter in letters:
        for who in (OFFICER, SENIOR):
            if box.value(letter, DISCHARGED).rule == "confidence":
                box.answer(letter, DISCHARGED, who, typed=TRUTH)
            elif who is OFFICER:
                with pytest.raises(Refused):
                    box.answer(letter, DISCHARGED, who, typed=TRUTH)
    assert box.rows(tables.drift_alarm) == []  # One error alone; its look-alikes are asked already.
    with box.owner.begin() as conn:
        planted(conn, box.batch_id, wrong=4, right=0)
    letter = box.letter(9)
    box.draw()
    for who in (OFFICER, SENIOR):
        box.answer(letter, ADMITTED, who, typed="08:00 03/02/2019")
    [alarm] = box.rows(tables.drift_alarm)
    assert alarm["family"] == "figures"


# The screen.


@pytest.fixture
def browser(box, settings, assets):
    def signed_in(account_id):
        with box.owner.begin() as conn:
            token = sessions.start(conn, account_id, 12)
        client = TestClient(create_app(settings), follow_redirects=False)
        client.cookies.set(sessions.COOKIE, token)
        client.headers["X-CSRF-Token"] = client.get("/samples").text.split('name="csrf" content="')[1].split('"')[0]
        return client

    return signed_in


def test_an_officer_sees_nothing_of_what_was_read_and_types_it_by_keyboard_alone(box, browser):
    letter = box.letter(1)
    box.draw()
    client = browser("an")
    assert 'href="/samples"' in client.get("/queue").text
    assert client.post("/samples/next").headers["location"] == f"/samples/{letter}"
    shown = client.get(f"/samples/{letter}").text
    assert "Alt+U" not in shown, "there is no file behind a sample"
    for read in ("THỊ MẪU", "09/02/2019", "2019-02-09", "ruột thừa", "19000001", "19.000001"):
        assert read.casefold() not in shown.casefold()
    told = client.post(f"/samples/{letter}/field/{DISCHARGED}", data={"value": TRUTH})
    assert told.status_code == 200 and "đã ghi" in told.text and "09/02" not in told.text
    assert client.post(f"/samples/{letter}/field/{NAME}", data={"value": ""}).status_code == 422
    assert client.post(f"/samples/{letter}/renew").status_code == 204


def test_a_senior_sees_two_readings_and_not_whose_they_are(box, browser):
    letter = box.letter(1)
    box.draw()
    box.answer(letter, DISCHARGED, OFFICER, typed=TRUTH)
    assert "07/02/2019" not in browser("binh").get(f"/samples/{letter}").text
    client = browser("chi")
    shown = client.get(f"/samples/{letter}").text
    assert "07/02/2019" in shown and "09/02/2019" in shown
    first = shown.index("07/02/2019") < shown.index("09/02/2019")
    taken = {"decision": "first" if first else "second"}
    assert client.post(f"/samples/{letter}/field/{DISCHARGED}", data=taken).status_code == 200
    assert box.value(letter, DISCHARGED).value.value == "2019-02-07T08:00"


def test_only_a_senior_reopens_a_family_and_says_why(box, browser):
    with box.owner.begin() as conn:
        planted(conn, box.batch_id, wrong=4, right=0)
        drift.watch(conn, "DEMO", "figures", "d1")
    assert "Đã ngừng tự nhận" in browser("an").get("/samples").text
    assert browser("an").post("/samples/alarm/1", data={"reason": "đã sửa máy quét"}).status_code == 403
    client = browser("chi")
    assert client.post("/samples/alarm/1", data={"reason": "ngắn"}).status_code == 422
    assert client.post("/samples/alarm/1", data={"reason": "đã sửa máy quét"}).status_code == 303
    assert "Đã ngừng tự nhận" not in client.get("/samples").text


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1366, 768), (1093, 614)])  # the second: the first at 125 %
def test_the_screens_are_for_everybody(box, settings, assets, size, tmp_path):
    """axe finds nothing, nothing runs past the screen's edge, no policy is broken; a value is keyed by keyboard."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is not installed; ./run test installs it")
    letter = box.letter(1)
    box.draw()
    box.answer(letter, DISCHARGED, OFFICER, typed=TRUTH)
    with box.owner.begin() as conn:
        planted(conn, box.batch_id, wrong=4, right=20)
        conn.execute(insert(tables.drift_alarm).values(facility_id="DEMO", family="figures", samples=24, wrong=4))
        token = sessions.start(conn, "chi", 12)
    with served(create_app(settings)) as address, playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
        context.add_cookies([{"name": sessions.COOKIE, "value": token, "url": address}])
        page, told = context.new_page(), []
        page.on("console", lambda line: told.append(line.text) if "Content Security Policy" in line.text else None)
        for path in ("/samples", f"/samples/{letter}"):
            page.goto(f"{address}{path}")
            page.screenshot(path=tmp_path / f"{path.count('/')}-{size[0]}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            page.evaluate(AXE.read_text(encoding="utf-8"))
            assert page.evaluate("rules => axe.run(rules)", RULES)["violations"] == []
        page.locator(f"[data-field='{ADMITTED}'] input[name=value]").focus()
        page.keyboard.type("08:00 01/02/2019")
        page.keyboard.press("Enter")
        page.wait_for_function("f => document.querySelector(`[data-field='${f}']`).matches('.done')", arg=ADMITTED)
        page.screenshot(path=tmp_path / f"3-{size[0]}.png", full_page=True)
        assert told == []
        chromium.close()
    assert box.sample(letter, ADMITTED)["was_right"] is True
