"""On what the figures were measured: processor, memory, system, versions; a figure without these says nothing."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

LIBRARIES = ("faust-streaming", "aiokafka", "chdb", "clickhouse-connect", "pyarrow", "numpy", "uvicorn")


def machine() -> dict[str, str]:
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": " ".join(f"{one:.1f}" for one in os.getloadavg()),
        "versions": ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in LIBRARIES)]),
    }


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor() or "unknown")
