"""Before stage 0, pipeline.settings: turns SOHOA_* variables and settings.toml into one frozen Settings object."""

import os
from datetime import time
from functools import cache
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from extractors.limits import Limits
from records import code_lists
from records.errors import SohoaError

REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What an installation may choose. Variables SOHOA_... win over settings.toml in `home`.

    `database_url` empty: the embedded PostgreSQL in `home`/pg. `page_seconds`, `page_memory_mb`: what one page may
    cost a worker before it is put aside. `batches_at_once`: runs that Airflow is given. `night_from`, `night_until`:
    hours in Vietnam at which every worker reads; by day `day_share` of them do. `inbox`: the folder, or URL, where
    boxes arrive.
    `store_url`: where the originals lie, a URL of fsspec; empty: `home`/store. `airflow_host`: where Airflow listens
    and workers on other machines reach it. `broker_url`: Redis between Airflow and Celery workers; empty: the
    scheduler's machine does all the work. `statsd`: host:port to which Airflow sends its own measures. `metrics_host`,
    `metrics_port`: where Prometheus finds ours; port 0: nowhere.
    `review_idle_minutes`, `review_session_hours`: how long somebody stays signed in to the workbench without doing
    anything, and at all. `review_cache_mb`: pictures of pages that it remembers. `oidc_issuer`, `oidc_client_id`,
    `oidc_client_secret`: the hospital's directory, where its people may sign in. `fhir_system`: what the hospital's own
    identifiers begin with in FHIR; `fhir_token`: the bearer token for the server that resources are sent to.
    `pacs_authorization`: the header of that name for a PACS that speaks DICOMweb.
    `revocation_hosts`: hosts from which lists of revoked certificates may be fetched.
    """

    model_config = SettingsConfigDict(frozen=True, env_prefix="SOHOA_", extra="ignore", env_ignore_empty=True)

    home: Path = REPOSITORY / "var"
    database_url: str = Field(default="", repr=False)
    airflow_database_url: str = Field(default="", repr=False)
    facility: str = "DEMO"
    reader: str = "neural"
    workers: int = Field(default_factory=lambda: min(8, os.cpu_count() or 1), ge=1, le=256)
    chunk_pages: int = Field(default=20, ge=1, le=200)
    max_pixels: int = Field(default=120_000_000, ge=1)
    max_pages: int = Field(default=3000, ge=1, le=9999)
    max_file_mb: int = Field(default=1000, ge=1, le=2000)
    page_seconds: int = Field(default=120, ge=1)
    page_memory_mb: int = Field(default=3000, ge=256)
    batches_at_once: int = Field(default=3, ge=1, le=50)
    night_from: time = time(19)
    night_until: time = time(6)
    day_share: float = Field(default=1.0, ge=0, le=1)
    inbox: str = ""
    airflow_host: str = "127.0.0.1"
    store_url: str = ""
    broker_url: str = Field(default="", repr=False)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9108, ge=0, le=65535)
    statsd: str = Field(default="", pattern=r"^$|^[\w.-]+:\d{1,5}$")
    review_host: str = "127.0.0.1"
    review_port: int = Field(default=8090, ge=1024, le=65535)
    review_idle_minutes: int = Field(default=30, ge=1, le=240)
    review_session_hours: int = Field(default=12, ge=1, le=24)
    review_cache_mb: int = Field(default=256, ge=1)
    fhir_system: str = Field(default="urn:sohoa", pattern=r"^[a-z][a-z0-9+.-]*:[\w./:-]+$")
    revocation_hosts: tuple[str, ...] = ()
    fhir_token: str = Field(default="", repr=False)
    pacs_authorization: str = Field(default="", repr=False)
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = Field(default="", repr=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then SOHOA_* variables, then settings.toml."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=_home() / "settings.toml")

    @property
    def limits(self) -> Limits:
        """What a file may cost before it is put aside unread."""
        return Limits(max_pixels=self.max_pixels, max_pages=self.max_pages, max_file_bytes=self.max_file_mb * 1_000_000)


@cache
def settings() -> Settings:
    """The settings of this process, read once; SohoaError names the setting that cannot be used.

    From then on the hospital's own code lists are read in place of the product's.
    """
    try:
        chosen = Settings(home=_home())
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SohoaError(
            f"The setting '{name}' cannot be used ({first['msg']}); correct SOHOA_{name.upper()} or settings.toml."
        ) from error
    except ValueError as error:
        raise SohoaError(f"{_home() / 'settings.toml'} is not valid TOML ({error}); correct it.") from error
    code_lists.read_from(chosen.home / "codes")
    return chosen


def _home() -> Path:
    return Path(os.environ.get("SOHOA_HOME") or REPOSITORY / "var").expanduser().resolve()
