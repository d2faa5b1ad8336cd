"""Beside every stage, pipeline.logs: what the processes that stay say, one JSON object a line, no patient's text."""

import sys

import structlog


def configure() -> None:
    """For a process of its own; a task of Airflow logs as Airflow does."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
