"""Programs that run JavaScript: Node for the decoder, headless Chromium for what is drawn."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .chromium import PRIORS, ROOT, SECONDS, WEB, in_chromium

__all__ = ["PRIORS", "ROOT", "WEB", "in_chromium", "in_node", "needs_chromium", "needs_node"]

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")


def in_node(script: str, *arguments: str | Path) -> Any:
    """What a script prints as JSON."""
    command = ["node", "-e", script, "--", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
