"""Tells a desktop that follows the shared MIME-info specification, as those of Linux do, what .gsi files are."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .container import MAGIC
from .files import replacing

_ESCAPED_MAGIC = "".join(map("\\x{:02x}".format, MAGIC))
_PACKAGE = f"""<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="image/x-gsi">
    <comment>2D Gaussian splat image</comment>
    <generic-icon name="image-x-generic"/>
    <magic priority="50">
      <match type="string" value="{_ESCAPED_MAGIC}" offset="0"/>
    </magic>
    <glob pattern="*.gsi"/>
  </mime-type>
</mime-info>
"""


def install() -> tuple[Path, str | None]:
    """Declare image/x-gsi for the current user.

    Returns:
        The file that is written, `mime/packages/splatcodec.xml` in `$XDG_DATA_HOME`, and why the desktop does not heed
        it yet; None if it does.

    Raises:
        OSError: the file cannot be written.
    """
    given = os.environ.get("XDG_DATA_HOME", "")
    # The specification tells to ignore relative paths.
    data_home = Path(given) if os.path.isabs(given) else Path.home() / ".local" / "share"
    database = data_home / "mime"
    path = database / "packages" / "splatcodec.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(_PACKAGE.encode())
    tool = shutil.which("update-mime-database")
    if tool is None:
        return path, f"install shared-mime-info and run: update-mime-database {database}"
    result = subprocess.run([tool, str(database)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return path, f"update-mime-database {database} failed: {' '.join(result.stderr.split())}"
    return path, None


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m splatcodec.pil`; returns the exit code: 0 done, 1 failed, as one line says."""
    parser = argparse.ArgumentParser(prog="python -m splatcodec.pil", description="The Pillow plugin for .gsi files.")
    parser.add_argument(
        "--install-mime", action="store_true", required=True, help="tell the desktop of this user what .gsi files are"
    )
    parser.parse_args(argv)
    try:
        path, fault = install()
    except OSError as error:
        print(f"splatcodec: {error.filename}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 1
    print(f"{path}: written")
    if fault is not None:
        print(f"splatcodec: {fault}", file=sys.stderr)
        return 1
    return 0
