"""Every hour: stuck batches wait again; what nobody needs any more is removed, Airflow's old runs too."""

from datetime import timedelta

from airflow.sdk import dag, task


@dag(
    schedule="15 * * * *",
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["sohoa"],
)
def housekeeping() -> None:
    """A run that was cancelled or failed leaves no batch behind for longer than two hours."""

    @task
    def keep_house() -> dict[str, int]:
        from pipeline import housekeeping

        return housekeeping.keep_house()

    keep_house()


housekeeping()
