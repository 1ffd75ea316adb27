"""Every setting of Varve, each with a help line; read from the environment (VARVE_GROUP__NAME) once and passed in.

The only reader of os.environ. docs/SETTINGS.md is checked against this class by tests/tidy.
"""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LogSettings(_Group):
    brokers: str = Field("", description="host:port[,host:port] of a running Kafka or Redpanda; empty starts the embedded broker")
    partitions: int = Field(4, ge=1, le=1024, description="partitions of varve.events when the log is first made; never changed later")
    replication: int = Field(1, ge=1, description="replicas of each topic when the log is first made")
    prefix: str = Field("varve", description="first word of every topic name, so that several logs can share a broker")
    heap_mb: int = Field(512, ge=128, description="JVM heap of the embedded broker, MiB")


class StoreSettings(_Group):
    dsn: str = Field("", description="clickhouse://user:password@host:8123 of a server; empty uses chDB inside the server process")
    readers: int = Field(4, ge=1, le=64, description="threads that read from the store")
    batch_rows_max: int = Field(250_000, ge=1, description="rows the sink gathers for one insert at the most")
    refresh_seconds: float = Field(1.0, gt=0, description="pause between two looks for rollup rows to be worked out anew, at least")


class HttpSettings(_Group):
    host: str = Field("127.0.0.1", description="address the HTTP server listens on")
    port: int = Field(8000, ge=0, le=65535, description="port the HTTP server listens on; 0 chooses a free one")
    origins: str = Field("", description="origins of other servers' pages that may follow by WebSocket: https://host[:port],...")
    body_mb_max: int = Field(256, ge=1, description="largest request body, MiB; larger ones get 413")
    file_mb_max: int = Field(512, ge=1, description="largest uploaded file (DataReservoir's door, /load), MiB; it goes to disk as it comes")
    record_mb_max: int = Field(8, ge=1, le=15, description="largest event record, MiB uncompressed; larger uploads are spooled")
    coalesce_ms: float = Field(3.0, ge=0, description="how long a small write waits for others to share its record, ms")
    held_requests_max: int = Field(2_000, ge=1, description="requests that may wait for a view at once; more get 503 with their token")
    wait_seconds_max: float = Field(30.0, gt=0, description="longest wait for a view; then 503 with the token (the write is safe)")
    page_rows_max: int = Field(1_000_000, ge=1, description="rows in one page of a read; more come by cursor")


class WorkerSettings(_Group):
    name: str = Field("worker-1", description="this worker's name: its static membership in the group; empty takes the host's name")
    session_seconds: float = Field(8.0, ge=2, description="a worker silent for so long loses its partitions")
    forgotten_seconds: float = Field(
        24.0, gt=0, description="a worker whose group is silent for so long (two sessions at least) ends, to join it anew"
    )
    stall_seconds: float = Field(4.0, gt=0, description="a worker whose loop slept so long leaves before writing; at most half the session")
    flush_seconds: float = Field(0.5, gt=0, description="how often the fold's state is written to its changelog")
    flush_records: int = Field(500, ge=1, description="records after which the fold's state is written at the latest")


class UpSettings(_Group):
    hung_seconds: float = Field(60.0, gt=0, description="a part that is there but silent for so long is killed and started again")


class AccessSettings(_Group):
    enabled: bool = Field(False, description="whether callers need a key; without it the server listens on loopback addresses alone")
    secret: str = Field("", description="signs sessions and tokens; 32 characters or more; empty makes DATA/access.secret")
    key: str = Field("", description="the API key that commands and Python clients of this machine send where they are given none")
    public_url: str = Field("", description="http[s]://host[:port],... by which clients know this server: OAuth signatures cover it")
    session_hours: float = Field(24.0, gt=0, description="how long a session lasts after its log-in")


class LoadingSettings(_Group):
    url: str = Field("", description="http[s]://host:port of the API that the loader works for; empty takes the HTTP server's own")
    runs_at_once: int = Field(16, ge=1, le=1024, description="runs that one loader has under way at once; the others wait")
    lease_seconds: float = Field(30.0, ge=1, description="a run that its loader says nothing of for so long is lost, and tried again")
    mail: str = Field("", description="smtp[s]://user:password@host:port that summaries are sent through; empty sends none")
    mail_from: str = Field("varve@localhost", description="whom summaries come from")
    allow_private: bool = Field(
        False, description="whether loads may ask private, loopback and link-local addresses, so this machine and its net"
    )
    connect_seconds: float = Field(10.0, gt=0, description="to reach a source")
    silent_seconds: float = Field(60.0, gt=0, description="a source silent for so long in its answer is given up")
    total_seconds: float = Field(900.0, gt=0, description="longest fetch of a source, with its repetitions")
    size_mb_max: int = Field(2048, ge=1, description="largest answer of a source, MiB, inflated; it goes to disk as it comes")
    tries: int = Field(3, ge=1, le=10, description="how often a source that fails for now (5xx, 429, no connection) is asked in one run")


class Settings(BaseSettings):
    """Frozen; `Settings()` reads the environment, `Settings(data=..., http=...)` is for tests and the supervisor."""

    model_config = SettingsConfigDict(env_prefix="VARVE_", env_nested_delimiter="__", frozen=True, extra="ignore")

    data: Path = Field(Path("varve-data"), description="directory of the embedded broker and store, the spool and logs")
    log: LogSettings = Field(default=LogSettings())
    store: StoreSettings = Field(default=StoreSettings())
    http: HttpSettings = Field(default=HttpSettings())
    worker: WorkerSettings = Field(default=WorkerSettings())
    up: UpSettings = Field(default=UpSettings())
    access: AccessSettings = Field(default=AccessSettings())
    loading: LoadingSettings = Field(default=LoadingSettings())


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment in which `Settings()` reads these settings again: how the supervisor hands them to its parts."""
    rows = {"VARVE_DATA": str(settings.data)}
    for group, fields in settings.model_dump(mode="json", exclude={"data"}).items():
        rows |= {f"VARVE_{group}__{name}".upper(): str(value) for name, value in fields.items()}
    return dict(os.environ) | rows


def java_home() -> str:
    return os.environ.get("JAVA_HOME", "")


def cache_directory(data: Path) -> Path:
    """Where downloads are kept for all data directories of this person; inside `data` where there is no such place."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME") or "/nonexistent") / ".cache")
    try:
        (home / "varve").mkdir(parents=True, exist_ok=True)
    except OSError:
        return data / "cache"
    return home / "varve" if os.access(home / "varve", os.W_OK) else data / "cache"
