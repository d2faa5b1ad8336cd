"""The pilot: every value keyed twice and blindly, on another hospital's files; what follows is that hospital's own."""

import json
import os
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pikepdf
import pytest
from fastapi.testclient import TestClient
from rich.console import Console
from sqlalchemy import func, insert, select
from typer.testing import CliRunner

from pipeline import contracts, database, ledger, pilot, steps, tables
from pipeline.cli import app
from pipeline.migrate import migrate_folder, wanted_batch
from pipeline.pilot import Keyed
from records.documents import JudgedValue, Verdict
from records.errors import SohoaError
from records.pages import Batch, MediaType
from reporting import pilot as page
from review import sessions
from review.app import create_app
from review.decisions import Decision, Refused, decide
from review.tables import account
from review.words import shown
from tests.test_review_decisions import READ, page_reading
from transformers.parsers import PARSERS
from validation.contract import NEVER, UNPROVEN, Basis
from validation.verdicts import agree

pytestmark = pytest.mark.slow

HOSPITAL, BATCH = "79001", "thí-điểm"
NAME, DISCHARGED = "patient.name", "encounter.discharged_at"
SAMPLES = Path(__file__).resolve().parents[1] / "sample_scans"
NOW = datetime(2026, 11, 26, tzinfo=UTC)


class Files:
    """Letters of a hospital that is not the demonstration, one file each, read by the running reader."""

    def __init__(self, owner, settings, store):
        self.owner, self.store, self.engine = owner, store, database.engine(settings, "review")

    def add(self, number, engine="", **read):
        said = READ | {"patient.id": f"1900000{number}", "encounter.number": f"19.00000{number}"} | read
        engine = engine or contracts.running_engine()
        with self.owner.begin() as conn:
            got = ledger.receive(conn, self.store, BATCH, f"{number}.png", uuid.uuid4().bytes, (MediaType.PNG, 1))
            page_id = ledger.page_id(got.receipt_id, 1)
            reading = page_reading(page_id, said)
            twice = [one.model_copy(update={"others": (one.raw,), "engine": engine}) for one in reading.readings]
            steps._keep(conn, page_id, 0, reading.model_copy(update={"readings": tuple(twice)}))
        steps.assemble(BATCH)
        steps.load(BATCH)

    def start(self):
        with self.owner.begin() as conn:
            return pilot.start(conn, BATCH, "test")

    def open(self):
        with self.owner.connect() as conn:
            query = select(tables.review_task).where(tables.review_task.c.state == "open")
            order = (tables.review_task.c.document_id, tables.review_task.c.field)
            return conn.execute(query.order_by(*order)).mappings().all()

    def key(self, who, truth=None, only=()):
        """One person goes through all that waits and types what the paper has: what was read, but for `truth`."""
        for task in self.open():
            if who in (task["first_by"], task["second_by"]) or (only and task["field"] not in only):
                continue
            with self.owner.connect() as conn:
                own = tables.field_value.c
                at = (own.document_id == task["document_id"]) & (own.field == task["field"])
                row = conn.execute(select(own.value, own.kind).where(at)).one_or_none()
            typed = (truth or {}).get(task["field"], shown(row.value, row.kind)) if row else truth[task["field"]]
            with self.engine.begin() as conn:
                decide(conn, task["task_id"], who, Decision.CORRECT, typed, insist=True)

    def keyed(self):
        with self.owner.connect() as conn:
            return pilot.keyed(conn, HOSPITAL)

    def report(self):
        with self.owner.connect() as conn:
            return page.report(conn, HOSPITAL, NOW)


@pytest.fixture
def files(clean, settings, store, tmp_path):
    with clean.begin() as conn:
        conn.execute(insert(tables.facility).values(facility_id=HOSPITAL, name="Bệnh viện Thử nghiệm"))
        ledger.open_batch(conn, Batch(batch_id=BATCH, facility=HOSPITAL, folder=str(tmp_path)))
        people = {"an": "officer", "binh": "officer", "chi": "senior"}
        conn.execute(insert(account), [{"account_id": n, "name": n, "role": r} for n, r in people.items()])
    made = Files(clean, settings, store)
    for number in (1, 2, 3):
        made.add(number)
    return made


def test_every_value_is_asked_of_two_and_again_after_a_second_start(files):
    fields = sum(len(one) for one in [READ] * 3)
    assert files.start() == fields == len(files.open())
    files.key("an")
    assert {task["stage"] for task in files.open()} == {"second"} and len(files.open()) == fields
    assert files.start() == fields and {task["first_by"] for task in files.open()} == {"an"}
    files.key("binh")
    assert files.open() == []
    assert len(files.keyed()) == fields and all(one.right for one in files.keyed())


