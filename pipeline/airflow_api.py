"""Beside every stage, pipeline.airflow_api: what is said to Airflow's REST API, and what becomes of refusals."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import structlog

from pipeline import airflow
from pipeline.settings import Settings
from records.errors import SohoaError

log = structlog.get_logger()
TIMEOUT_SECONDS = 10


@contextmanager
def told() -> Iterator[None]:
    """What Airflow refuses, and that it is away, is logged and no more: the next round asks again."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        log.warning("refused", status=error.response.status_code, path=error.request.url.path)
    except (httpx.TransportError, SohoaError) as error:
        log.warning("not_reached", why=str(error))


@contextmanager
def connected(settings: Settings, url: str) -> Iterator[httpx.Client]:
    """A client with a token of Airflow's SimpleAuthManager for its only user."""
    # No proxy: nothing leaves this machine, or the host that `url` names.
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        password = json.loads(airflow.password_file(settings).read_text(encoding="utf-8"))[airflow.USER]
        given = {"username": airflow.USER, "password": password}
        token = answer_of(client.post("/auth/token", json=given))["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def asset_id(client: httpx.Client, name: str) -> int:
    """The number that Airflow gave the asset when it read the DAG; SohoaError before."""
    answer = answer_of(client.get("/api/v2/assets", params={"name_pattern": name, "limit": 100}))
    found = next((asset["id"] for asset in answer["assets"] if asset["name"] == name), None)
    if found is None:
        raise SohoaError(f"Airflow does not know the asset '{name}' yet")
    return int(found)


def answer_of(answer: httpx.Response) -> dict[str, Any]:
    """An answer's JSON; HTTPStatusError where it is a refusal, SohoaError where it is none."""
    try:
        found: dict[str, Any] = answer.raise_for_status().json()
    except ValueError as error:
        raise SohoaError(f"{answer.request.url.path} answers what is no JSON; is that Airflow?") from error
    return found
