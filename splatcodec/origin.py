"""Which state of the code has made a file or a picture."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import splatkernels

# What changes neither.
_ASIDE = ("rd", "cli", "plot", "batch", "web", "interchange", "tensors")


@cache
def code_version() -> str:
    """The release, and a digest that tells apart states of the code between two releases."""
    codec, kernels = Path(__file__).parent, Path(splatkernels.__file__).parent
    sources = [path for path in sorted(codec.rglob("*.py")) if path.relative_to(codec).parts[0] not in _ASIDE]
    digest = hashlib.sha256()
    for path in (*sources, *sorted(codec.rglob("*.bin")), *sorted(kernels.rglob("*.py"))):
        digest.update(path.read_bytes())
    return f"{version('splatcodec')}+{digest.hexdigest()[:8]}"
