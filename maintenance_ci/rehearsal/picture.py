"""The picture of a rehearsal: who answered the users, and when."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from matplotlib import rc_context, rcdefaults
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from maintenance_ci.rehearsal.users import APPLICATION, NOBODY, ROUTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from maintenance_ci.rehearsal.users import Answer
    from maintenance_ci.rehearsal.verdict import Phase

BIN = 0.5  # seconds
SIZE = (12, 5)  # inches, at 100 dots each

APPLICATION_COLOUR, FAULT_COLOUR, FAILED_COLOUR, OTHER_COLOUR = "#2a78b5", "#d62728", "#111111", "#9a9a9a"
# A rehearsal has one page; a rollout of a new image shows two.
PAGE_COLOURS = ("#f2a93b", "#c9711a", "#f7d488")
TEXT, FAINT = "#333333", "#e9edf1"


def draw(answers: Iterable[Answer], phases: Sequence[Phase], path: Path, title: str) -> None:
    """Write the picture as PNG or SVG, by the suffix of ``path``.

    Requests per second are stacked by who answered; 5xx and requests without an answer stand on top, and each moment
    that has one is marked above as well, so that a single one of 10,000 is seen. No matplotlibrc is read.
    """
    with rc_context():
        rcdefaults()
        _draw(answers, phases, path, title)


def _draw(answers: Iterable[Answer], phases: Sequence[Phase], path: Path, title: str) -> None:
    layers = _count(answers)
    end = max(
        [*(phase.end for phase in phases), *(moment + BIN for counts in layers.values() for moment in counts)],
        default=1,
    )
    figure = Figure(figsize=SIZE, dpi=100, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    highest = _draw_layers(axes, layers)
    top = max(highest * 1.25, 1.0)
    _draw_phases(axes, phases, top)
    _mark_faults(axes, layers, top)
    axes.set_xlim(0, end)
    axes.set_ylim(0, top)
    _dress(axes, title)
    FigureCanvasAgg(figure)
    figure.savefig(path)


def name_layer(answer: Answer) -> str:
    """Say in which layer of the picture an answer is counted: as in its legend."""
    if answer.status is None or answer.served_by == NOBODY:
        return "no answer"
    if answer.status >= 500:
        return f"{answer.status} from the router" if answer.served_by == ROUTER else f"{answer.status}"
    return answer.served_by


def _count(answers: Iterable[Answer]) -> dict[str, Counter[float]]:
    """Count the answers by layer and by the beginning of their stretch of `BIN` seconds."""
    layers: defaultdict[str, Counter[float]] = defaultdict(Counter)
    for answer in answers:
        layers[name_layer(answer)][answer.time // BIN * BIN] += 1
    return dict(sorted(layers.items(), key=lambda layer: _rank(layer[0])))


def _rank(layer: str) -> tuple[int, str]:
    """Sort layers from bottom to top: the application, pages, others, and what users must not see."""
    if layer == APPLICATION:
        return 0, layer
    if layer == "no answer":
        return 4, layer
    if layer[:1].isdigit():
        return 3, layer
    return (1 if ":" in layer else 2), layer


def _colours(layers: Iterable[str]) -> dict[str, str]:
    fixed = {0: APPLICATION_COLOUR, 2: OTHER_COLOUR, 3: FAULT_COLOUR, 4: FAILED_COLOUR}
    pages = iter(PAGE_COLOURS * 10)
    return {layer: fixed.get(_rank(layer)[0]) or next(pages) for layer in layers}


def _draw_layers(axes: Axes, layers: dict[str, Counter[float]]) -> float:
    """Draw the stack, and return its height in requests per second."""
    moments = sorted({moment for counts in layers.values() for moment in counts})
    bottom = dict.fromkeys(moments, 0.0)
    for layer, colour in _colours(layers).items():
        heights = {moment: layers[layer][moment] / BIN for moment in moments}
        axes.bar(
            moments,
            list(heights.values()),
            width=BIN,
            align="edge",
            bottom=list(bottom.values()),
            color=colour,
            linewidth=0,
            label=f"{layer} ({sum(layers[layer].values()):,})",
            zorder=2,
        )
        bottom = {moment: bottom[moment] + heights[moment] for moment in moments}
    return max(bottom.values(), default=0.0)


def _draw_phases(axes: Axes, phases: Sequence[Phase], top: float) -> None:
    for phase in phases:
        axes.axvspan(phase.start, phase.end, color=FAINT, linewidth=0, zorder=0)
        for edge in (phase.start, phase.end):
            axes.axvline(edge, color="#8895a3", linewidth=0.8, linestyle=(0, (4, 3)), zorder=3)
        axes.text(
            (phase.start + phase.end) / 2,
            top * 0.965,
            phase.name,
            ha="center",
            va="top",
            fontsize=11,
            color=TEXT,
            zorder=4,
        )


def _mark_faults(axes: Axes, layers: dict[str, Counter[float]], top: float) -> None:
    """Mark each moment with a 5xx or a missing answer by a triangle that points at it."""
    faults = {layer: counts for layer, counts in layers.items() if _rank(layer)[0] >= 3}
    moments = sorted({moment + BIN / 2 for counts in faults.values() for moment in counts})
    if moments:
        total = sum(sum(counts.values()) for counts in faults.values())
        axes.scatter(
            moments,
            [top * 0.86] * len(moments),
            marker="v",
            s=90,
            color=FAULT_COLOUR,
            edgecolor="white",
            linewidth=0.8,
            label=f"where requests failed ({total:,})",
            zorder=5,
        )


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=14, fontweight="bold", color=TEXT, pad=12)
    axes.set_xlabel("seconds since the users came", color=TEXT)
    axes.set_ylabel("requests per second", color=TEXT)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y", color="#d5dbe1", linewidth=0.6, zorder=1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=TEXT)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        # Matplotlib puts the markers first; here they come after the layers, which stand in the order of the stack.
        entries = sorted(zip(handles, labels, strict=True), key=lambda entry: isinstance(entry[0], PathCollection))
        axes.legend(
            *zip(*entries, strict=True),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            ncols=min(len(entries), 5),
            frameon=False,
            fontsize=10,
            columnspacing=1.4,
        )
