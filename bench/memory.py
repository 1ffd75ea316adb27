"""The largest memory that this process had. getrusage would count what its parent had before it became this program."""

from pathlib import Path


def peak_mib() -> float:
    said = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(said.split()[0]) / 1024
