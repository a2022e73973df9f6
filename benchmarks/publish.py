"""Writes the figures that README and docs/ show, from the newest result files.

Usage: python benchmarks/publish.py

Each stands between two comments, <!-- NAME --> and <!-- /NAME -->, and is never typed; a test compares them. Also draws
docs/rd-kodak.svg. Published curves come from benchmarks/anchors/kodak.json, with their sources.
"""

import json
import re
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np

from splatcodec.options import DEFAULT_EFFORT
from splatcodec.rd import METRICS, Curve, Results, bd_rate
from splatcodec.rd.curves import decibels
from splatcodec.rd.plots import plot_curves
from splatcodec.rd.tables import POINTS, points

ROOT = Path(__file__).parent.parent
OWN = "gsi-adaptive"
"""The default, which is compared with everything else."""
TUNED = "gsi-ssim"
"""The same with the tune for structure."""
TITLES = {
    "jpeg": "JPEG",
    "webp": "WebP",
    "jpeg2000": "JPEG 2000",
    "avif": "AVIF",
    "avif-psnr": "AVIF, tune psnr",
    "avif-ssim": "AVIF, tune ssim",
    "jpegxl": "JPEG XL",
}
"""Opponents that are not our own."""
RANGE = (0.1, 0.5)
"""Rates of the opponent, in bpp, at which BD-rates are compared."""
SHOWN = ("vtm", "av1", "cool-chic-5.0", "gaussianimage")
"""Published curves in the figure."""


def main() -> None:
    for document in DOCUMENTS:
        (ROOT / document).write_text(rendered(document))
    results = kodak()
    anchors = [within(published()[name], 0.06) for name in SHOWN]
    matplotlib.rcParams["svg.hashsalt"] = "splatcodec"
    figure = plot_curves(
        [results.mean_curve(codec) for codec in results.codecs],
        "psnr",
        "Kodak, mean of 24 pictures; published curves in grey",
        anchors,
    )
    figure.axes[0].set(xlim=(0.05, 2.5), ylim=(23, 42))
    figure.savefig(ROOT / "docs" / "rd-kodak.svg", metadata={"Date": None})


def rendered(document: str) -> str:
    """The text of a document with its figures from the result files."""
    text = (ROOT / document).read_text()
    for name, make in DOCUMENTS[document].items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text, count = re.subn(pattern, lambda match, make=make: match[1] + make() + match[2], text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"{document}: {count} places for {name}, expected one")
    return text


def newest(kind: str) -> Path:
    """The newest result file of a kind, whose names are DATE-KIND.json."""
    return max((ROOT / "benchmarks" / "results").glob(f"????-??-??-{kind}.json"))


@cache
def kodak() -> Results:
    """The newest curves on Kodak."""
    return Results.from_json(newest("rd-kodak"))


@cache
def pair(own: str, codec: str) -> Results:
    """Those of two codecs alone."""
    return Results(kodak().of(own).rows + kodak().of(codec).rows)


def rate(own: str, codec: str, metric: str) -> str:
    """The BD-rate of one of our codecs against another codec."""
    return str(pair(own, codec).bd_rate(codec, metric, RANGE)[own])


def link(kind: str) -> str:
    return f"benchmarks/results/{newest(kind).name}"


def published() -> dict[str, Curve]:
    """Published mean curves on Kodak."""
    curves = {}
    for name, facts in json.loads((ROOT / "benchmarks" / "anchors" / "kodak.json").read_text()).items():
        unknown = np.full(len(facts["bpp"]), np.nan)
        values = dict.fromkeys(METRICS, unknown) | {"psnr": np.array(facts["psnr"])}
        if "ms_ssim" in facts:
            values["ms-ssim"] = decibels(np.array(facts["ms_ssim"]))
        curves[name] = Curve(name, np.array(facts["bpp"]), values)
    return curves


def within(curve: Curve, bpp: float) -> Curve:
    """A curve without the points of lower rates."""
    kept = curve.bpp >= bpp
    return Curve(curve.name, curve.bpp[kept], {metric: values[kept] for metric, values in curve.values.items()})


