"""The workbench as a whole: nothing without a right, no forged form, no session that outlives its end."""

import itertools
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from argon2 import PasswordHasher
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from pipeline import processes
from records.errors import LostLease, SohoaError
from review import accounts, sessions
from review.app import ASSETS, create_app, refuse_routes_without_right
from review.guard import CONTENT_POLICY, FORM_COOKIE
from review.policy import RIGHT, Right, Role, Routes, may
from review.rendering import Transaction
from review.revisions import Refused
from review.serve import without_message, without_query

pytestmark = pytest.mark.slow

PASSWORD = "Mật khẩu rất dài 1"
NOBODY = "nobody"
SECRET = "NGUYỄN KIM LIỄU"
FAILING = Routes()


@FAILING.post("/fails", right=Right.OPEN)
def fails(conn: Transaction):
    conn.execute(text("UPDATE review.account SET name = 'written by halves'"))
    raise ValueError(SECRET)


@FAILING.get("/refuses/{how}", right=Right.OPEN)
def refuses(how: str):
    raise {"plainly": SohoaError(SECRET), "in words": Refused("decide.loaded"), "lost": LostLease(SECRET)}[how]


@pytest.fixture(scope="module")
def app(engine, settings):
    made = create_app(settings)
    made.include_router(FAILING.router)
    return made


@pytest.fixture(scope="module")
def people(engine, settings):
    """One account per role, named like it."""
    hasher = accounts._HASHER
    accounts._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with engine.begin() as conn:
        for table in ("page_view", "session", "lease", "account"):
            conn.execute(text(f"DELETE FROM review.{table}"))
        for role in Role:
            accounts.add(conn, "test", role.value, f"Bà {role.value}", role.value, PASSWORD)
    yield
    accounts._HASHER = hasher


@pytest.fixture
def browser(app, people, engine):
    """A browser without cookies; `browser(role)` is one that is signed in."""

    def opened(role=NOBODY, base_url="http://testserver"):
        client = TestClient(app, base_url, raise_server_exceptions=False, follow_redirects=False)
        if role != NOBODY:
            with engine.begin() as conn:
                client.cookies.set(sessions.COOKIE, sessions.start(conn, role, 12))
        return client

    return opened


def token(client):
    """What the page's forms carry."""
    return re.search(r'name="csrf" content="([^"]+)"', client.get("/no-such-page").text)[1]


def post(client, path, **fields):
    return client.post(path, data={"csrf": token(client)} | fields)


def routes(app):
    """(method, path, right) of every route, as the application describes itself."""
    found = [(m.upper(), p, Right(o[RIGHT])) for p, kinds in app.openapi()["paths"].items() for m, o in kinds.items()]
    assert len(found) == len(app.routes) - 1  # All but the folder /static.
    return found


def test_every_route_names_its_right(app):
    refuse_routes_without_right(app.routes)
    assert {"/login", "/logout", "/language", "/"} <= {path for _, path, _ in routes(app)}


def test_a_route_entered_past_the_policy_is_refused():
    plain, app = APIRouter(), FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    plain.add_api_route("/open-door", lambda: "", methods=["GET"])
    app.include_router(plain)
    with pytest.raises(SohoaError, match="/open-door names no right"):
        refuse_routes_without_right(app.routes)
    with pytest.raises(SohoaError, match="/openapi.json names no right"):
        refuse_routes_without_right(FastAPI(docs_url=None, redoc_url=None).routes)


@pytest.mark.parametrize("role", [*Role, NOBODY])
def test_each_role_reaches_what_the_policy_says_and_nothing_else(app, browser, role):
    wrong = []
    for method, path, right in routes(app):
        if path in ("/fails", "/refuses/{how}"):
            continue
        client = browser(role)
        address = re.sub(r"{[^}]*}", "0", path)
        answer = client.get(address) if method == "GET" else post(client, address)
        if right is not Right.OPEN and role == NOBODY:
            good = answer.status_code == 401
        elif right is not Right.OPEN and not may(role, right):
            good = answer.status_code == 403
        else:
            good = answer.status_code < 500 and (right is Right.OPEN or answer.status_code != 401)
            good &= answer.status_code in (303, 403, 404, 409, 422) if "{" in path else answer.status_code != 403
        if not good:
            wrong.append((role, method, path, right.value, answer.status_code))
    assert not wrong


@pytest.mark.parametrize(
    ("how", "status", "told"),
    [
        ("plainly", 422, "Việc này không làm được nữa."),
        ("in words", 422, "Giá trị đã được nạp vào bệnh án điện tử"),
        ("lost", 409, "Bạn không còn giữ tài liệu này"),
    ],
)
def test_what_cannot_be_done_is_told_in_the_readers_language_and_only_a_lost_lease_as_such(browser, how, status, told):
    answer = browser().get(f"/refuses/{how}")
    assert answer.status_code == status and told in answer.text and SECRET not in answer.text