def test_what_a_second_witness_had_settled_is_keyed_too_and_told_apart(files):
    files.add(4, engine="text_layer")
    with files.owner.connect() as conn:
        passed = conn.scalar(select(func.count()).where(tables.field_value.c.verdict == "accept"))
    assert passed == len(READ)
    assert files.start() == 4 * len(READ)
    for who in ("an", "binh"):
        files.key(who)
    told = files.report()
    assert (told.keyed, told.witnessed, told.witnessed_wrong) == (4 * len(READ), len(READ), 0)
    assert told.coverage == pytest.approx(1 / 4)


def test_what_is_not_read_yet_or_was_reviewed_is_no_pilot(files, tmp_path):
    with files.owner.begin() as conn:
        ledger.open_batch(conn, Batch(batch_id="leer", facility=HOSPITAL, folder=str(tmp_path)))
        with pytest.raises(SohoaError, match="no documents"):
            pilot.start(conn, "leer", "test")
    files.key("an", only=(NAME,))
    with files.owner.begin() as conn, pytest.raises(SohoaError, match="untouched"):
        pilot.start(conn, BATCH, "test")


def test_the_first_person_is_blind_too_and_accepts_nothing(files, settings, assets):
    files.start()
    task = next(one for one in files.open() if one["field"] == DISCHARGED)
    with files.engine.begin() as conn, pytest.raises(Refused):
        decide(conn, task["task_id"], "an", Decision.ACCEPT)
    with files.owner.begin() as conn:
        token = sessions.start(conn, "an", 12)
    client = TestClient(create_app(settings), follow_redirects=False)
    client.cookies.set(sessions.COOKIE, token)
    told = client.get(f"/task/{task['document_id']}").text
    assert 'data-field="encounter.discharged_at"' in told
    for read in ("TRẦN THỊ", "09/02/2019", "ruột thừa", "19.00000"):
        assert read.casefold() not in told.casefold()
    assert "/groups/" not in client.get("/groups").text  # No set shows what was read either.


def test_where_two_differ_a_senior_decides_and_the_machine_is_measured_by_that(files):
    files.start()
    files.key("an")
    files.key("binh", {NAME: "Trần Thị Mẫn"})
    assert {task["stage"] for task in files.open()} == {"senior"}
    files.key("chi", {NAME: "Trần Thị Mẫn"})
    wrong = [one for one in files.keyed() if not one.right]
    assert [one.field for one in wrong] == [NAME] * 3
    assert files.report().differed == 3


def test_a_pilot_of_few_values_changes_nothing_and_says_what_is_missing(files):
    files.start()
    with files.owner.begin() as conn, pytest.raises(SohoaError, match="still wait"):
        pilot.adopt(conn, HOSPITAL, "test")
    for who in ("an", "binh"):
        files.key(who)
    told = files.report()
    assert (told.files, told.pages, told.waiting, told.pages_per_file) == (3, 3, 0, 1.0)
    figures = next(one for one in told.families if one.family == "figures")
    assert figures.values and figures.passing == {"0.995": None, "0.999": None}
    assert figures.missing == {"0.995": 598 - figures.values, "0.999": 2995 - figures.values}
    with files.owner.begin() as conn:
        made = pilot.adopt(conn, HOSPITAL, "test")
        assert made.basis is Basis.OWN and {row.threshold for row in made.thresholds} == {NEVER}
        assert conn.scalar(select(func.count()).where(tables.pilot.c.ended_at.is_not(None))) == 1
        with pytest.raises(SohoaError, match="is over"):
            pilot.start(conn, BATCH, "test")


def test_values_of_another_software_are_not_counted(files, monkeypatch):
    files.start()
    for who in ("an", "binh"):
        files.key(who)
    monkeypatch.setattr(contracts, "running_fingerprint", lambda fields: "software=9.9.9")
    assert files.keyed() == []
    with files.owner.begin() as conn, pytest.raises(SohoaError, match="running software"):
        pilot.adopt(conn, HOSPITAL, "test")


def many(files, count, wrong):
    """Values like one that was keyed, with a spread of stated probabilities."""
    files.start()
    for who in ("an", "binh"):
        files.key(who)
    one = next(k for k in files.keyed() if k.field == DISCHARGED)
    judged = one.judged.model_copy(update={"witness": ""})
    return [
        Keyed(one.form, judged.model_copy(update={"confidence": 1 - at / 40_000}), at < count - wrong, True)
        for at in range(count)
    ]


def test_enough_right_values_give_a_threshold_of_the_hospitals_own(files, monkeypatch):
    values = many(files, 3200, wrong=0)
    monkeypatch.setattr(pilot, "keyed", lambda conn, facility: values)
    with files.owner.begin() as conn:
        assert contracts.contract_in_force(conn, HOSPITAL) == UNPROVEN
        pilot.adopt(conn, HOSPITAL, "test")
        found = contracts.contract_in_force(conn, HOSPITAL)
    assert found.basis is Basis.OWN
    figures = {row.target: row.threshold for row in found.thresholds if row.family == "figures"}
    assert max(figures.values()) < 1
    assert {row.family for row in found.thresholds} == {"figures"}  # What was not measured stays in review.


