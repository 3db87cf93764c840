"""The picture of a rehearsal on the cluster: who answered the users, and when, as SVG. Pure.

The jobs' image has no library that draws: the picture is a row of bars, one for each half of a second.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from maintenance_ci.plan.steps import Side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.plan.rehearsal_table import Request, Stretch

# Seconds of a bar; pixels of a second, of a request, and of what is around.
BIN, WIDTH, HEIGHT, MARGIN = 0.5, 12.0, 8.0, 24.0
TALLEST, NARROWEST = 200.0, 600.0
COLOURS = {Side.APPLICATION: "#2a78b5", Side.PAGE: "#f2a93b"}
FAULT = "failed"
FAULT_COLOUR, LINE, TEXT = "#d62728", "#8895a3", "#333333"


def picture(stretches: Sequence[Stretch], requests: Sequence[Request]) -> str:
    """Return the picture: bars of who answered, faults on top, and each stretch with its name."""
    began = min(stretch.began for stretch in stretches)
    seconds = max(stretch.ended for stretch in stretches) - began
    bars: dict[int, Counter[str]] = {}
    for stretch in stretches:
        for one in filter(stretch.holds, requests):
            kind = FAULT if stretch.fault(one) else one.side.value
            bars.setdefault(int((one.at - began) / BIN), Counter())[kind] += 1
    colours = {side.value: colour for side, colour in COLOURS.items()} | {FAULT: FAULT_COLOUR}
    floor = TALLEST + 2 * MARGIN
    names = MARGIN + max(len(stretch.name) for stretch in stretches) * 6
    width = max(NARROWEST, seconds * WIDTH + 2 * MARGIN + names)  # the names are aslant
    size = {"width": f"{width:.0f}", "height": f"{floor + names + MARGIN:.0f}"}
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, "font-family": "sans-serif"})
    SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "white"})
    for number, (kind, colour) in enumerate(colours.items()):
        _text(root, MARGIN + number * 180, MARGIN - 8, f"■ {kind}", colour)
    scale = min(HEIGHT, TALLEST / max((sum(counts.values()) for counts in bars.values()), default=1))
    for index, counts in bars.items():
        top = floor
        for kind, colour in colours.items():
            height = counts[kind] * scale
            top -= height
            place = {"x": f"{MARGIN + index * BIN * WIDTH:.1f}", "y": f"{top:.1f}"}
            if height:
                SubElement(
                    root, "rect", {**place, "width": f"{BIN * WIDTH:.1f}", "height": f"{height:.1f}", "fill": colour}
                )
    for stretch in stretches:
        at = MARGIN + (stretch.began - began) * WIDTH
        ends = {"x1": f"{at:.1f}", "x2": f"{at:.1f}", "y1": f"{MARGIN:.0f}", "y2": f"{floor + 6:.0f}"}
        SubElement(root, "line", {**ends, "stroke": LINE, "stroke-dasharray": "4 3"})
        name = _text(root, at + 4, floor + 14, f"{stretch.name} ({stretch.ended - stretch.began:.1f} s)", TEXT)
        name.set("transform", f"rotate(60 {at + 4:.1f} {floor + 14:.1f})")
    return tostring(root, encoding="unicode") + "\n"


def _text(root: Element, x: float, y: float, text: str, colour: str) -> Element:
    element = SubElement(root, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "font-size": "11", "fill": colour})
    element.text = text
    return element