@pytest.mark.parametrize("role", [*Role, NOBODY])
def test_no_form_is_taken_without_its_token(app, browser, role):
    for method, path, _ in routes(app):
        if method == "GET":
            continue
        client, stranger = browser(role), browser("senior" if role != "senior" else "officer")
        address = re.sub(r"{[^}]*}", "0", path)
        for fields in ({}, {"csrf": ""}, {"csrf": token(stranger)}):
            assert client.post(address, data=fields).status_code == 403, (path, fields)
        assert client.post(address, headers={"X-CSRF-Token": "x" * 43}).status_code == 403


def test_the_token_may_come_in_the_header_or_the_form(browser):
    client = browser("officer")
    assert client.post("/language", headers={"X-CSRF-Token": token(client)}, data={"language": "vi"}).status_code == 303
    assert post(client, "/language", language="vi").status_code == 303
    mixed = {"csrf": (None, token(client)), "language": (None, "vi")}
    assert client.post("/language", files=mixed).status_code == 303


@pytest.mark.parametrize("body, length", [(b"x" * 1_000_001, None), (b"", "many")])
def test_what_is_too_long_is_not_read(browser, body, length):
    client = browser("officer")
    headers = {"X-CSRF-Token": token(client)} | ({"Content-Length": length} if length else {})
    assert client.post("/language", content=body, headers=headers).status_code == 413


def test_a_form_that_cannot_be_read_is_a_refusal_and_no_failure(browser):
    headers = {"Content-Type": "multipart/form-data"}
    assert browser("officer").post("/language", content=b"--", headers=headers).status_code == 403


def test_every_answer_has_the_headers(app, browser):
    client = browser("officer")
    paths = ("/login", "/", "/no-such-page", "/static/review.css", "/assets/htmx.min.js", "/static/none.css", "/task/0")
    answers = [client.get(path) for path in paths]
    answers += [post(client, "/fails"), client.post("/logout"), browser().get("/", headers={"Accept": "text/html"})]
    for answer in answers:
        assert answer.headers["content-security-policy"] == CONTENT_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        kept = answer.status_code == 200 and answer.request.url.path.startswith(("/static", "/assets"))
        assert answer.headers["cache-control"] == ("no-cache" if kept else "no-store"), answer.request.url


def test_the_policy_allows_nothing_from_elsewhere_and_nothing_inline(browser):
    assert "unsafe" not in CONTENT_POLICY and "http" not in CONTENT_POLICY
    for page in (browser().get("/login").text, browser("officer").get("/no-such-page").text):
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=|https?://", page)


def sign_in(client, name="officer", password=PASSWORD, **more):
    return post(client, "/login", account=name, password=password, **more)


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser):
    plain, secure = sign_in(browser()), sign_in(browser(base_url="https://testserver"))
    for answer, flags in ((plain, []), (secure, ["Secure"])):
        cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("sohoa_session="))
        name, *rest = cookie.split("; ")
        assert len(name) == len("sohoa_session=") + 43
        assert sorted(part.capitalize() for part in rest) == sorted(
            ["Httponly", "Path=/", "Samesite=strict", *flags]
        )  # fmt: skip


def test_signing_in_and_out(browser, engine):
    client = browser()
    first = client.get("/login")
    assert 'lang="vi"' in first.text and first.cookies[FORM_COOKIE]
    answer = sign_in(client, " OFFICER ", back="/files")
    assert (answer.status_code, answer.headers["location"]) == (303, "/files")
    held = client.cookies[sessions.COOKIE]
    assert "Bà officer" in client.get("/no-such-page").text
    assert post(client, "/logout").headers["location"] == "/login"
    client.cookies.set(sessions.COOKIE, held)
    assert client.get("/").status_code == 401


def test_signing_in_again_ends_the_session_before(browser, engine):
    client = browser("officer")
    held = client.cookies[sessions.COOKIE]
    assert sign_in(client).status_code == 303
    with engine.begin() as conn:
        assert sessions.find(conn, held, 30) is None


