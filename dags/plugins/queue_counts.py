"""Beside the DAGs, plugins.queue_counts: a page of Airflow shows IT staff what waits for officers, as counts alone."""

from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/officers-queue"


async def page(scope: Any, receive: Any, send: Any) -> None:
    """The page as ASGI; made at the first request, because every process of Airflow loads this file."""
    await _made()(scope, receive, send)


class QueueCounts(AirflowPlugin):
    """An entry in Airflow's menu and the page behind it."""

    name = "sohoa_queue_counts"
    fastapi_apps = [{"app": page, "url_prefix": PREFIX, "name": "Officers' queue"}]
    external_views = [
        {"name": "Officers' queue", "href": f"{PREFIX[1:]}/", "url_route": "officers-queue", "destination": "nav",
         "category": "browse"}
    ]  # fmt: skip


@cache
def _made() -> Any:
    """Airflow asks nobody who opens a plugin's page, so each route does: whoever may see what the cluster does."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    def counts() -> HTMLResponse:
        from reporting import queue

        return HTMLResponse(queue.page(queue.counts()), headers=queue.HEADERS)

    signed_in = [Depends(requires_access_view(AccessView.CLUSTER_ACTIVITY))]
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=signed_in)
    app.add_api_route("/", counts, methods=["GET"])
    return app
