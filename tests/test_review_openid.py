"""Sign-in at the hospital's directory, against a small OpenID provider with a key of its own on this machine."""

import base64
import hashlib
import hmac
import json
import re
import secrets
import socket
import time
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import text

from records.errors import SohoaError
from review import accounts, openid, sessions
from review.app import create_app
from tests.conftest import INSTALLED_ASSETS, served

pytestmark = pytest.mark.slow

CHROMIUM, AT_125_PERCENT = "/usr/bin/chromium", {"width": 1093, "height": 614}
AXE = INSTALLED_ASSETS / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SUBJECT, CLIENT, SECRET = "8c1f-lan", "sohoa", "a secret: with / signs"
KEY = RSAKey.generate_key(2048, {"kid": "one"})
STRANGERS_KEY = RSAKey.generate_key(2048, {"kid": "one"})


def base64url(given):
    return base64.urlsafe_b64encode(given).rstrip(b"=")


class Provider:
    """Discovery, authorization, token and keys of an OpenID provider. `claims`, `key`, `header`: of the next id token;
    `metadata`: what discovery says otherwise; `asked`: which paths were called."""

    def __init__(self, port):
        self.issuer = f"http://127.0.0.1:{port}"
        self.reset()
        self.app = FastAPI()
        self.app.middleware("http")(self.note)
        for path, method, does in (
            ("/.well-known/openid-configuration", "GET", self.discovery), ("/authorize", "GET", self.authorize),
            ("/token", "POST", self.token), ("/keys", "GET", self.keys),
        ):  # fmt: skip
            self.app.add_api_route(path, does, methods=[method])

    def reset(self):
        self.claims, self.metadata, self.header, self.key = {}, {}, {"alg": "RS256", "kid": "one"}, KEY
        self.codes, self.asked = {}, []

    async def note(self, request: Request, call_next):
        self.asked.append(request.url.path)
        return await call_next(request)

    def discovery(self):
        told = {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize"}
        return told | {"token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys"} | self.metadata

    def authorize(self, request: Request):
        """As if the person had signed in there: back at once with a code."""
        asked, code = dict(request.query_params), secrets.token_urlsafe(8)
        assert asked["response_type"] == "code" and "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256" and asked["client_id"] == CLIENT
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    def token(self, request: Request, code: str = Form(), redirect_uri: str = Form(), code_verifier: str = Form()):
        """One id token per code, for who knows the secret and the verifier."""
        kind, given = request.headers["authorization"].split()
        name, secret = (unquote(part) for part in base64.b64decode(given).decode().split(":"))
        asked = self.codes.pop(code, None)
        digest = base64url(hashlib.sha256(code_verifier.encode()).digest()).decode()
        if (kind, name, secret) != ("Basic", CLIENT, SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        if not asked or (asked["redirect_uri"], asked["code_challenge"]) != (redirect_uri, digest):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": SUBJECT, "aud": CLIENT, "iat": now, "exp": now + 300,
                  "nonce": asked["nonce"], "role": "it"} | self.claims  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        return {"access_token": "x", "token_type": "Bearer", "id_token": self.signed(claims)}

    def signed(self, claims):
        if isinstance(self.key, bytes):
            body = b".".join(base64url(json.dumps(part).encode()) for part in (self.header, claims))
            seal = hmac.digest(self.key, body, "sha256") if self.key else b""
            return (body + b"." + base64url(seal)).decode()
        return jwt.encode(self.header, claims, self.key, algorithms=[self.header["alg"]])

    def keys(self):
        return {"keys": [KEY.as_dict(private=False, use="sig")]}


@pytest.fixture(scope="module")
def directory():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = Provider(free.getsockname()[1])
    with served(made.app, int(made.issuer.rsplit(":", 1)[1])):
        yield made


@pytest.fixture
def provider(directory):
    directory.reset()
    return directory


@pytest.fixture(scope="module")
def app(directory, settings, engine):
    own = {"oidc_issuer": directory.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    return create_app(settings.model_copy(update=own))


@pytest.fixture
def browser(app, clean):
    """A browser at the workbench, where Lan, an officer, is linked to the directory's SUBJECT."""
    with clean.begin() as conn:
        accounts.add(conn, "it", "lan", "Nguyễn Thị Lan", "officer", None, subject=SUBJECT)
    return TestClient(app, "https://workbench.example", follow_redirects=False)


def go(browser, back="/help"):
    """To the directory, there signed in, and the address that leads back: (path and query)."""
    asked = browser.get("/login/directory", params={"back": back})
    assert asked.status_code == 303
    return sent_back(asked.headers["location"])


def sent_back(address):
    there = httpx.get(address, trust_env=False)
    parts = urlsplit(there.headers["location"])
    assert (parts.scheme, parts.netloc) == ("https", "workbench.example")
    return f"{parts.path}?{parts.query}"


def who(browser):
    """Whom the workbench takes this browser for; '' for nobody."""
    answer = browser.get("/account", headers={"Accept": "text/html"})
    found = re.search(r"\((\S+)\), ([^<]+)<", answer.text)
    return found.groups() if found else ""


def test_a_person_of_the_directory_gets_a_session_in_the_role_of_our_own_table(provider, browser):
    assert "Đăng nhập bằng tài khoản của bệnh viện" in browser.get("/login").text
    answer = browser.get(go(browser))
    assert answer.status_code == 200 and 'content="0; url=/help"' in answer.text
    assert who(browser) == ("lan", "Nhân viên hồ sơ")
    flags = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("sohoa_session="))
    assert "HttpOnly" in flags and "SameSite=strict" in flags and "Secure" in flags


def test_nothing_but_the_issuer_is_asked_and_each_thing_once_per_step(provider, browser):
    browser.get(go(browser))
    found = "/.well-known/openid-configuration"
    assert provider.asked == [found, "/authorize", found, "/token", "/keys"]


def test_the_sign_in_under_way_is_bound_to_this_browser_and_stays_with_us(provider, browser, clean):
    asked = browser.get("/login/directory")
    query = parse_qs(urlsplit(asked.headers["location"]).query)
    assert set(query) == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method",
    }  # fmt: skip
    cookie = asked.headers["set-cookie"]
    assert all(
        flag in cookie for flag in ("HttpOnly", "SameSite=lax", "Secure", "Path=/login/directory", "Max-Age=600")
    )
    with clean.connect() as conn:
        row = conn.execute(text("SELECT * FROM review.sign_in")).one()
    assert all(kept not in cookie for kept in (row.state, row.nonce, row.verifier)) and row.verifier not in str(query)
    other = TestClient(browser.app, "https://workbench.example", follow_redirects=False)
    assert other.get(sent_back(asked.headers["location"])).status_code == 401 and who(other) == ""


