"""Batches in which officers have settled documents: load those, account."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Param, dag, task

BATCH_ID = Param(
    "",
    type="string",
    pattern=r"^[\w.-]{0,120}$",
    title="Batch",
    description="Id of one batch to load, without an event",
)
REVIEWED = Asset(name="reviewed", uri="sohoa://review/reviewed")


@dag(
    schedule=[REVIEWED],
    catchup=False,
    max_active_runs=1,
    params={"batch": BATCH_ID},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["sohoa"],
)
def load_reviewed() -> None:
    """The events that came in since the last run name their batches; one run loads each of those once."""

    @task
    def list_batches(triggering_asset_events: Any = None, params: Any = None) -> list[str]:
        events = [event for found in (triggering_asset_events or {}).values() for event in found]
        return sorted({*(event.extra.get("batch", "") for event in events), params["batch"]} - {""})

    @task(pool="emr_write", queue="emr")
    def load(batch_id: str) -> str:
        from pipeline import outbox

        outbox.load_reviewed(batch_id)
        return batch_id

    @task
    def account(batch_id: str) -> dict[str, int]:
        from pipeline import steps

        return steps.account(batch_id)

    account.expand(batch_id=load.expand(batch_id=list_batches()))


load_reviewed()
