"""`sohoa migrate` as the hospital runs it: its result, its repeats, its sudden death, and what it never says aloud."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from pathlib import Path

import pikepdf
import psutil
import pytest
import zxingcpp
from PIL import Image
from sqlalchemy import create_engine, text

from pipeline import database
from pipeline.settings import Settings
from records.separators import with_check

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_scans"
SOHOA = Path(sys.executable).with_name("sohoa")
OUTSIDE = ("SOHOA_DATABASE_URL", "SOHOA_AIRFLOW_DATABASE_URL", "SOHOA_STORE_KEY", "SOHOA_AUDIT_KEY")
BATCH = "box-17"
STATES = {"loaded", "in_review", "blank", "duplicate", "separator", "quarantined", "superseded", "withdrawn"}
SKIPPED = {".hidden.pdf": "hidden", "notes.txt": "not_a_scan", "old/page.png": "ignored"}
# Every page that is handed in: (file, page) -> (state, document type, rotation).
PAGES = {
    ("blank.jpg", 1): ("blank", "blank", 0),
    ("empty.pdf", 0): ("quarantined", "", 0),
    ("encrypted.pdf", 0): ("quarantined", "", 0),
    ("not_a_pdf.pdf", 0): ("quarantined", "", 0),
    ("separator.png", 1): ("separator", "separator", 0),
    ("sub/liễu.pdf", 1): (None, "discharge_letter", 0),
    ("sub/liễu.pdf", 2): (None, "lab_report", 0),
    ("nhàn.pdf", 1): ("loaded", "discharge_letter", 0),
    ("nhàn.pdf", 2): ("loaded", "lab_report", 0),
    ("truncated.jpg", 0): ("quarantined", "", 0),
    ("bản gốc.jpg", 1): (None, "discharge_letter", 180),
    ("tuyết again.jpg", 1): ("duplicate", "", 0),
}
PEOPLE = ("NGUYỄN KIM LIỄU", "HOÀNG DIỆU NHÀN", "ĐỖ NGỌC TUYẾT")
SECRETS = (
    *PEOPLE, "19666357", "21663461", "24289931", "19.013225", "21.027319", "24.031788", "DN4202010282429",
    "HT3191910686060", "2650012336", "020157170713", "1957-01-02", "Ung thư",
)  # fmt: skip


# What each page that was read was read by.
ENGINES = {"blank.jpg": "sohoa", "sub/liễu.pdf": "sohoa", "bản gốc.jpg": "sohoa", "nhàn.pdf": "text_layer"}
ENGINES |= {"separator.png": "zxing-cpp"}


def split(source: str, numbers: tuple[int, ...], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pikepdf.open(SAMPLES / source) as whole, pikepdf.new() as part:
        for number in numbers:
            part.pages.append(whole.pages[number - 1])
        part.save(path, deterministic_id=True)


def separator(path: Path) -> None:
    """A separator sheet of A4 at 150 dpi."""
    code = zxingcpp.create_barcode(with_check("KHO-07/0012"), zxingcpp.BarcodeFormat.Code128)
    sheet = Image.new("L", (1240, 1754), 255)
    sheet.paste(Image.fromarray(zxingcpp.write_barcode_to_image(code, scale=3)), (120, 200))
    sheet.save(path)


def rest(folder: Path) -> None:
    """Make all files an hour old: intake waits for those that were written just now."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - 3600,) * 2)


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A folder with good, bad, doubled and skipped files."""
    folder = tmp_path_factory.mktemp("shelf") / "box"
    split("files/file_01.pdf", (9, 2), folder / "sub" / "liễu.pdf")
    split("born_digital.pdf", (1, 2), folder / "nhàn.pdf")
    for name in ("empty.pdf", "encrypted.pdf", "not_a_pdf.pdf", "truncated.jpg"):
        shutil.copy(SAMPLES / "awkward" / name, folder / name)
    shutil.copy(SAMPLES / "awkward" / "blank_page.jpg", folder / "blank.jpg")
    separator(folder / "separator.png")
    for name in ("bản gốc.jpg", "tuyết again.jpg"):
        shutil.copy(SAMPLES / "awkward" / "upside_down.jpg", folder / name)
    shutil.copy(folder / "nhàn.pdf", folder / ".hidden.pdf")
    (folder / "notes.txt").write_text("19666357", encoding="utf-8")
    (folder / "old").mkdir()
    (folder / "old" / "page.png").write_bytes(b"x")
    (folder / ".sohoaignore").write_text("old/*.png\n", encoding="utf-8")
    rest(folder)
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
    return kept | {"SOHOA_HOME": str(home), "SOHOA_WORKERS": "2"} | more


def command(folder: Path, result: Path, batch: str = BATCH) -> list[str]:
    return [str(SOHOA), "migrate", str(folder), "--batch", batch, "--json", str(result)]


def run(home: Path, folder: Path, result: Path, batch: str = BATCH):
    return subprocess.run(
        command(folder, result, batch), env=environment(home), capture_output=True, text=True, timeout=300
    )


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The SOHOA_HOME of the undisturbed run, with its server running until the end of the module."""
    chosen = Path(tempfile.mkdtemp(prefix="sohoa-test-"))  # pytest's folders are closed to PostgreSQL's user.
    yield chosen
    database.stop(Settings(home=chosen, database_url=""))
    shutil.rmtree(chosen, ignore_errors=True)


