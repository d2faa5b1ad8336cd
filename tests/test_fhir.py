"""Stays as FHIR R4: three validators take them, a server sent them twice holds them once and follows changes."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select, text
from typer.testing import CliRunner

from loaders import emr, fhir, fhir_server, tables
from loaders.stays import stay_of
from pipeline import database
from pipeline import fhir as sending
from pipeline import tables as ledger_tables
from pipeline.cli import app
from records.errors import SohoaError
from tests.conftest import empty
from tests.emr_samples import STAY, load_every_form

HERE = Path(__file__).parent / "fhir_server"
KINDS = (
    "Organization", "Patient", "Encounter", "Condition", "Observation", "Procedure", "MedicationStatement",
    "DiagnosticReport", "ImagingStudy", "DocumentReference", "Provenance",
)  # fmt: skip


def test_a_film_that_the_pacs_holds_is_named_by_its_study_and_its_address(stay):
    (film,) = stay.tables["imaging_study"]
    at = "https://pacs.example/dicom-web/studies/2.25.7"
    tables_of = stay.tables | {"imaging_study": [film | {"study_uid": "2.25.7", "accession": "A1"}]}
    pages = [page | {"retrieve_url": at if page["document_id"] == film["document_id"] else None} for page in stay.pages]
    made = fhir.bundle_of(stay._replace(tables=tables_of, pages=pages), ("DEMO", "Hospital"))
    resources = [entry["resource"] for entry in made["entry"]]
    (study,) = [one for one in resources if one["resourceType"] == "ImagingStudy"]
    assert {one["value"] for one in study["identifier"]} >= {"urn:oid:2.25.7", "A1"}
    urls = [
        c["attachment"].get("url") for r in resources if r["resourceType"] == "DocumentReference" for c in r["content"]
    ]
    assert urls.count(at) == 1


@pytest.fixture
def loaded(clean, settings, batch):
    """The batch's stay with a document of every form."""
    with database.engine(settings, "loader").begin() as conn:
        load_every_form(conn, batch)
    return batch


@pytest.fixture(scope="module")
def stay(engine, settings):
    """Everything of that stay, for tests that only look at it."""
    empty(engine)
    with database.engine(settings, "loader").begin() as conn:
        load_every_form(conn, "box-1")
        return stay_of(conn, STAY)


@pytest.fixture
def bundle(stay):
    return fhir.bundle_of(stay, ("DEMO", "Demonstration hospital"))


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """A folder with the server's packages; npm is the one of the environment."""
    folder = tmp_path_factory.mktemp("fhir_server")
    for name in ("package.json", "package-lock.json", ".npmrc", "server.mjs"):
        shutil.copy(HERE / name, folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--silent"], cwd=folder, env=os.environ | {"PATH": path}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm cannot install the FHIR server here: {done.stderr[-200:]}")
    return folder, os.environ | {"PATH": path}


class Server:
    """The FHIR server of a test, as a client sees it."""

    def __init__(self, url):
        self.url = url

    def counts(self):
        return httpx.get(f"{self.url}/count", params={"of": ",".join(KINDS)}).json()

    def validate(self, resource):
        return httpx.post(f"{self.url}/validate", json=resource, timeout=60).json()

    def read(self, search):
        found = httpx.get(f"{self.url}/{search}").json().get("entry", [])
        return [one["resource"] for one in found]


@pytest.fixture
def server(node):
    folder, env = node
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["node", "server.mjs", str(port)], cwd=folder, env=env, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline().strip() == "ready"
        yield Server(f"http://127.0.0.1:{port}")
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # `node` is a program that starts the real one
        process.wait()


def of_kind(bundle, kind):
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]


def test_every_resource_kind_is_made_once_per_row_and_created_on_condition(bundle, stay):
    assert {one["resource"]["resourceType"] for one in bundle["entry"]} == set(KINDS)
    for table in ("condition", "observation", "procedure", "medication_statement", "diagnostic_report"):
        assert len(of_kind(bundle, fhir.TYPES[table])) == len(stay.tables[table]) > 0, table
    conditions = [(one["request"]["url"], one["request"]["ifNoneExist"]) for one in bundle["entry"]]
    assert len(set(conditions)) == len(conditions) == len({one["fullUrl"] for one in bundle["entry"]})
    origin = {"system": "urn:sohoa:origin", "code": "converted-from-paper", "display": "Chuyển đổi từ bản giấy"}
    assert all(origin in one["resource"]["meta"]["tag"] for one in bundle["entry"])