def fits() -> str:
    lines = ["| N | effort | mean PSNR | range | seconds a picture | |", "|---|---|---|---|---|---|"]
    kinds = {path.stem[11:] for path in (ROOT / "benchmarks" / "results").glob("*-fitting-n*-e*.json")}
    for kind in sorted(kinds, key=lambda kind: [int(number) for number in re.findall(r"\d+", kind)]):
        report = json.loads(newest(kind).read_text())
        values = [row["psnr_float"] for row in report["rows"]]
        count, effort = re.findall(r"\d+", kind)
        mean = report["mean"]
        lines.append(
            f"| {count} | {effort} | {mean['psnr_float']:.2f} dB | {min(values):.1f} to {max(values):.1f} dB | "
            f"{mean['seconds']:.1f} s | [results](../{link(kind)}) |"
        )
    return "\n".join(lines) + "\n"


def kernels() -> str:
    report = json.loads(newest("kernels").read_text())
    rows = {(row["backend"], row["threads"]): row for row in report["rows"] if row["gaussians"] == 5000}
    forward = rows["splatkernels", 1]["forward_ms"]
    one, two = (rows["splatkernels", threads]["forward_backward_ms"] for threads in (1, 2))
    fused_one, fused_two = (rows["fused step", threads]["forward_backward_ms"] for threads in (1, 2))
    return (
        f"On an idle machine ({report['machine']}), 5000 Gaussians with scales of about 5 pixels at 768x512 take\n"
        f"{forward:.1f} ms forward and {one:.1f} ms forward and backward on one thread, {two:.1f} ms on two; the\n"
        f"fused step takes {fused_one:.1f} and {fused_two:.1f} ms. Batched matrix products per tile in torch take "
        f"{rows['torch tiles', 1]['ratio']:.0f} times as long on\none thread (`python benchmarks/kernels.py`, "
        f"[results](../{link('kernels')})).\n"
    )


def rd_summary() -> str:
    results = kodak()
    opponents = [codec for codec in TITLES if codec in results.codecs]
    lines = [
        f"| BD-rate against | {' | '.join(TITLES[codec] for codec in opponents)} |",
        f"|---|{'---|' * len(opponents)}",
    ]
    for own, metric, name in (
        (OWN, "psnr", "by PSNR"),
        (OWN, "psnr-y", "by luma PSNR"),
        (TUNED, "ms-ssim", "`--tune ssim`, by MS-SSIM"),
        (TUNED, "ssimulacra2", "`--tune ssim`, by SSIMULACRA 2"),
    ):
        rates = [rate(own, codec, metric) for codec in opponents]
        lines.append(f"| {name} | {' | '.join(rates)} |")
    return "\n".join(lines) + "\n"


def rd_rates(own: str = OWN) -> str:
    results = kodak()
    titles = [title.removesuffix(" (dB)") for title in METRICS.values()]
    lines = [f"| against | {' | '.join(f'by {title}' for title in titles)} |", f"|---|{'---|' * len(titles)}"]
    for codec in results.codecs:
        if codec != own:
            rates = " | ".join(rate(own, codec, metric) for metric in METRICS)
            lines.append(f"| {TITLES.get(codec, f'`{codec}`')} | {rates} |")
    return "\n".join(lines) + "\n"


def rd_rates_tuned() -> str:
    return rd_rates(TUNED)


def rd_anchors() -> str:
    own = kodak().mean_curve(OWN)
    sources = json.loads((ROOT / "benchmarks" / "anchors" / "kodak.json").read_text())
    lines = ["| against | by PSNR | by MS-SSIM | source |", "|---|---|---|---|"]
    for name, anchor in published().items():
        rates = " | ".join(str(bd_rate(own, anchor, metric, RANGE)) for metric in ("psnr", "ms-ssim"))
        lines.append(f"| {name} | {rates} | {sources[name]['source']} |")
    return "\n".join(lines) + "\n"