@pytest.fixture(scope="module")
def emr(home):
    """An engine on the database of the undisturbed run."""
    chosen = Settings(home=home, database_url="")
    database.migrate(chosen)
    return create_engine(database.connect_url(chosen))


@pytest.fixture(scope="module")
def first(home, emr, box, tmp_path_factory):
    """The finished process of the undisturbed run and the path of its result."""
    result = tmp_path_factory.mktemp("result") / "result.json"
    return run(home, box, result), result


def rows(engine, query: str, **values) -> list:
    with engine.connect() as conn:
        return list(conn.execute(text(query), values).mappings())


def versions(engine, schema: str) -> dict[str, list]:
    """Every row of a schema with the transaction that wrote it."""
    names = rows(engine, f"SELECT tablename AS name FROM pg_tables WHERE schemaname = '{schema}' ORDER BY 1")
    query = "SELECT xmin::text AS version, to_jsonb(t)::text AS row FROM {}.{} AS t ORDER BY 2"
    return {r["name"]: [tuple(v.values()) for v in rows(engine, query.format(schema, r["name"]))] for r in names}


def without_seconds(result: dict) -> dict:
    return result | {"pages": [{k: v for k, v in page.items() if k != "seconds"} for page in result["pages"]]}


def all_fields(result: dict) -> list[dict]:
    return [field for page in result["pages"] for field in page["fields"]]


# The result, as RESULT.md promises it.


@pytest.mark.slow
def test_bad_files_beside_good_ones_cost_nothing_but_themselves(first):
    done, _ = first
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "The ledger balances." in done.stdout


@pytest.mark.slow
def test_every_page_that_was_handed_in_appears_once_with_its_state_type_and_turn(first):
    pages = read(first[1])["pages"]
    assert Counter((p["file"], p["page"]) for p in pages) == Counter(PAGES.keys())
    for page in pages:
        state, kind, turn = PAGES[page["file"], page["page"]]
        assert page["state"] == state or (state is None and page["state"] in ("loaded", "in_review")), page["file"]
        assert (page["document_type"], page["rotation"]) == (kind, turn), page["file"]


@pytest.mark.slow
def test_the_batch_breaks_no_rule_of_its_suites(first, emr):
    broken = "SELECT check_name, field FROM pipeline.issue WHERE check_name ~ '^(batch|warning):'"
    assert rows(emr, broken) == [] and [r["state"] for r in rows(emr, "SELECT state FROM pipeline.batch")] == ["open"]


@pytest.mark.slow
def test_the_totals_add_up(first):
    result = read(first[1])
    totals = dict(result["totals"])
    assert totals.pop("pages") == len(result["pages"]) == sum(totals.values())
    assert totals.keys() == STATES
    assert {state: n for state, n in totals.items() if n} == Counter(p["state"] for p in result["pages"])