@pytest.mark.parametrize("state", ["wrong", ""])
def test_another_state_is_refused_and_the_sign_in_cannot_be_tried_again(provider, browser, state):
    back = go(browser)
    key = browser.cookies.get(openid.COOKIE)
    wrong = re.sub(r"state=[^&]+", f"state={state}", back)
    assert browser.get(wrong).status_code == 401
    browser.cookies.set(openid.COOKIE, key, domain="workbench.example", path="/login/directory")
    assert browser.get(back).status_code == 401 and who(browser) == ""
    assert "/token" not in provider.asked


def test_a_code_works_once(provider, browser):
    back = go(browser)
    key = browser.cookies.get(openid.COOKIE)
    assert browser.get(back).status_code == 200
    browser.cookies.clear()
    browser.cookies.set(openid.COOKIE, key, domain="workbench.example", path="/login/directory")
    assert browser.get(back).status_code == 401 and who(browser) == ""


def test_a_code_of_another_sign_in_is_refused_by_its_verifier(provider, browser):
    code = re.search(r"code=([^&]+)", go(browser))[1]
    own = go(browser)
    assert browser.get(re.sub(r"code=[^&]+", f"code={code}", own)).status_code == 401 and who(browser) == ""


def test_a_sign_in_that_took_too_long_has_ended_and_is_swept_away(provider, browser, clean):
    back = go(browser)
    with clean.begin() as conn:
        conn.execute(text("UPDATE review.sign_in SET ends_at = now() - interval '1 second'"))
    assert browser.get(back).status_code == 401 and who(browser) == ""
    browser.get("/login/directory")
    with clean.connect() as conn:
        assert conn.scalar(text("SELECT count(*) FROM review.sign_in")) == 1


