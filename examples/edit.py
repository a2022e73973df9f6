"""Edits .gsi files: takes the subject out of one, turns, shrinks and recolours it, and puts it into another.

Usage: python examples/edit.py SUBJECT.gsi SCENE.gsi OUT.gsi [--box X,Y,W,H] [--at X,Y] [--scale S] [--turn DEGREES]
       [--tint R,G,B]
"""

import argparse
from dataclasses import replace

import numpy as np

import splatcodec
from splatcodec import Splats


def crop(splats: Splats, x: float, y: float, width: float, height: float) -> Splats:
    """The Gaussians whose centres lie in a box, and that are no wider than it."""
    offset = splats.means - (x, y)
    inside = ((offset >= 0) & (offset < (width, height))).all(axis=1)
    return splats.take(inside & (splats.scales.max(axis=1) < min(width, height)))


def moved(splats: Splats, x: float, y: float, scale: float = 1.0, degrees: float = 0.0) -> Splats:
    """Brought to a new centre, magnified and turned about it, clockwise as seen."""
    if not len(splats):
        return splats
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    means = scale * (splats.means - splats.means.mean(axis=0)) @ turn + (x, y)
    return replace(splats, means=means, scales=scale * splats.scales, rotations=splats.rotations + angle)


def recolored(splats: Splats, red: float, green: float, blue: float) -> Splats:
    """With each channel multiplied."""
    return replace(splats, colors=splats.colors * ((red, green, blue) if splats.channels == 3 else (green,)))


def merged(one: Splats, other: Splats) -> Splats:
    """The sum of two pictures, on the canvas of the first; grey ones become coloured where the other is."""
    channels = max(one.channels, other.channels)
    one, other = (
        replace(splats, colors=np.repeat(splats.colors, channels // splats.channels, axis=1)) for splats in (one, other)
    )
    pairs = zip(one.gaussians, other.gaussians, strict=True)
    return Splats(*(np.concatenate(pair) for pair in pairs), height=one.height, width=one.width)


def main() -> None:
    parser = argparse.ArgumentParser(description="Put a part of one .gsi file into another.")
    parser.add_argument("subject")
    parser.add_argument("scene")
    parser.add_argument("out")
    parser.add_argument("--box", default="0,0,1e9,1e9", help="part of the subject (default: all of it)")
    parser.add_argument("--at", help="where its centre goes (default: the middle of the scene)")
    parser.add_argument("--scale", type=float, default=0.5, help="above 0 (default: %(default)s)")
    parser.add_argument("--turn", type=float, default=0.0)
    parser.add_argument("--tint", default="1,1,1", help="factors of red, green and blue")
    arguments = parser.parse_args()
    subject, scene = splatcodec.read(arguments.subject), splatcodec.read(arguments.scene)
    middle = f"{scene.width / 2},{scene.height / 2}"
    box, at, tint = (
        list(map(float, text.split(","))) for text in (arguments.box, arguments.at or middle, arguments.tint)
    )
    part = moved(crop(subject, *box), *at, arguments.scale, arguments.turn)
    splatcodec.write(merged(scene, recolored(part, *tint)), arguments.out)


if __name__ == "__main__":
    main()