@pytest.mark.slow
def test_a_separator_sheet_rests_as_one_and_belongs_to_no_document(first, emr):
    (page,) = [p for p in read(first[1])["pages"] if p["file"] == "separator.png"]
    assert (page["state"], page["document"], page["fields"], page["issues"]) == ("separator", "", [], [])
    assert read(first[1])["totals"]["separator"] == 1
    query = "SELECT state, document_id FROM pipeline.page JOIN pipeline.receipt USING (receipt_id) WHERE path = :path"
    assert rows(emr, query, path="separator.png") == [{"state": "separator", "document_id": None}]


@pytest.mark.slow
def test_every_page_that_was_read_tells_by_which_engine(first):
    engines = {p["file"]: p["engine"].split(" ")[0] for p in read(first[1])["pages"]}
    assert {file: engine for file, engine in engines.items() if engine} == ENGINES


WITHOUT_MODELS = """
from pathlib import Path
from extractors import models
models.open_borrowed.__defaults__ = models.check_borrowed.__defaults__ = (Path("/nowhere"),)
"""


@pytest.fixture
def other_home(new_home):
    """A home of a test's own, its server stopped at the end."""
    yield new_home
    database.stop(Settings(home=new_home, database_url=""))


@pytest.fixture
def without_models(tmp_path):
    """Environment of a program that finds none of the models that others made; a folder with one scan."""
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(SAMPLES / "forms" / "imaging_report_dotted_scan.jpg", folder)
    rest(folder)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(WITHOUT_MODELS, encoding="utf-8")
    return folder, {"PYTHONPATH": str(tmp_path / "path")}


@pytest.mark.slow
def test_without_its_models_a_run_reads_by_tesseract_where_it_may_and_says_so_else_it_refuses(
    other_home, without_models, tmp_path
):
    folder, path = without_models
    given, result = command(folder, tmp_path / "result.json", "no-models"), tmp_path / "result.json"
    how = {"capture_output": True, "text": True, "timeout": 300}
    refused = subprocess.run(given, env=environment(other_home, SOHOA_READER="neural", **path), **how)
    assert refused.returncode == 2 and "run ./run setup" in refused.stderr and not result.exists()
    done = subprocess.run(given, env=environment(other_home, SOHOA_READER="auto", **path), **how)
    (page,) = read(result)["pages"]
    assert done.returncode == 0 and page["engine"].startswith("tesseract") and page["fields"]


@pytest.mark.slow
def test_the_result_has_the_promised_keys_and_types(first):
    result = read(first[1])
    assert result.keys() == {"batch", "software", "pages", "totals", "held", "skipped"} and result["held"] == ""
    assert result["batch"] == BATCH and re.fullmatch(r"\d+\.\d+\.\d+", result["software"])
    types = {
        "file": str, "page": int, "state": str, "reason": str, "document_type": str, "document": str, "rotation": int,
        "seconds": float, "fields": list, "issues": list, "engine": str,
    }  # fmt: skip
    for page in result["pages"]:
        assert {name: type(value) for name, value in page.items()} == types, page["file"]
        assert page["seconds"] >= 0 and page["rotation"] in (0, 90, 180, 270)
        for issue in page["issues"]:
            assert issue.keys() == {"check", "field", "message"} and issue["check"] and issue["message"]
    assert not list(first[1].parent.glob("*.part"))


@pytest.mark.slow
def test_every_field_has_a_value_a_verdict_a_probability_and_a_place_on_the_page(first):
    fields = all_fields(read(first[1]))
    assert len(fields) > 50
    for field in fields:
        assert field.keys() == {"name", "value", "raw", "confidence", "box", "verdict"}
        assert field["verdict"] in ("accept", "review", "evidence")
        assert 0 <= field["confidence"] <= 1
        left, top, right, bottom = field["box"]
        assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1, field
        assert unicodedata.is_normalized("NFC", field["value"]) and field["value"] == field["value"].strip() != ""


