"""Every night: the suites are asked again about every batch that is held or waits to be loaded."""

from datetime import timedelta

from airflow.sdk import dag, task


@dag(
    schedule="30 19 * * *",  # half past two in the morning in Vietnam
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    tags=["sohoa"],
)
def check_quality() -> None:
    """A longer history, or a new list, may answer otherwise; what passes now is loaded by its next run."""

    @task
    def check() -> dict[str, int]:
        from pipeline import quality_rounds

        return quality_rounds.check_waiting()

    check()


check_quality()
