"""The figure of a `MixtureHistory`: how the coefficients of each mixture move."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_actsel.callbacks._record import MixtureRecord

# Colours that are told apart with any colour vision (Okabe & Ito 2008), without the yellow, which is too faint for
# lines, and the black, whose band would look like the entropy.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STROKES = ("-", "--", "-.", ":")
SHADE = "#e6e6e6"
MOST_COLUMNS = 6
# Width and height of a panel in inches, for up to so many panels.
SIZES = ((1, (6.4, 3.6)), (9, (4.0, 2.5)), (math.inf, (2.8, 1.8)))

Styles = dict[str, dict[str, Any]]


def draw(rows: Sequence[MixtureRecord]) -> Any:
    """A matplotlib figure of records: a panel for each site, in the order of the model.

    Raises:
        ImportError: Without matplotlib.
    """
    figure_type = _figure_type()
    sites = list(dict.fromkeys(row.site for row in rows))
    columns = min(MOST_COLUMNS, math.ceil(math.sqrt(len(sites))))
    lines = math.ceil(len(sites) / columns)
    width, height = next(size for most, size in SIZES if len(sites) <= most)
    figure = figure_type(figsize=(width * columns, height * lines + 0.6), dpi=120, layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flatten()
    styles = _styles(rows)
    for index, (site, panel) in enumerate(zip(sites, panels, strict=False)):
        last_of_line = index % columns == columns - 1 or index == len(sites) - 1
        _fill(panel, [row for row in rows if row.site == site], styles, last_of_line)
        panel.set_title(_shortened(site, int(11 * width)), loc="left", fontsize="small")
    for index, panel in enumerate(panels):
        panel.tick_params(labelbottom=index + columns >= len(sites))
        panel.set_visible(index < len(sites))
    figure.supxlabel("epochs trained", fontsize="medium")
    figure.supylabel("coefficient", fontsize="medium")
    _add_legend(figure, rows, styles, columns * width)
    return figure


def _figure_type() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'A figure needs matplotlib. Install it with: pip install "keras-actsel[report]". '
            "Or read `rows` and `coefficients`."
        ) from error
    return Figure


def _styles(rows: Sequence[MixtureRecord]) -> Styles:
    """A colour and stroke for each candidate, the same in all panels."""
    names = dict.fromkeys(name for row in rows for name in row.candidates)
    count = len(COLOURS)
    return {
        name: {"color": COLOURS[index % count], "linestyle": STROKES[index // count % len(STROKES)]}
        for index, name in enumerate(names)
    }


def _fill(panel: Any, records: Sequence[MixtureRecord], styles: Styles, last_of_line: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [record.epoch for record in records]
    names = records[0].candidates
    behind = panel.twinx()
    behind.fill_between(epochs, [record.entropy / math.log(len(names)) for record in records], color=SHADE, linewidth=0)
    behind.set(ylim=(0, 1), yticks=(0, 1))
    behind.tick_params(labelright=last_of_line, labelsize="x-small", colors="0.45")
    panel.set_zorder(behind.get_zorder() + 1)
    panel.patch.set_visible(False)
    for k, name in enumerate(names):
        _draw_candidate(panel, epochs, records, k, styles[name])
    panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    panel.yaxis.set_major_locator(MaxNLocator(4))
    panel.tick_params(labelsize="x-small")
    panel.spines[["top"]].set_visible(False)
    behind.spines[["top"]].set_visible(False)


def _draw_candidate(panel: Any, epochs: Sequence[int], records: Sequence[MixtureRecord], k: int, style: Any) -> None:
    """Its coefficient, with the spread over channels, up to a cross where it was dropped."""
    kept = [record for record in records if record.candidates[k] in record.kept]
    epochs = epochs[: len(kept)]
    means = np.array([record.coefficients[k] for record in kept])
    panel.plot(epochs, means, linewidth=1.3, **style)
    if kept and kept[0].spread is not None:
        spread = np.array([record.spread[k] for record in kept if record.spread])
        panel.fill_between(epochs, means - spread, means + spread, color=style["color"], alpha=0.15, linewidth=0)
    if kept and len(kept) < len(records):
        panel.plot(epochs[-1:], means[-1:], marker="x", markersize=5, color=style["color"])


def _shortened(site: str, most: int) -> str:
    """The end of a path, which tells more than its begin."""
    return site if len(site) <= most else f"…{site[1 - most :]}"


def _add_legend(figure: Any, rows: Sequence[MixtureRecord], styles: Styles, width: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: dict[str, Any] = {name: Line2D([], [], **style) for name, style in styles.items()}
    if any(row.spread for row in rows):
        entries["± std over channels"] = Patch(color=COLOURS[0], alpha=0.15)
    if any(len(row.kept) < len(row.candidates) for row in rows):
        entries["dropped"] = Line2D([], [], color="0.3", marker="x", markersize=5, linestyle="")
    entries["entropy / log K (right)"] = Patch(color=SHADE)
    room = max(2, int(width / 1.6))
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside upper center",
        ncols=min(room, len(entries)),
        fontsize="small",
        frameon=False,
    )
