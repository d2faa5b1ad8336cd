"""Every morning: the forecast of each target is kept, so that dashboards and reports show its course."""

from datetime import timedelta

from airflow.sdk import dag, task


@dag(
    schedule="0 22 * * *",  # five in the morning in Vietnam
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    tags=["sohoa"],
)
def publish_compliance() -> None:
    """As `sohoa forecast`, of every target."""

    @task
    def publish() -> int:
        from reporting import published

        return published.publish()

    publish()


publish_compliance()
