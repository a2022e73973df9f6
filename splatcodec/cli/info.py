"""`splatcodec info`: what a .gsi file holds, and what its attributes take."""

import argparse

from ..compress import profiles
from ..container import unpack
from ..files import read_source, source_name
from .options import Parser, input_source, print_json


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "info",
        help="show what a .gsi file holds",
        description="Verify the checksums of a .gsi file and show its header and the size of its chunks.",
    )
    parser.add_argument("file", metavar="FILE", help=".gsi file, or -")
    parser.add_argument(
        "--attributes",
        action="store_true",
        help="decode it, and show how bright Gaussians are and what each attribute takes (profile adaptive)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the header and the chunks."""
    source = input_source(arguments.file)
    data = read_source(source)
    header, chunks = unpack(data, source_name(source))
    bpp = 8 * len(data) / (header.width * header.height)
    profile = profiles.name_of(header.profile, source_name(source))
    bits, overlap = {}, None
    if arguments.attributes and header.n_gaussians:
        contract = profiles.named(profile)
        overlap = contract.read(header.colors, chunks, source_name(source)).overlap()
        found = contract.describe(header.colors, chunks, source_name(source))
        bits = {name: total / header.n_gaussians for name, total in found.items()}
    if arguments.json:
        print_json(
            {
                "file": arguments.file,
                "version": data[4],
                "profile": profile,
                "width": header.width,
                "height": header.height,
                "channels": header.channels,
                "n_gaussians": header.n_gaussians,
                "bytes": len(data),
                "bpp": bpp,
                "chunks": {chunk.tag: len(chunk.payload) for chunk in chunks},
                "bits_per_gaussian": bits,
                "overlap": overlap and overlap._asdict(),
            }
        )
        return
    print(f"{arguments.file}: .gsi version {data[4]}, profile {profile}")
    print(f"canvas     {header.width} x {header.height}, {'RGB' if header.channels == 3 else 'grey'}")
    print(f"Gaussians  {header.n_gaussians}")
    print(f"size       {len(data)} bytes, {bpp:.3f} bpp")
    for chunk in chunks:
        print(f"  {chunk.tag}     {len(chunk.payload)} bytes")
    if overlap:
        print(f"amplitudes {overlap.peak:.1f} full scales at one pixel, {overlap.above:.1%} of the Gaussians above one")
    for name, average in bits.items():
        print(f"    {name:9}  {average:4.1f} bits per Gaussian")
