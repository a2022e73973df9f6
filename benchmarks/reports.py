"""What all result files say of the runs that they come from."""

import json
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def about(threads: int, *packages: str) -> dict[str, Any]:
    """The date, the commit, the machine, and the versions of Python, splatcodec, NumPy, Numba and other packages.

    Args:
        threads: that were at work.
        packages: what else matters, by their names.
    """
    from llvmlite.binding import get_host_cpu_name

    names = ("splatcodec", "numpy", "numba", *packages)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "machine": f"{get_host_cpu_name()}, {'one thread' if threads == 1 else f'{threads} threads'}",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in names},
    }


def commit() -> str:
    """The state of the code: twelve digits, and whether the codec or its kernels differ from it."""
    return git("rev-parse", "--short=12", "HEAD") + (
        "-dirty" if git("status", "--porcelain", "splatcodec", "kernels") else ""
    )


def git(*arguments: str) -> str:
    """What git says of this checkout."""
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def write(path: Path, about: dict[str, Any], rows: Any, **more: Any) -> None:
    """Write a result file: what `about` says, more that holds for all rows, and the rows."""
    path.write_text(json.dumps({**about, **more, "rows": rows}, indent=1) + "\n")
