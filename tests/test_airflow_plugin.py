"""The page in Airflow that shows IT staff the officers' queue: in the menu, behind Airflow's sign-in, counts alone."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import ProgrammingError

from loaders.tables import load_receipt
from pipeline import airflow, database, tables
from records.document_types import document_types
from reporting import queue
from review.tables import account, lease

NAME, VALUE = "HỘP-BÍ-MẬT/007", "NGUYỄN KIM LIỄU"
REPOSITORY = airflow.REPOSITORY

LOAD = """
import json, sys
from airflow import plugins_manager
before = {name.split(".")[0] for name in sys.modules}
plugins, errors = plugins_manager._get_plugins()
ours = [plugin for plugin in plugins if plugin.name == "sohoa_queue_counts"]
print(json.dumps({
    "errors": errors, "views": [view for plugin in ours for view in plugin.external_views],
    "prefixes": [app["url_prefix"] for app in plugins_manager.get_fastapi_plugins()[0]],
    "new": sorted({name.split(".")[0] for name in sys.modules} - before),
}))
"""

SIGN_IN = """
import json, sys
from fastapi.testclient import TestClient
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
app = create_app("core")
client = TestClient(app, raise_server_exceptions=False)
told = {}
told["nobody"] = (answer := client.get("/officers-queue/")).status_code, answer.text
told["forged"] = client.get("/officers-queue/", headers={"Authorization": "Bearer x.y.z"}).status_code, ""
client.cookies.set("_token", get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="it", role="op")))
told["it"] = (answer := client.get("/officers-queue/")).status_code, answer.text
told["style"] = answer.headers["content-security-policy"], ""
told["other"] = client.get("/officers-queue/openapi.json").status_code, ""
print(json.dumps(told))
"""


@pytest.fixture
def waiting(clean):
    """Two lab reports, of which an officer has one, a cover of a stopped file, and one document loaded today."""
    with clean.begin() as conn:
        conn.execute(insert(account).values(account_id="an", name="An", role="officer"))
        conn.execute(insert(tables.batch).values(batch_id="box-1", facility_id="DEMO", folder="/scans"))
        for name, kind, state in (
            ("lab-1", "lab_report", "open"), ("lab-2", "lab_report", "open"), ("cover", "inpatient_cover", "held"),
        ):  # fmt: skip
            conn.execute(insert(tables.file).values(file_id=name, batch_id="box-1", label=NAME, state=state))
            conn.execute(
                insert(tables.document).values(
                    document_id=name, batch_id="box-1", file_id=name, document_type=kind, page_ids=[],
                    verdict="review", validated={"values": [VALUE]},
                )
            )  # fmt: skip
            conn.execute(
                insert(tables.review_task),
                [{"task_id": f"{name}-{field}", "batch_id": "box-1", "document_id": name, "field": field,
                  "reason": "problem", "created_at": datetime(2026, 1, 1, 17, tzinfo=UTC)}
                 for field in ("patient.name", "specimen.kind", VALUE)],
            )  # fmt: skip
        until = datetime(2999, 1, 1, tzinfo=UTC)
        conn.execute(insert(lease).values(document_id="lab-1", account_id="an", token=1, until=until))
        for revision in (1, 2):
            receipt = {"document_id": "lab-0", "revision": revision, "target": "emr", "batch_id": "box-1", "rows": {}}
            conn.execute(insert(load_receipt).values(receipt))
    return clean


def run(settings, script):
    own = {"PATH": "/usr/bin:/bin"} | airflow.environment(settings)
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return next(told for told in lines if "event" not in told)  # Airflow logs JSON too.


def test_airflow_finds_the_page_and_loading_it_costs_nothing(settings, engine):
    found = run(settings, LOAD)
    assert found["errors"] == {} and found["prefixes"] == ["/officers-queue"]
    (view,) = found["views"]
    assert (view["destination"], view["url_route"], view["href"]) == ("nav", "officers-queue", "officers-queue/")
    assert not {"reporting", "pipeline", "records", "fastapi", "pandas", "numpy", "extractors"} & set(found["new"])


def test_the_page_counts_what_waits_and_what_was_loaded_today(settings, waiting):
    found = queue.counts()
    assert [tuple(one.model_dump(exclude={"oldest"}).values()) for one in found.waiting] == [
        ("lab_report", 2, 6, 1, 0), ("inpatient_cover", 0, 0, 0, 1)
    ]  # fmt: skip
    assert found.loaded_today == 1
    shown = queue.page(found)
    assert document_types()["lab_report"].title.vi in shown
    assert re.findall(r"<dd>(\d+)</dd>", shown) == ["2", "6", "1", "1", "1"]
    assert "00:00 02/01/2026" in shown


def test_no_name_label_or_value_is_on_the_page_nor_within_its_reach(settings, waiting):
    shown = queue.page(queue.counts())
    assert all(word not in shown for word in (NAME, VALUE, "box-1", "lab-1", "patient.name"))
    for table in ("review.waiting", "pipeline.document", "emr.patient", "review.account"):
        with (
            database.engine(settings, "reporting").connect() as conn,
            pytest.raises(ProgrammingError, match="permission denied"),
        ):
            conn.execute(text(f"SELECT * FROM {table}"))


def test_an_empty_queue_is_a_sentence(settings, clean):
    assert "Không có tài liệu nào đang chờ" in queue.page(queue.counts())


@pytest.mark.slow
def test_only_who_is_signed_in_to_airflow_sees_the_page(settings, waiting):
    airflow.prepare(settings)
    told = run(settings, SIGN_IN)
    assert told["nobody"][0] == 401 and "chờ" not in told["nobody"][1]
    assert told["forged"][0] in (401, 403) and told["other"][0] == 404
    assert told["it"][0] == 200 and "Hàng chờ duyệt" in told["it"][1] and VALUE not in told["it"][1]
    assert "'sha256-" in told["style"][0] and "unsafe" not in told["style"][0]
