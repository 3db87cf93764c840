"""The picture: what both sides take, by the number of Routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rc_context, rcdefaults
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.article.targets import SWITCHES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.article.figures import Cost, Measured

SIZE = (12, 5)  # inches, at 100 dots each
ARTICLE_COLOUR, OUR_COLOUR, TEXT = "#d62728", "#2a78b5", "#333333"
STYLES = ("-", (0, (4, 2)), (0, (1, 1.5)))  # for one distance each


def draw(measured: Sequence[Measured], path: Path) -> None:
    """Write the picture, as PNG or SVG by the suffix of ``path``. No matplotlibrc is read."""
    with rc_context():
        rcdefaults()
        figure = Figure(figsize=SIZE, dpi=100, facecolor="white", layout="constrained")
        seconds, requests = figure.subplots(1, 2)
        _draw(seconds, measured, lambda cost: cost.working, "seconds, waits for router and users aside")
        _draw(requests, measured, lambda cost: cost.requests, "requests to the cluster's API, without polls")
        figure.suptitle("deploy-route and delete, by the number of Routes", fontweight="bold", color=TEXT)
        FigureCanvasAgg(figure)
        figure.savefig(path)


def _draw(axes: Axes, measured: Sequence[Measured], value: Callable[[Cost], float], title: str) -> None:
    """Draw one line for each side and distance."""
    for style, round_trip in zip(STYLES, sorted({one.round_trip for one in measured}), strict=False):
        here = sorted((one for one in measured if one.round_trip == round_trip), key=lambda one: one.routes)
        sizes = [one.routes for one in here]
        sides: tuple[tuple[str, str, list[Mapping[str, Cost]]], ...] = (
            ("article", ARTICLE_COLOUR, [one.article for one in here]),
            ("ours", OUR_COLOUR, [one.ours for one in here]),
        )
        for side, colour, costs in sides:
            heights = [sum(value(one[job]) for job in SWITCHES) for one in costs]
            label = f"{side}, {1000 * round_trip:.0f} ms"
            axes.plot(sizes, heights, marker="o", color=colour, linestyle=style, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axes.set_xlabel("Routes", color=TEXT)
    axes.set_title(title, loc="left", fontsize=11, color=TEXT)
    axes.grid(which="major", color="#d5dbe1", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