@pytest.mark.parametrize("back", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere", "/\t/x", ""])
def test_nobody_is_sent_elsewhere_after_sign_in(browser, back):
    assert sign_in(browser(), back=back).headers["location"] == "/"


def test_five_wrong_passwords_lock_the_account(browser, engine):
    client = browser()
    answers = [sign_in(client, "manager", "wrong password") for _ in range(5)]
    assert [a.status_code for a in answers] == [401] * 5 and "không đúng" in answers[0].text
    locked = sign_in(client, "manager")
    assert locked.status_code == 401 and "tạm khóa" in locked.text and sessions.COOKIE not in client.cookies
    with engine.begin() as conn:
        conn.execute(text("UPDATE review.account SET locked_until = NULL"))


def test_what_was_typed_comes_back_escaped_and_without_the_password(browser):
    answer = sign_in(browser(), '"><script>x</script>', "my own password")
    assert "<script>x" not in answer.text and "&#34;&gt;&lt;script&gt;" in answer.text
    assert "my own password" not in answer.text


def test_an_ended_session_is_told_to_visits_fragments_and_forms(browser, engine):
    client = browser("officer")
    held = token(client)
    with engine.begin() as conn:
        conn.execute(text("UPDATE review.session SET seen_at = now() - interval '31 minutes'"))
    visit = client.get("/", headers={"Accept": "text/html"})
    assert (visit.status_code, visit.headers["location"]) == (303, "/login?back=/")
    headers = {"HX-Request": "true", "X-CSRF-Token": held}
    for answer in (client.get("/", headers=headers), client.post("/logout", headers=headers)):
        assert answer.status_code == 401 and "Phiên làm việc đã hết" in answer.text and "<html" not in answer.text
    assert "Phiên làm việc đã hết" in client.post("/logout", data={"csrf": held}).text


def test_a_heartbeat_does_not_keep_a_session_alive(browser, engine):
    client = browser("officer")
    key = sessions._hash(client.cookies[sessions.COOKIE])
    seen = text("SELECT seen_at > now() - interval '10 minutes' FROM review.session WHERE session_hash = :key")
    with engine.begin() as conn:
        conn.execute(text("UPDATE review.session SET seen_at = now() - interval '20 minutes'"))
    for path, alive in (("/task/0/renew", False), ("/language", True)):
        client.post(path, headers={"X-CSRF-Token": "x"})
        with engine.connect() as conn:
            assert conn.scalar(seen, {"key": key}) is alive


def test_the_language_is_kept_in_the_browser_and_in_the_account(browser):
    stranger = browser()
    answer = post(stranger, "/language", language="en", back="/login")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert 'lang="en"' in stranger.get("/login").text and "Sign in" in stranger.get("/login").text
    client = browser("officer")
    assert 'lang="vi"' in client.get("/no-such-page").text
    post(client, "/language", language="en")
    assert 'lang="en"' in browser("officer").get("/no-such-page").text
    post(client, "/language", language="vi")
    assert post(client, "/language", language="xx").status_code == 303
    assert 'lang="vi"' in browser("officer").get("/no-such-page").text


def test_a_failure_is_told_without_its_content_and_nothing_is_kept_by_halves(browser, engine):
    answer = post(browser("officer"), "/fails")
    assert answer.status_code == 500 and "chưa được lưu" in answer.text and SECRET not in answer.text
    with engine.connect() as conn:
        assert conn.scalar(text("SELECT count(*) FROM review.account WHERE name LIKE 'written%'")) == 0


def test_what_is_written_stands_before_the_answer_is_sent(engine, settings, people):
    """Not after it, as FastAPI does by default: a killed server would lose what the officer saw saved."""
    order = []
    app = create_app(settings)
    routes = Routes()

    @routes.post("/writes", right=Right.OPEN)
    def writes(conn: Transaction):
        conn.execute(text("UPDATE review.account SET language = 'en' WHERE account_id = 'it'"))

    app.include_router(routes.router)

    @app.middleware("http")
    async def watch(request, call_next):
        answer = await call_next(request)
        with engine.connect() as conn:
            order.append(conn.scalar(text("SELECT language FROM review.account WHERE account_id = 'it'")))
        return answer

    client = TestClient(app)
    assert post(client, "/writes").status_code == 200 and order[-1] == "en"


def test_only_named_files_of_others_are_served(browser, assets):
    client = browser()
    for name in ASSETS:
        assert client.get(f"/assets/{name}").status_code == 200
    others = ("htmx.org/package.json", "../package.json", "%2e%2e/package.json", "axe-core/axe.min.js", "", "installed")
    assert {client.get(f"/assets/{name}").status_code for name in others} == {404}


def test_the_access_log_holds_no_query():
    record = logging.LogRecord(
        "a", 20, "", 0, '%s - "%s %s HTTP/%s" %d', ("c", "GET", f"/x?q={SECRET}", "1", 200), None
    )
    assert without_query(record) and record.getMessage() == 'c - "GET /x HTTP/1" 200'


def test_the_error_log_says_where_and_not_what():
    try:
        raise ValueError(SECRET)
    except ValueError:
        record = logging.LogRecord("a", 40, "", 0, "Exception\n", (), sys.exc_info())
    said = logging.Formatter().format(record) if without_message(record) else ""
    assert SECRET not in said and re.search(r"^Exception: ValueError at .*test_review_app\.py:\d+$", said)


@pytest.mark.slow
def test_the_server_answers_on_this_machine_alone_and_stops_in_order(settings, engine, assets):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"SOHOA_REVIEW_PORT": str(port)}
    server = subprocess.Popen(
        [sys.executable, "-m", "review"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        for _ in itertools.takewhile(lambda n: n < 300 and not processes.answers("127.0.0.1", port), itertools.count()):
            time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/login?back=secret") as answer:
            assert answer.status == 200 and "server" not in answer.headers
    finally:
        server.send_signal(signal.SIGTERM)
        said, _ = server.communicate(timeout=30)
    assert server.returncode in (0, -signal.SIGTERM)
    assert b"GET /login HTTP" in said and b"secret" not in said and b"http://127.0.0.1:" in said


@pytest.mark.slow
def test_without_the_scripts_the_server_says_what_to_do(new_home):
    env = os.environ | {"SOHOA_HOME": str(new_home)}
    done = subprocess.run([sys.executable, "-m", "review"], env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "lacks htmx.min.js" in done.stderr and "run ./run setup" in done.stderr