LONG_AGO = 1_500_000_000


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"}, {"aud": "another", "azp": CLIENT}, {"aud": [CLIENT, "another"]}, {"azp": "another"},
        {"iss": "https://elsewhere.example"}, {"exp": LONG_AGO, "iat": LONG_AGO - 60}, {"exp": None},
        {"nonce": "another"}, {"nonce": None}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"nbf": 4_000_000_000},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_that_is_not_for_us_now_is_refused(provider, browser, claims):
    provider.claims = claims
    answer = browser.get(go(browser))
    assert answer.status_code == 401 and "không xác nhận lần đăng nhập này" in answer.text and who(browser) == ""


@pytest.mark.parametrize(
    "key, header",
    [
        (STRANGERS_KEY, {"alg": "RS256", "kid": "one"}),
        (STRANGERS_KEY, {"alg": "RS256", "kid": "two"}),
        (KEY.as_pem(private=False), {"alg": "HS256", "kid": "one"}),
        (b"", {"alg": "none"}),
    ],
    ids=["signature", "unknown key", "public key as a secret", "unsigned"],
)
def test_a_token_without_the_issuers_signature_is_refused(provider, browser, key, header):
    provider.key, provider.header = key, header
    assert browser.get(go(browser)).status_code == 401 and who(browser) == ""


def test_a_stranger_is_told_so_and_nothing_is_created(provider, browser, clean):
    provider.claims = {"sub": "9d2e-stranger", "preferred_username": "lan", "name": "Lan"}
    answer = browser.get(go(browser))
    assert answer.status_code == 403 and "chưa được cấp quyền" in answer.text and who(browser) == ""
    with clean.connect() as conn:
        assert conn.scalar(text("SELECT count(*) FROM review.account")) == 1
        assert conn.scalar(text("SELECT count(*) FROM review.session")) == 0


@pytest.mark.parametrize("change", ["active = false", "ends_on = '2020-01-31'"])
def test_an_account_that_is_disabled_or_over_is_refused(provider, browser, clean, change):
    with clean.begin() as conn:
        conn.execute(text(f"UPDATE review.account SET {change}"))
    assert browser.get(go(browser)).status_code == 403 and who(browser) == ""


def test_a_cancelled_sign_in_comes_back_to_the_form(provider, browser):
    back = re.sub(r"code=[^&]+", "error=access_denied", go(browser))
    answer = browser.get(back)
    assert answer.status_code == 401 and 'name="password"' in answer.text


def test_signing_out_ends_our_session(provider, browser):
    browser.get(go(browser))
    held = browser.cookies[sessions.COOKIE]
    csrf = re.search(r'name="csrf" content="([^"]+)"', browser.get("/account").text)[1]
    assert browser.post("/logout", data={"csrf": csrf}).headers["location"] == "/login"
    browser.cookies.set(sessions.COOKIE, held, domain="workbench.example")
    assert who(browser) == ""


