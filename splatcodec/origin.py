"""Which state of the code has made a file or a picture."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import splatkernels

# What changes neither.
_ASIDE = ("rd", "cli", "plot", "batch", "web", "interchange", "tensors", "tars.py")


@cache
def code_version(*beside: str) -> str:
    """The release, and a digest that tells apart states of the code between two releases.

    Args:
        beside: modules that count as well, by their paths in the package, though they change no .gsi file.
    """
    codec, kernels = Path(__file__).parent, Path(splatkernels.__file__).parent
    sources = [path for path in sorted(codec.rglob("*.py")) if path.relative_to(codec).parts[0] not in _ASIDE]
    digest = hashlib.sha256()
    for path in (*sources, *sorted(codec.rglob("*.bin")), *sorted(kernels.rglob("*.py")), *map(codec.joinpath, beside)):
        digest.update(path.read_bytes())
    return f"{version('splatcodec')}+{digest.hexdigest()[:8]}"