@pytest.mark.slow
def test_boxes_lie_where_the_file_shows_them_also_on_a_page_upside_down(first):
    (page,) = [p for p in read(first[1])["pages"] if p["file"] == "bản gốc.jpg"]
    boxes = {field["name"]: field["box"] for field in page["fields"]}
    (truth,) = json.loads((SAMPLES / "awkward" / "upside_down.truth.json").read_text(encoding="utf-8"))
    true = {field["name"]: field["box"] for field in truth["fields"]}
    width, height = truth["upright_size"]
    shared = boxes.keys() & true.keys()
    assert len(shared) >= 10
    for name in shared:
        left, top, right, bottom = boxes[name]
        x, y = (1 - (left + right) / 2) * width, (1 - (top + bottom) / 2) * height
        assert true[name][0] - 60 < x < true[name][2] + 60 and true[name][1] - 60 < y < true[name][3] + 60, name


@pytest.mark.slow
def test_values_and_documents_belong_only_to_pages_that_were_read(first):
    for page in read(first[1])["pages"]:
        read_whole = page["state"] in ("loaded", "in_review")
        assert bool(page["fields"]) == bool(page["document"]) == read_whole, page["file"]
        assert read_whole or not page["issues"]


@pytest.mark.slow
def test_an_unreadable_file_says_why_in_a_sentence(first):
    reasons = {p["file"]: p["reason"] for p in read(first[1])["pages"] if p["state"] == "quarantined"}
    assert len(reasons) == 4
    assert all(re.fullmatch(r"[A-ZĐ][^_]+[.]", reason) for reason in reasons.values()), reasons
    assert "mật khẩu" in reasons["encrypted.pdf"] and "rỗng" in reasons["empty.pdf"]


@pytest.mark.slow
def test_what_was_left_in_the_folder_is_listed_with_its_reason(first):
    assert {s["file"]: s["reason"] for s in read(first[1])["skipped"]} == SKIPPED


@pytest.mark.slow
def test_every_loaded_value_in_the_emr_stands_in_the_result_on_its_page(first, emr):
    told = {(p["document"], f["name"]): (f["value"], f["box"]) for p in read(first[1])["pages"] for f in p["fields"]}
    sources = rows(emr, "SELECT document_id, field, value, box FROM emr.provenance WHERE method <> 'stated'")
    assert len(sources) > 20
    for source in sources:
        box = [round(source["box"][side], 5) for side in ("left", "top", "right", "bottom")]
        assert told[source["document_id"], source["field"]] == (source["value"], box)


@pytest.mark.slow
def test_nothing_of_a_patient_is_printed_or_logged(first, home):
    done, result = first
    assert all(secret in result.read_text(encoding="utf-8") for secret in PEOPLE), "the test looks for what was read"
    logs = [path for path in home.rglob("*log*") if path.is_file()]
    assert logs
    said = done.stdout + done.stderr + "".join(path.read_text(errors="replace") for path in logs)
    bare = unicodedata.normalize("NFC", re.sub(r"\s+", " ", said)).casefold()
    assert [secret for secret in SECRETS if secret.casefold() in bare] == []


# Repeats.


@pytest.mark.slow
def test_the_same_command_again_says_the_same_and_writes_nothing(first, home, emr, box, tmp_path):
    before = {schema: versions(emr, schema) for schema in ("emr", "pipeline", "audit")}
    done = run(home, box, tmp_path / "again.json")
    assert done.returncode == 0
    assert (tmp_path / "again.json").read_bytes() == first[1].read_bytes()
    after = {schema: versions(emr, schema) for schema in ("emr", "pipeline", "audit")}
    # The batch is asked about and closed anew: the row is the same, only its version is not.
    for tables in (before["pipeline"], after["pipeline"]):
        tables["batch"] = [row for _, row in tables["batch"]]
        tables.pop("stage_time")  # It counts runs.
    assert after == before


@pytest.mark.slow
def test_the_same_bytes_in_another_batch_are_duplicates_and_the_emr_stays_as_it_is(first, home, emr, box, tmp_path):
    copy = shutil.copytree(box, tmp_path / "copy")
    rest(copy)
    before = versions(emr, "emr")
    done = run(home, copy, tmp_path / "copy.json", "box-18")
    assert done.returncode == 0
    states = {(p["file"], p["page"]): p["state"] for p in read(tmp_path / "copy.json")["pages"]}
    assert states == {key: "duplicate" if key[1] else "quarantined" for key in PAGES}
    assert versions(emr, "emr") == before
    status = subprocess.run([SOHOA, "status"], env=environment(home), capture_output=True, text=True, timeout=60)
    assert status.returncode == 0 and "The ledger balances." in status.stdout


