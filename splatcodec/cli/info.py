"""`splatcodec info`: what a .gsi file holds, what its attributes take, and what is wrong with it."""

import argparse
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ..compress import profiles
from ..container import HEADER_SIZE, MAJOR, Header, read_header
from ..errors import GsiError
from ..files import read_source, source_name
from .options import Parser, add_max_gaussians, input_source, print_json

if TYPE_CHECKING:
    from ..diagnosis import Diagnosis

_CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}
_SPACES = {
    "unspecified": "unspecified, usually sRGB",
    "srgb": "sRGB",
    "display_p3": "Display P3",
    "icc": "ICC profile",
}
_PARTS = {"colors": "colours", "alpha": "alpha", "icc": "ICC profile", "exif": "EXIF", "xmp": "XMP"}
"""What people call the parts of a file that JSON calls by shorter names."""


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "info",
        help="show what a .gsi file holds, and what is wrong with it",
        description="Verify the checksums of a .gsi file, show its header and its chunks, and of a damaged file which "
        "chunks are damaged and what is still readable.",
        epilog="docs/reliability.md describes the JSON object.",
    )
    parser.add_argument("file", metavar="FILE", help=".gsi file, or -")
    looks = parser.add_mutually_exclusive_group()
    looks.add_argument(
        "--header",
        action="store_true",
        help=f"read the first {HEADER_SIZE} bytes only, of which the rest need not be there",
    )
    looks.add_argument(
        "--attributes",
        action="store_true",
        help="decode it, and show how bright Gaussians are and what each attribute takes (profile adaptive)",
    )
    add_max_gaussians(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print what can be told of the file, and fail if something is wrong with it."""
    source = input_source(arguments.file)
    name = source_name(source)
    error = None
    if arguments.header:
        header = read_header(read_source(source, HEADER_SIZE), name)
        facts = _of_header(header, profiles.name_of(header.profile, name))
    else:
        facts, error = _of_file(read_source(source), name, arguments.attributes, arguments.max_gaussians)
    facts = {"file": arguments.file, **facts}
    if arguments.json:
        print_json(facts)
    else:
        print("\n".join(_lines(facts)))
    if error is not None:
        raise error


def _of_header(header: Header, profile: str) -> dict[str, Any]:
    """What the header says; everything else is None or empty."""
    return {
        "version": f"{MAJOR}.{header.minor}",
        "profile": profile,
        "width": header.width,
        "height": header.height,
        "channels": header.channels,
        "depth": header.depth,
        "color_space": header.color_space.name.lower(),
        "n_gaussians": header.n_gaussians,
        "alpha": {"kind": None, "n_gaussians": None, "bits_per_gaussian": {}} if header.has_alpha else None,
        "bytes": None,
        "bpp": None,
        "metadata": {"icc": None, "icc_description": None, "exif": None, "xmp": None},
        "chunks": None,
        "bits_per_gaussian": {},
        "overlap": None,
        "readable": None,
        "damage": [],
    }


def _of_file(
    data: bytes, name: str, with_attributes: bool, max_gaussians: int
) -> tuple[dict[str, Any], GsiError | None]:
    """What all of a file says, and the first thing that is wrong with it."""
    from ..diagnosis import METADATA, diagnose

    found = diagnose(data, name)
    header = found.header
    facts = _of_header(header, found.profile)
    damage = [{"chunk": fault.chunk, "byte": fault.byte, "error": str(fault.error)} for fault in found.faults]
    error = found.faults[0].error if found.faults else None
    payloads = {key: found.payload(tag) for key, tag in METADATA.items()}
    facts["metadata"] |= {key: len(payload) for key, payload in payloads.items() if payload is not None}
    facts["metadata"]["icc_description"] = payloads["icc"] and _description(payloads["icc"])
    if found.alpha is not None:
        layer, is_transparency = found.alpha
        facts["alpha"] |= {"kind": "transparency" if is_transparency else "opacity", "n_gaussians": layer.n_gaussians}
    if with_attributes and error is None:
        try:
            _add_attributes(facts, found, max_gaussians)
        except GsiError as fault:
            error = fault
            damage = [{"chunk": None, "byte": HEADER_SIZE, "error": str(fault)}]
    facts |= {
        "bytes": len(data),
        "bpp": 8 * len(data) / (header.width * header.height),
        "chunks": [
            {
                "tag": chunk.tag,
                "offset": chunk.offset,
                "bytes": len(chunk.payload),
                "critical": chunk.is_critical,
                "known": found.is_known(chunk),
                "intact": is_intact,
            }
            for chunk, is_intact in found.found
        ],
        "readable": found.readable,
        "damage": damage,
    }
    return facts, error


def _add_attributes(facts: dict[str, Any], found: "Diagnosis", max_gaussians: int) -> None:
    """Decode, and note what that shows."""
    from ..document import layers, read_chunks

    contents = found.header, found.chunks, found.name
    content, (colors, alpha) = read_chunks(*contents, max_gaussians), layers(*contents)
    contract = profiles.named(found.profile)
    for place, coded in ((facts, colors), (facts["alpha"], alpha and alpha.coded)):
        if coded and coded.layer.n_gaussians:
            bits = contract.describe(*coded, found.name)
            place["bits_per_gaussian"] = {name: total / coded.layer.n_gaussians for name, total in bits.items()}
    if len(content.splats):
        facts["overlap"] = content.splats.overlap()._asdict()


def _description(profile: bytes) -> str | None:
    """What an ICC profile calls itself."""
    from PIL import ImageCms

    try:
        text = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))
    except (OSError, ImageCms.PyCMSError):
        return None
    return "".join(filter(str.isprintable, text.strip())) or None


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    """The facts as people read them."""
    yield "{file}: .gsi version {version}, profile {profile}".format(**facts)
    channels = _CHANNELS[facts["channels"]]
    yield "canvas     {width} x {height}, {0}, {depth} bits a sample".format(channels, **facts)
    yield f"colours    {_SPACES[facts['color_space']]}"
    alpha = facts["alpha"]
    more = f", and {alpha['n_gaussians']} for the {alpha['kind']}" if alpha and alpha["kind"] else ""
    yield f"Gaussians  {facts['n_gaussians']}{more}"
    if facts["chunks"] is None:
        return
    yield f"metadata   {'; '.join(_metadata(facts['metadata'])) or 'none'}"
    yield "size       {bytes} bytes, {bpp:.3f} bpp".format(**facts)
    for chunk in facts["chunks"]:
        yield "  {tag}     {bytes} bytes at {offset}".format(**chunk) + ", ".join(("", *_remarks(chunk)))
    if facts["overlap"]:
        text = "amplitudes {peak:.1f} full scales at one pixel, {above:.1%} of the Gaussians above one"
        yield text.format(**facts["overlap"])
    for layer, title in ((facts, ""), (alpha, " of alpha")):
        for name, average in layer["bits_per_gaussian"].items() if layer else ():
            yield f"    {name:9}  {average:4.1f} bits per Gaussian{title}"
    for fault in facts["damage"]:
        yield f"damage     {fault['error'].removeprefix(facts['file'] + ': ')}"
    if facts["damage"]:
        yield f"readable   {', '.join(_PARTS[part] for part in facts['readable']) or 'the header alone'}"


def _metadata(sizes: dict[str, Any]) -> Iterator[str]:
    """What there is beside the Gaussians."""
    for name in ("icc", "exif", "xmp"):
        if sizes[name] is not None:
            called = f' "{sizes["icc_description"]}"' if name == "icc" and sizes["icc_description"] else ""
            yield f"{_PARTS[name]}{called}, {sizes[name]} bytes"


def _remarks(chunk: dict[str, Any]) -> Iterator[str]:
    """What is unusual about a chunk."""
    if not chunk["known"]:
        yield "not known, and critical" if chunk["critical"] else "not known"
    if not chunk["intact"]:
        yield "damaged"