def rd_points() -> str:
    results = kodak()
    rows = [POINTS, ["---"] * len(POINTS), *points(results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def rd_versions() -> str:
    results = kodak()
    versions = "\n".join(f"- {codec}: {results.of(codec).rows[0].version}" for codec in results.codecs)
    runs = "; ".join(f"{run['date']}, {run['machine']}, commit {run['commit']}" for run in results.runs)
    return f"{versions}\n- measured: {runs} ([results](../{link('rd-kodak')}))\n"


def ablation() -> str:
    report = json.loads(newest("ablation").read_text())
    lines = ["| without | BD-rate by PSNR |", "|---|---|"]
    lines += [f"| {name} | {rate:+.1f} % |" for name, rate in report["bd_rates"].items() if name != "nothing"]
    return "\n".join(lines) + "\n"


def attributes() -> str:
    report = json.loads(newest("ablation").read_text())
    names = ("means", "classes", "colors", "scales", "rotations")
    lines = [f"| quality | {' | '.join(names)} | sum |", f"|---|{'---|' * len(names)}---|"]
    for quality, own in report["bits_per_gaussian"].items():
        numbers = [own[name] for name in names]
        lines.append(f"| {quality} | {' | '.join(f'{number:.1f}' for number in [*numbers, sum(numbers)])} |")
    return "\n".join(lines) + "\n"


def worst() -> str:
    report = json.loads(newest("worst").read_text())
    lines = ["| file, and what is made of it | bytes | seconds | MiB |", "|---|---|---|---|"]
    for case in report["cases"].values():
        lines.append(f"| {case['what']} | {case['bytes']:,} | {case['seconds']:.1f} | {case['mib']:,} |")
    note = f"On {report['machine']}, in use by others (`python benchmarks/worst.py`, [results](../{link('worst')}))."
    return "\n".join([*lines, "", note]) + "\n"


_CHECKED = {"NUMBA_BOUNDSCHECK": "indices checked", "NUMBA_DISABLE_JIT": "not compiled, warnings are failures"}


def fuzz() -> str:
    logs = json.loads(newest("fuzz").read_text())
    columns = ("files", "refused", "read", "drawn", "failed", "crashed", "hung", "seconds", "most MiB")
    lines = [f"| kernels | seed | {' | '.join(columns)} |", f"|---|---|{'---|' * len(columns)}"]
    for log in logs:
        counts = [log[name] for name in ("inputs", "refused", "read", "drawn", "failed", "crash", "hang", "seconds")]
        how = ", ".join(_CHECKED[name] for name in log["settings"]) or "as they are"
        numbers = " | ".join(f"{count:,}" for count in counts)
        lines.append(f"| {how} | {log['seed']} | {numbers} | {log['peak_mib_above_idle']} |")
    versions = ", ".join(f"{name} {number}" for name, number in logs[0]["versions"].items())
    total = sum(log["inputs"] for log in logs)
    note = f"{total:,} files in all; {versions}, {logs[0]['date']} ([results](../{link('fuzz')}))."
    return "\n".join([*lines, "", note]) + "\n"


def throughput() -> str:
    report = json.loads(newest("throughput").read_text())
    rows = {(row["side"], row["effort"]): row for row in report["rows"]}
    lines = [
        "| effort | 256x256 | core-seconds a megapixel | 500x500 | core-seconds a megapixel | bpp | PSNR |",
        "|---|---|---|---|---|---|---|",
    ]
    for effort in sorted({effort for _, effort in rows}):
        cells = [str(effort)]
        for side in (256, 500):
            seconds = rows[side, effort]["encode_seconds"]
            cells += [f"{seconds:.2f} s", f"{seconds / side**2 * 1e6:.0f}"]
        own = rows[500, effort]
        lines.append(f"| {' | '.join(cells)} | {own['bpp']:.3f} | {own['psnr']:.2f} dB |")
    decode = rows[500, DEFAULT_EFFORT]["decode_seconds"]
    return "\n".join(lines) + (
        f"\n\nMeans of {report['pictures']} photographs at quality {report['quality']:g}, on one thread "
        f"({report['machine'].partition(',')[0]}); bpp and PSNR are those at\n500x500. A file of 500x500 pixels "
        f"decodes in {1000 * decode:.0f} ms (`python benchmarks/throughput.py`, [results](../{link('throughput')})).\n"
    )


def hundred_million() -> str:
    rows = json.loads(newest("throughput").read_text())["rows"]
    lines = [
        "| effort | core-hours | days on 1000 cores | terabytes of .gsi files |",
        "|---|---|---|---|",
    ]
    for row in rows:
        if row["side"] == 500:
            hours = 1e8 * row["encode_seconds"] / 3600
            terabytes = 1e8 * row["bpp"] * row["side"] ** 2 / 8 / 1e12
            days = hours / 24 / 1000
            lines.append(f"| {row['effort']} | {1000 * round(hours / 1000):,} | {days:.1f} | {terabytes:.2f} |")
    return "\n".join(lines) + "\n"


def loader() -> str:
    report = json.loads(newest("loader").read_text())
    total = report["total"]
    slowest = min(row["gsi"] for row in report["rows"])
    return (
        f"| read as | crops a second and core | of Pillow's |\n|---|---|---|\n"
        f"| .gsi files | {total['gsi']:.0f} | {total['gsi'] / total['jpeg']:.2f} |\n"
        f"| Gaussians that are kept | {total['kept']:.0f} | {total['kept'] / total['jpeg']:.2f} |\n"
        f"| JPEG of equal PSNR, Pillow | {total['jpeg']:.0f} | 1 |\n\n"
        f"The slowest of the {len(report['rows'])} files gives {slowest:.0f} crops a second "
        f"(`python benchmarks/loader.py`, [results](../{link('loader')})).\n"
    )


def shards() -> str:
    report = json.loads(newest("shards").read_text())
    (row,) = report["rows"]
    member, gigabytes = row["member_seconds"], row["digest_bytes_a_second"] / 1e9
    samples = report["samples"]
    return (
        f"Also measured ({report['machine'].partition(',')[0]}): a tar file's members are found in "
        f"{1e6 * member:.0f} microseconds each, {3 * samples * member:.1f} s for {samples:,} samples of three\n"
        f"members; SHA-256 reads {gigabytes:.1f} GB/s; to know a finished shard again takes "
        f"{1e3 * row['finished_seconds']:.1f} ms on a local disk\n"
        f"(`python benchmarks/shards.py`, [results](../{link('shards')})).\n"
    )


def web() -> str:
    report = json.loads(newest("web").read_text())
    (row,) = report["rows"]
    browser = " ".join(report["browser"].partition(".")[0].split())
    times = (
        ("set the tables, in an engine that has compiled nothing yet", "set_tables"),
        ("decode, the first time in such an engine", "decode_first"),
        ("decode, later", "decode_later"),
        ("draw on the CPU", "draw_cpu"),
        ("draw in WebGL 2 that software stands in for", "draw_software"),
    )
    lines = [
        f"A photograph of {row['width']}x{row['height']} pixels, {row['gaussians']:,} Gaussians in {row['bytes']:,} "
        f"bytes, takes these milliseconds in headless {browser}",
        f"without a GPU, on two cores that had other work as well ({report['machine'].partition(',')[0]}, "
        f"[results](../{link('web')})):",
        "",
        "| | least of 15 | median |",
        "|---|---|---|",
    ]
    for what, name in times:
        median = row.get(f"{name}_median")
        lines.append(f"| {what} | {row[name]:.0f} | {'' if median is None else f'{median:.0f} '}|")
    return "\n".join(lines) + "\n"


DOCUMENTS = {
    "README.md": {"rd-summary": rd_summary},
    "docs/compression.md": {"ablation": ablation, "attributes": attributes},
    "docs/fitting.md": {"fits": fits},
    "docs/benchmarks.md": {
        "rd-rates": rd_rates,
        "rd-rates-tuned": rd_rates_tuned,
        "rd-anchors": rd_anchors,
        "rd-points": rd_points,
        "rd-versions": rd_versions,
    },
    "docs/reliability.md": {"worst": worst, "fuzz": fuzz},
    "docs/scale.md": {
        "throughput": throughput,
        "shards": shards,
        "hundred-million": hundred_million,
        "loader": loader,
    },
    "docs/web.md": {"web": web},
    "kernels/README.md": {"kernels": kernels},
}

if __name__ == "__main__":
    main()
