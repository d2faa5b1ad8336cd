"""Every route of the workbench, as it describes itself, with every role and each kind of object: who is given what.

A new route is tried as soon as it is registered; one with a path parameter that nobody here knows fails until SAMPLES
has objects for it.
"""

import re
import uuid
from datetime import UTC, datetime
from enum import StrEnum
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text

from pipeline import ledger, steps, tables
from pipeline.keys import ticket_key
from records.pages import MediaType
from review import sessions
from review.app import create_app
from review.policy import POLICY, RIGHT, Right, Role
from review.tickets import ticket_for
from tests.conftest import empty
from tests.test_review import READ, page_reading

pytestmark = pytest.mark.slow

NOBODY = "nobody"
ANOTHER = "another"  # An officer who has a document of her own at the time.


class Whose(StrEnum):
    """Which object is asked for. OWN: of a document that the asker has; OTHERS: that ANOTHER has; RESTRICTED: that
    nobody has opened; ABSENT: there is none."""

    OWN = "own"
    OTHERS = "others"
    RESTRICTED = "restricted"
    ABSENT = "absent"


PATIENT = {Whose.OWN: "NGÔ ĐỨC CỦA MÌNH", Whose.OTHERS: "LÝ THỊ NGƯỜI KHÁC", Whose.RESTRICTED: "BÙI VĂN KÍN ĐÁO"}
HIV = {"diagnosis.main.code": "B20"}
GIVEN = {"token": "1", "field": "patient.name", "value": "", "reason": "", "decision": "enter"}


class Pictures:
    """What draws pages, without the children: each picture names its page."""

    def __init__(self, world):
        self.whose = {page_id: whose for whose, page_id in world.pages.items()}

    def warm(self, sheets):
        pass

    def page(self, sheet, cut=None):
        return PATIENT[self.whose[sheet.job.page_id]].encode()

    crop = page


@pytest.fixture(scope="module")
def world(engine, settings, tmp_path_factory):
    """Three letters of three patients, read, assembled and loaded as far as they go, and one account per role."""
    from pipeline.store import Store
    from records.pages import Batch

    empty(engine)
    pages, batches = {}, {}
    for whose, name in PATIENT.items():
        said = READ | {"patient.name": name} | (HIV if whose is Whose.RESTRICTED else {})
        batch = Batch(batch_id=f"box-{whose}", facility="DEMO", folder=str(tmp_path_factory.mktemp(whose)))
        with engine.begin() as conn:
            ledger.open_batch(conn, batch)
            got = ledger.receive(conn, Store(settings), batch.batch_id, "a.png", uuid.uuid4().bytes, (MediaType.PNG, 1))
            pages[whose], batches[whose] = ledger.page_id(got.receipt_id, 1), batch.batch_id
            reading = page_reading(pages[whose])
            example = reading.readings[0]
            readings = tuple(example.model_copy(update={"field": f, "raw": raw}) for f, raw in said.items())
            steps._keep(conn, pages[whose], 0, reading.model_copy(update={"readings": readings}))
        steps.assemble(batch.batch_id)
    with engine.begin() as conn:
        for account_id in (*Role, ANOTHER):
            role = "officer" if account_id == ANOTHER else account_id
            row = {"id": account_id, "role": role}
            conn.execute(text("INSERT INTO review.account (account_id, name, role) VALUES (:id, :id, :role)"), row)
        query = select(tables.document.c.batch_id, tables.document.c.document_id, tables.document.c.file_id)
        rows = {row.batch_id: row for row in conn.execute(query)}
        pairs = _pairs(conn)
    documents = {whose: rows[batch_id].document_id for whose, batch_id in batches.items()}
    files = {whose: rows[batch_id].file_id for whose, batch_id in batches.items()}
    return SimpleNamespace(
        engine=engine, settings=settings, pages=pages, batches=batches, documents=documents, files=files, pairs=pairs
    )


