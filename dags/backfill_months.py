"""Months of discharge for Airflow's own backfill: each run lets the boxes of its month wait for their turn.

`airflow backfill create --dag-id backfill_months --from-date 2018-01-01 --to-date 2019-12-31 --run-backwards
--max-active-runs 2 --reprocess-behavior failed` orders two years, the newest first.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException


@dag(
    schedule="@monthly",
    catchup=False,
    max_active_runs=2,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["sohoa"],
)
def backfill_months() -> None:
    """Which boxes hold a month's stays is in the registry; a month without boxes is skipped with a sentence."""

    @task
    def queue_month(logical_date: Any = None) -> list[str]:
        from pipeline import months

        month = logical_date.strftime("%Y-%m")
        queued = months.queue_month(month)
        if not queued:
            raise AirflowSkipException(f"No batch that is not read yet holds stays discharged in {month}.")
        return queued

    queue_month()


backfill_months()