@pytest.mark.parametrize(
    "name, path", [("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("jwks_uri", "keys")]
)
def test_addresses_on_another_host_are_not_asked(provider, browser, name, path):
    """Not even where the same would be answered there."""
    here = go(browser) if name != "authorization_endpoint" else "/login/directory"
    provider.metadata = {name: f"{provider.issuer.replace('127.0.0.1', 'localhost')}/{path}"}
    answer = browser.get(here)
    assert answer.status_code == 502 and "Không liên lạc được" in answer.text and who(browser) == ""


def test_a_directory_of_another_name_is_not_believed(provider, browser):
    provider.metadata = {"issuer": "https://elsewhere.example"}
    assert browser.get("/login/directory").status_code == 502


@pytest.mark.parametrize("back", ["//elsewhere.example", "https://elsewhere.example", '/"><script>'])
def test_nobody_is_sent_elsewhere_afterwards(provider, browser, back):
    answer = browser.get(go(browser, back))
    assert "elsewhere" not in answer.text and "<script>" not in answer.text


@pytest.fixture
def window(app, clean, assets):
    """A window of Chromium at the workbench on a free port of its own, about as wide as a screen at 125 %."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("Debian's chromium is not installed; ./run test installs it")
    with served(app) as address, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(base_url=address, viewport=AT_125_PERCENT)
        browser.close()


def faults(window):
    window.evaluate(AXE.read_text(encoding="utf-8"))
    found = window.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
    wide = window.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [fault["id"] for fault in found] + ["too wide"] * wide


@pytest.mark.slow
def test_in_a_browser_the_way_back_from_the_directory_ends_in_the_session(provider, window, clean):
    with clean.begin() as conn:
        accounts.add(conn, "it", "lan", "Nguyễn Thị Lan", "officer", None, subject=SUBJECT)
    window.goto("/login?back=/help")
    assert faults(window) == []
    window.get_by_text("Đăng nhập bằng tài khoản của bệnh viện").press("Enter")
    window.wait_for_url("**/help")
    window.get_by_text("Nguyễn Thị Lan").click()
    window.wait_for_url("**/account")
    assert "mật khẩu được đổi tại đó" in window.inner_text("main") and faults(window) == []


@pytest.mark.slow
def test_in_a_browser_a_temporary_password_is_changed_by_keyboard_alone(provider, window, clean):
    def typed(*words):
        for word in words:
            window.keyboard.type(word)
            window.keyboard.press("Enter" if word is words[-1] else "Tab")

    temporary, own = "mật khẩu tạm 1", "mật khẩu của riêng tôi"
    with clean.begin() as conn:
        accounts.add(conn, "it", "mai", "Trần Thị Mai", "officer", temporary, temporary=True)
    window.goto("/login?back=/queue")
    typed("mai", temporary)
    window.wait_for_url("**/account")
    assert faults(window) == []
    typed(temporary, own, own + "!")
    window.wait_for_selector("[role=alert]")
    assert "không giống nhau" in window.inner_text("[role=alert]") and faults(window) == []
    typed(temporary, own, own)
    window.wait_for_selector("[role=status]")
    window.goto("/queue")
    assert window.url.endswith("/queue")


def test_without_a_directory_there_is_no_button_and_no_route(settings, engine):
    plain = TestClient(create_app(settings), follow_redirects=False)
    assert "/login/directory" not in plain.get("/login").text
    assert plain.get("/login/directory").status_code == plain.get("/login/directory/back").status_code == 404


@pytest.mark.parametrize(
    "given, said",
    [
        ({"oidc_issuer": "https://ad.example"}, "SOHOA_OIDC_CLIENT_ID, SOHOA_OIDC_CLIENT_SECRET must be set"),
        (
            {"oidc_issuer": "http://ad.example", "oidc_client_id": "x", "oidc_client_secret": "y"},
            "must begin with https",
        ),
    ],
)
def test_half_a_directory_or_an_open_line_is_refused_at_start(settings, engine, given, said):
    with pytest.raises(SohoaError, match=said):
        create_app(settings.model_copy(update=given))


def test_the_secret_is_not_in_what_settings_show(settings):
    assert SECRET not in repr(settings.model_copy(update={"oidc_client_secret": SECRET}))