def _pairs(conn):
    """For each patient another one who may be the same, and what may be read of him."""
    conn.execute(text("UPDATE pipeline.field_value SET verdict = 'accept' WHERE field = 'patient.name'"))
    keys = conn.execute(text("SELECT batch_id, patient_key FROM pipeline.file"))
    row = (
        "INSERT INTO pipeline.person_pair (facility_id, one_id, other_id, likeness, agreeing, unlike) "
        "VALUES ('DEMO', 'DEMO|' || :n, :key, 'number', '[]', '[]') RETURNING pair_id"
    )
    return {
        Whose(batch_id.removeprefix("box-")): conn.scalar(text(row), {"n": n, "key": key})
        for n, (batch_id, key) in enumerate(keys.all())
    }


@pytest.fixture(scope="module")
def app(world):
    made = create_app(world.settings)
    made.state.images = Pictures(world)
    return made


@pytest.fixture
def asker(app, world):
    """A browser of this role, signed in, and its account."""

    def opened(role):
        client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)
        if role == NOBODY:
            return client, None
        with world.engine.begin() as conn:
            token = sessions.start(conn, role, 12)
            account = sessions.find(conn, token, 30)
        client.cookies.set(sessions.COOKIE, token)
        return client, account

    return opened


def routes(app):
    """(method, path, right) of every route, as the application describes itself."""
    told = app.openapi()["paths"].items()
    found = [(method.upper(), path, Right(one[RIGHT])) for path, ways in told for method, one in ways.items()]
    assert len(found) == len(app.routes) - 1  # All but the folder /static.
    return found


def a_ticket(world, account, whose):
    """To the whole page: one's own, or that of ANOTHER's session."""
    if whose is Whose.ABSENT:
        return "0"
    holder = account if account and whose is not Whose.OTHERS else sessions.Account(ANOTHER, "", "officer", "vi", "c")
    return ticket_for(ticket_key(world.settings), holder, world.pages[whose], None, datetime.now(UTC))


def same(*values):
    """What belongs to nobody: there, or not."""
    return lambda world, account, whose: values[0] if whose is not Whose.ABSENT else "0"


SAMPLES = {
    "document_id": lambda world, account, whose: world.documents.get(whose, "0"),
    "page_id": lambda world, account, whose: world.pages.get(whose, "0"),
    "file_id": lambda world, account, whose: world.files.get(whose, "0"),
    "batch_id": lambda world, account, whose: world.batches.get(whose, "0"),
    "pair_id": lambda world, account, whose: str(world.pairs.get(whose, 0)),
    "ticket": a_ticket,
    "field": same("patient.name"),
    "name": same("icd10"),
    "kind": same("person_name"),
    "number": same("1"),
}


def address(path, world, account, whose):
    """The path with objects in its blanks."""

    def sample(blank):
        name = blank[1].partition(":")[0]
        assert name in SAMPLES, f"{path}: give SAMPLES an object for '{name}'"
        return quote(SAMPLES[name](world, account, whose), safe="")

    return re.sub(r"{([^}]*)}", sample, path)


def ask(client, account, method, where):
    if method == "GET":
        return client.get(where)
    csrf = account.csrf if account else re.search(r'name="csrf" content="([^"]+)"', client.get("/login").text)[1]
    return client.post(where, data=GIVEN, headers={"X-CSRF-Token": csrf})


def take(world, account):
    """The asker has OWN and nobody's glass is broken; ANOTHER has OTHERS."""
    held = {"own": world.documents[Whose.OWN], "others": world.documents[Whose.OTHERS], "another": ANOTHER}
    with world.engine.begin() as conn:
        conn.execute(text("DELETE FROM review.lease"))
        rows = "INSERT INTO review.lease VALUES (:others, :another, 1, now() + interval '1 hour')"
        conn.execute(text(rows + (", (:own, :me, 1, now() + interval '1 hour')" if account else "")), held | {
            "me": account.account_id if account else None
        })  # fmt: skip


def read_in(answer):
    """Whose patient is named in an answer, headers and all."""
    everything = answer.text + str(answer.headers)
    return {whose for whose, name in PATIENT.items() if name.lower() in everything.lower()}


def kinds_of(path):
    return tuple(Whose) if "{" in path else (Whose.ABSENT,)