def test_every_link_leads_to_a_resource_of_the_bundle(bundle):
    urls = {one["fullUrl"] for one in bundle["entry"]}
    linked = set()

    def walk(part):
        if isinstance(part, dict):
            if "reference" in part:
                linked.add(part["reference"])
            for inner in part.values():
                walk(inner)
        for inner in part if isinstance(part, list) else ():
            walk(inner)

    walk([one["resource"] for one in bundle["entry"]])
    assert linked <= urls and len(linked) > 10


def test_it_says_what_the_emr_holds_and_no_more(bundle):
    (person,) = of_kind(bundle, "Patient")
    assert person["name"] == [{"text": "TRẦN THỊ MẪU"}] and person["birthDate"] == "1956-04-18"
    (stay,) = of_kind(bundle, "Encounter")
    assert stay["period"] == {"start": "2019-02-01T08:00:00+07:00", "end": "2019-02-09T10:30:00+07:00"}
    main = next(one for one in of_kind(bundle, "Condition") if "giai đoạn IIA" in one["code"]["text"])
    assert {c["system"]: c["code"] for c in main["code"]["coding"]} == {fhir.ICD10: "C50.9", fhir.ICD10_VN: "C50.9"}
    result = next(one for one in of_kind(bundle, "Observation") if one["code"]["text"] == "Hồng cầu")
    assert result["valueQuantity"] == {"value": 5.4, "unit": "T/L"}
    assert result["referenceRange"] == [{"text": "3.9 - 5.4"}]
    whole = json.dumps(bundle, ensure_ascii=False)
    for inferred in ("interpretation", "clinicalStatus", "verificationStatus", '"H"'):
        assert inferred not in whole


def test_every_value_names_its_page_its_words_and_who_confirmed_it(bundle):
    told = [e for one in of_kind(bundle, "Provenance") for e in one["extension"]]
    fields = [{part["url"]: part.get("valueString") for part in one["extension"]} for one in told]
    main = next(one for one in fields if one["field"] == "diagnosis.main" and one["page"] == "discharge_letter-0001")
    assert main["verbatim"] == "ung thư vú trái giai đoạn iia ct2n0m0" and main["checked"] == "two"
    verifiers = {a["who"]["display"] for one in of_kind(bundle, "Provenance") for a in one["agent"][1:]}
    assert verifiers == {"an, binh"}


def test_a_restricted_document_is_labelled(stay):
    made = fhir.bundle_of(stay, ("DEMO", "Demo"), restricted={"lab_report"})
    labelled = [one["resource"] for one in made["entry"] if "security" in one["resource"]["meta"]]
    assert {one["resourceType"] for one in labelled} >= {"DocumentReference", "Observation", "Provenance"}
    assert all("lab_report" in json.dumps(one) for one in labelled if one["resourceType"] != "Provenance")


@pytest.mark.parametrize("kind", KINDS)
def test_the_models_of_fhir_resources_take_it(bundle, kind):
    """R4B differs from R4 in none of these resources."""
    from fhir.resources.R4B import get_fhir_model_class

    found = of_kind(bundle, kind)
    assert found
    for resource in found:
        get_fhir_model_class(kind).model_validate(resource)


@pytest.mark.slow
def test_the_validator_of_the_package_fhir_takes_it(bundle, server):
    said = server.validate(bundle)
    assert said["valid"], said["messages"]
    spoilt = json.loads(json.dumps(bundle))
    of_kind(spoilt, "Encounter")[0]["status"] = "done"
    assert not server.validate(spoilt)["valid"], "the validator tells a fault"


@pytest.mark.slow
def test_a_server_that_is_sent_the_batch_twice_holds_everything_once(loaded, server, bundle):
    assert sending.send(server.url, loaded).taken == 1
    first = server.counts()
    assert first == {kind: len(of_kind(bundle, kind)) for kind in KINDS}
    assert sending.send(server.url, loaded) == sending.Sent(taken=1, refused=())
    assert server.counts() == first


@pytest.mark.slow
def test_a_server_that_forgot_our_last_sending_still_gets_no_second_copy(loaded, server, clean):
    """The answer was lost: nothing says what the server holds, and the same resources are offered again."""
    sending.send(server.url, loaded)
    first = server.counts()
    with clean.begin() as conn:
        conn.execute(tables.sent.delete())
    assert sending.send(server.url, loaded).refused == ()
    assert server.counts() == first


