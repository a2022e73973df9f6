"""Rate-distortion benchmarks: codecs are measured on pictures, and their curves compared.

results = rd.sweep(["photo.png"], ["gsi", "avif"])
print(results.bd_rate("avif")["gsi-adaptive"].percent)
results.plot("psnr").savefig("curves.png")
"""

from .codecs import Codec, Gsi
from .curves import METRICS, BdRate, Curve, bd_rate
from .registry import BUILT_IN, get_codec, parse_codecs
from .results import MeanBdRate, Results
from .row import Row
from .sweep import Progress, sweep

__all__ = [
    "BUILT_IN",
    "METRICS",
    "BdRate",
    "Codec",
    "Curve",
    "Gsi",
    "MeanBdRate",
    "Progress",
    "Results",
    "Row",
    "bd_rate",
    "get_codec",
    "parse_codecs",
    "sweep",
]