@pytest.mark.parametrize("role", [*Role, NOBODY])
def test_who_has_not_the_right_gets_the_same_refusal_for_every_object_and_reads_nothing(app, world, asker, role):
    client, account = asker(role)
    take(world, account)
    wrong, tried = [], 0
    for method, path, right in routes(app):
        if right is Right.OPEN or role in POLICY[right]:
            continue
        for whose in kinds_of(path):
            answer = ask(client, account, method, address(path, world, account, whose))
            tried += 1
            if answer.status_code != (401 if role == NOBODY else 403) or read_in(answer):
                wrong.append((method, path, whose.value, answer.status_code, read_in(answer)))
    assert not wrong
    assert tried >= (80 if role == NOBODY else 30 if role != Role.SENIOR else 0)


def test_what_is_open_to_all_names_no_patient(app, world, asker):
    client, account = asker(NOBODY)
    for method, path, right in routes(app):
        if right is Right.OPEN:
            for whose in kinds_of(path) if path != "/assets/{name}" else [Whose.ABSENT]:
                answer = ask(client, account, method, address(path, world, account, whose))
                assert answer.status_code < 500 and not read_in(answer), path


@pytest.mark.parametrize("role", [Role.OFFICER, Role.SENIOR, Role.OPERATOR, Role.AUDITOR, Role.IT, Role.MANAGER])
def test_who_has_the_right_reads_the_object_asked_for_and_no_other(app, world, asker, role):
    """Restricted objects stay closed; what another has open for review, and another's tickets, too."""
    wrong = []
    for method, path, right in sorted(routes(app), key=lambda route: route[0]):
        if right is Right.OPEN or role not in POLICY[right]:
            continue
        for whose in kinds_of(path):
            client, account = asker(role)
            take(world, account)
            answer = ask(client, account, method, address(path, world, account, whose))
            read, allowed = read_in(answer), allowed_to_read(path, whose)
            good = answer.status_code < 500 and answer.status_code != 401 and read <= allowed
            if "{" in path and whose is Whose.ABSENT:
                good &= answer.status_code in (303, 403, 404, 409, 422)
            if not good:
                wrong.append((method, path, whose.value, answer.status_code, sorted(read)))
    assert not wrong


def allowed_to_read(path, whose):
    """Whose patient an answer may name: by what is asked for, and by who works on it."""
    if "{" not in path or not {"document_id", "page_id", "file_id", "batch_id", "pair_id", "ticket"} & set(
        blanks(path)
    ):
        return {Whose.OWN, Whose.OTHERS}  # Lists of what waits; never of what is restricted.
    held_elsewhere = whose is Whose.OTHERS and ("{ticket}" in path or path.startswith("/task/"))
    return set() if held_elsewhere or whose in (Whose.RESTRICTED, Whose.ABSENT) else {whose}


def blanks(path):
    return [name.partition(":")[0] for name in re.findall(r"{([^}]*)}", path)]


@pytest.mark.parametrize(
    "path, role", [("/task/{document_id}", "officer"), ("/page/{ticket}", "officer"), ("/page/{ticket}", "senior")]
)
def test_an_officer_does_read_what_she_has(app, world, asker, path, role):
    """Else the matrix would be right of a workbench that shows nothing."""
    client, account = asker(role)
    take(world, account)
    answer = client.get(address(path, world, account, Whose.OWN))
    assert answer.status_code == 200 and read_in(answer) == {Whose.OWN}


def test_a_temporary_password_opens_nothing_but_ones_own_account(app, world, asker):
    client, account = asker(Role.SENIOR)
    take(world, account)
    with world.engine.begin() as conn:
        conn.execute(text("UPDATE review.account SET must_change = true WHERE account_id = 'senior'"))
    try:
        for method, path, right in routes(app):
            if right in (Right.OPEN, Right.OWN_ACCOUNT):
                continue
            for whose in kinds_of(path):
                answer = ask(client, account, method, address(path, world, account, whose))
                assert answer.status_code == 403 and not read_in(answer), path
        visit = client.get("/queue", headers={"Accept": "text/html"})
        assert (visit.status_code, visit.headers["location"]) == (303, "/account")
        assert client.get("/account").status_code == 200
    finally:
        with world.engine.begin() as conn:
            conn.execute(text("UPDATE review.account SET must_change = false"))