def test_witnessed_values_and_those_that_readers_or_checks_hold_back_are_no_evidence(files):
    values = many(files, 1, wrong=0)
    doubted = values[0].judged.model_copy(update={"rule": "check:real_day"})
    row = {"stage": "second", "decision": "correct", "normal": doubted.value.value}
    before = {"value": doubted.model_dump(mode="json"), "issues": []}
    held = pilot._keyed(values[0].form, [row, {**row, "stage": "first", "before": before}])
    assert held.right and not held.fit
    alone = JudgedValue.model_validate(
        doubted.model_copy(update={"rule": "unproven", "value": doubted.value.model_copy(update={"agreed": 0})})
    )
    before = {"value": alone.model_dump(mode="json"), "issues": []}
    assert not pilot._keyed(values[0].form, [row, {**row, "stage": "first", "before": before}]).fit
    seen = values[0]._replace(judged=values[0].judged.model_copy(update={"witness": "registry"}))
    assert pilot.measured([seen], pages=1).families == ()


def test_the_page_is_in_vietnamese_and_holds_what_a_director_asks(files, tmp_path):
    files.start()
    runner = CliRunner()
    told = runner.invoke(app, ["pilot", "report", "--facility", HOSPITAL, "--out", str(tmp_path / "r.html")])
    assert told.exit_code == 0, told.output
    assert "Chưa kết luận: còn 18 giá trị" in (tmp_path / "r.html").read_text("utf-8")
    for who in ("an", "binh"):
        files.key(who)
    written = page.page_of(files.report())
    for word in ("Bệnh viện Thử nghiệm", "26/11/2026", "2.995", "chưa đủ mẫu", "<svg", "10.000 hồ sơ (giả định"):
        assert word in written
    assert "http" not in written.replace("http-equiv", "")  # Nothing is fetched.
    told = json.loads(runner.invoke(app, ["pilot", "report", "--facility", HOSPITAL]).output)
    assert told["keyed"] == 18 and told["coverage"] < 1


def test_the_forecast_counts_what_the_registry_knows(files):
    files.start()
    for who in ("an", "binh"):
        files.key(who)
    with files.owner.begin() as conn:
        rows = [{"facility_id": HOSPITAL, "encounter_number": f"19.{n}", "patient_id": "1"} for n in range(40)]
        conn.execute(insert(tables.registry_stay), rows)
    told = files.report()
    assert (told.files_ahead, told.known) == (40, True)
    assert told.hours_without == pytest.approx(40 * 6 * told.seconds / 3600, abs=0.06)


def test_documents_of_a_finished_pilot_are_loaded_as_two_have_them(files):
    files.start()
    for who in ("an", "binh"):
        files.key(who, {DISCHARGED: "08:00 07/02/2019"})
    with files.owner.connect() as conn:
        verdicts = set(conn.scalars(select(tables.document.c.verdict)))
        rules = set(conn.scalars(select(tables.field_value.c.rule).where(tables.field_value.c.field == DISCHARGED)))
    assert verdicts == {Verdict.ACCEPT} and rules == {"reviewed_by_two"}


@pytest.mark.slow
def test_real_pages_keyed_by_two_simulated_officers(clean, settings, tmp_path):
    """A letter of the samples, read by the machine; who keys it types the truth, and one of them errs once."""
    folder = tmp_path / "scans"
    folder.mkdir()
    with pikepdf.open(SAMPLES / "files" / "file_01.pdf") as whole, pikepdf.new() as part:
        part.pages.append(whole.pages[0])
        part.save(folder / "file_01.pdf")
    os.utime(folder / "file_01.pdf", (time.time() - 3600,) * 2)
    truth = json.loads((SAMPLES / "files" / "file_01.truth.json").read_text("utf-8"))[0]
    written = {one["name"]: one["shown"] for one in truth["fields"]}
    with clean.begin() as conn:
        conn.execute(insert(tables.facility).values(facility_id=HOSPITAL, name="Bệnh viện Thử nghiệm"))
        people = {"an": "officer", "binh": "officer", "chi": "senior"}
        conn.execute(insert(account), [{"account_id": n, "name": n, "role": r} for n, r in people.items()])
    migrate_folder(wanted_batch(folder, BATCH, HOSPITAL), 1, Console(quiet=True))
    files = Files(clean, settings, None)
    assert files.start() >= 15
    files.key("an", written)
    files.key("binh", written | {"encounter.bed": "14"})
    files.key("chi", written)
    assert files.open() == []
    keyed, told = files.keyed(), files.report()
    assert told.keyed == len(keyed) >= 15 and told.differed == 1 and told.pages == 1
    for one in keyed:
        assert one.right == agree(one.judged.value.value, PARSERS[one.judged.value.kind](written[one.field]),
                                  one.judged.value.kind)  # fmt: skip
    with clean.begin() as conn:
        assert {row.threshold for row in pilot.adopt(conn, HOSPITAL, "test").thresholds} == {NEVER}