# Sudden death. These runs share the session's server; their batch, folder and ids are those of the undisturbed run.


def started(home: Path, folder: Path, result: Path) -> subprocess.Popen:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command(folder, result), env=environment(home, SOHOA_WORKERS="1"), **quiet)


def family(pid: int) -> list[psutil.Process]:
    """The reading processes of a run and what they started; not the database server."""
    readers = [p for p in psutil.Process(pid).children() if "pipeline.children" in p.cmdline()]
    return [p for reader in readers for p in (reader, *reader.children(recursive=True))]


def until_read(engine, process: subprocess.Popen, pages: int = 1) -> None:
    """Wait until the ledger says that pages have been read and others wait."""
    query = "SELECT count(*) FILTER (WHERE state = 'read') AS read, count(*) FILTER (WHERE state = 'received') AS left"
    until = time.monotonic() + 120
    while time.monotonic() < until:
        (seen,) = rows(engine, f"{query} FROM pipeline.page")
        if seen["read"] >= pages and seen["left"]:
            return
        assert process.poll() is None, "the run ended before it was disturbed"
        time.sleep(0.02)
    raise AssertionError("no page was read")


def emr_rows(engine) -> dict[str, list]:
    """The EMR's rows, but for when and in which order they were written, which is all the log of changes tells."""
    names = rows(engine, "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'emr' AND tablename <> 'change'")
    query = "SELECT to_jsonb(t) - 'updated_at' - 'loaded_at' - 'sequence' AS row FROM emr.{} AS t"
    return {r["name"]: sorted((v["row"] for v in rows(engine, query.format(r["name"]))), key=str) for r in names}


def assert_as_undisturbed(first, emr, clean, result: Path) -> None:
    assert without_seconds(read(result)) == without_seconds(read(first[1]))
    assert emr_rows(clean) == emr_rows(emr)
    counts = "SELECT (SELECT count(*) FROM pipeline.page WHERE batch_id = :batch) AS pages, (SELECT count(*) FROM "
    counts += "pipeline.receipt WHERE batch_id = :batch) AS receipts, (SELECT count(*) FROM pipeline.document WHERE "
    counts += "batch_id = :batch) AS documents"
    assert rows(clean, counts, batch=BATCH) == rows(emr, counts, batch=BATCH)


@pytest.mark.slow
def test_a_run_killed_in_the_middle_goes_on_where_it_stopped(first, emr, box, clean, session_home, tmp_path):
    process = started(session_home, box, tmp_path / "killed.json")
    until_read(clean, process)
    orphans = family(process.pid)
    assert orphans
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed.json").exists()
    done = run(session_home, box, tmp_path / "killed.json")
    assert done.returncode == 0, done.stderr
    assert_as_undisturbed(first, emr, clean, tmp_path / "killed.json")
    _, alive = psutil.wait_procs(orphans, timeout=20)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
def test_a_reader_killed_in_the_middle_changes_nothing_once_the_command_has_run_again(
    first, emr, box, clean, session_home, tmp_path
):
    process = started(session_home, box, tmp_path / "disturbed.json")
    until_read(clean, process)
    readers = [p for p in family(process.pid) if "pipeline.children" in p.cmdline()]
    assert len(readers) == 1
    readers[0].kill()
    assert process.wait(timeout=120) == 0
    done = run(session_home, box, tmp_path / "result.json")
    assert done.returncode == 0
    assert_as_undisturbed(first, emr, clean, tmp_path / "result.json")


# Without a network.


def may_unshare() -> bool:
    try:
        return subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not may_unshare(), reason="this user may not make a network namespace")
def test_a_page_is_migrated_without_any_network(new_home, tmp_path):
    folder = tmp_path / "box"
    split("files/file_01.pdf", (2,), folder / "lab.pdf")
    rest(folder)
    own = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    inside = [*own, *command(folder, tmp_path / "result.json")]
    done = subprocess.run(inside, env=environment(new_home), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (page,) = read(tmp_path / "result.json")["pages"]
    assert (page["document_type"], page["state"]) == ("lab_report", "in_review") and len(page["fields"]) > 30