@pytest.mark.slow
def test_a_correction_updates_and_an_undo_deletes_what_was_sent(loaded, server, settings):
    sending.send(server.url, loaded)
    first = server.counts()
    with database.engine(settings, "loader").begin() as conn:
        conn.execute(text("UPDATE emr.condition SET text = 'Viêm ruột thừa' WHERE document_id = 'discharge_letter'"))
    assert sending.send(server.url, loaded).refused == ()
    assert server.counts() == first
    assert "Viêm ruột thừa" in {one["code"]["text"] for one in server.read("Condition?_count=50")}
    with database.engine(settings, "loader").begin() as conn:
        emr.withdraw_batch(conn, loaded)
    assert sending.send(server.url, loaded).refused == ()
    assert server.counts() == dict.fromkeys(KINDS, 0) | {"Organization": 1}


@pytest.mark.slow
def test_what_moved_to_another_stay_is_there_and_not_deleted_by_the_first(loaded, server, settings, bundle):
    """A document that an officer placed in another file keeps its identifier."""
    sending.send(server.url, loaded)
    with database.engine(settings, "loader").begin() as conn:
        load_every_form(conn, loaded, ("lab_report",), stay="DEMO|19.000002")
    assert sending.send(server.url, loaded).refused == ()
    counts = server.counts()
    assert counts["DocumentReference"] == len(of_kind(bundle, "DocumentReference"))
    assert counts["Observation"] == len(of_kind(bundle, "Observation")) and counts["Encounter"] == 2
    stays = {one["id"]: one["identifier"][0]["value"] for one in server.read("Encounter?_count=50")}
    found = server.read("DocumentReference?_count=50")
    moved = next(one for one in found if one["identifier"][0]["value"] == "lab_report")
    assert stays[moved["context"]["encounter"][0]["reference"].partition("/")[2]] == "DEMO/19.000002"


class Bad:
    """What a server may do instead of answering."""

    AWAY = "http://127.0.0.1:9"


@pytest.mark.slow
def test_a_server_that_is_away_leaves_a_sentence_and_the_next_sending_goes_on(loaded, clean):
    (why,) = sending.send(Bad.AWAY, loaded).refused
    assert "does not answer" in why and STAY in why
    with clean.connect() as conn:
        row = conn.execute(select(tables.sent)).mappings().one()
    assert row["resources"] == {} and "does not answer" in row["refused"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (422, {"resourceType": "OperationOutcome", "issue": [{"code": "invalid", "diagnostics": "TRẦN"}]}, "(invalid)"),
        (500, "<html>", "status 500"),
        (200, "<html>", "no FHIR answer"),
        (200, {"resourceType": "Bundle", "entry": []}, "did not answer every resource"),
    ],
)
def test_what_a_server_refuses_is_told_without_what_was_sent(bundle, status, body, said):
    answer = httpx.MockTransport(
        lambda _: httpx.Response(status, **{"json" if isinstance(body, dict) else "text": body})
    )
    with httpx.Client(transport=answer) as client:
        why = sending._post(client, "http://his", bundle)
    assert said in why and "TRẦN" not in why


def test_half_a_bundle_refused_is_named_and_sent_again(bundle):
    entries = [{"response": {"status": "201"}} for _ in bundle["entry"]]
    entries[3]["response"]["status"] = "422 Unprocessable"
    told = fhir_server.refusals_in(bundle, {"resourceType": "Bundle", "entry": entries})
    assert told == [f"POST {bundle['entry'][3]['request']['url']}: 422 Unprocessable"]


@pytest.mark.slow
def test_the_command_writes_one_private_file_for_each_stay(loaded, tmp_path, clean):
    out = tmp_path / "fhir"
    assert CliRunner().invoke(app, ["export", "fhir", "--batch", loaded, "--out", str(out)]).exit_code == 0
    (file,) = out.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text(encoding="utf-8"))["type"] == "transaction"
    again = CliRunner().invoke(app, ["export", "fhir", "--batch", loaded, "--out", str(out)])
    assert again.exit_code != 0
    with pytest.raises(SohoaError, match="no batch"):
        sending.export("NONE", tmp_path / "other")
    with clean.connect() as conn:
        assert "export:fhir" in conn.scalars(select(ledger_tables.event.c.action)).all()


@pytest.mark.slow
def test_a_facility_without_a_name_is_called_by_its_code(loaded, clean, settings):
    with clean.begin() as conn:
        conn.execute(insert(ledger_tables.facility).values(facility_id="X", name="Other"))
    with database.engine(settings, "loader").connect() as conn:
        assert of_kind(sending.bundle(conn, STAY), "Organization")[0]["name"] == "Demonstration hospital"
