"""One picture of the table: how far each line is from its goal."""

from pathlib import Path
from typing import Any

_MET, _MISSED = "#2a7f62", "#b5483a"


def draw(document: dict[str, Any], path: Path) -> None:
    """Draw every line that has a goal, as a share of it: to the right of 1 the goal is met."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    matplotlib.rcParams |= {"svg.hashsalt": "ringback", "svg.fonttype": "none"}
    lines = [one for one in document["lines"] if one["goal"] and one["ratio"]][::-1]
    shares = [_share(one) for one in lines]
    figure, axes = plt.subplots(figsize=(9, 0.9 + 0.42 * len(lines)), layout="constrained")
    bars = axes.barh(
        [one["line"] for one in lines],
        shares,
        color=[_MET if one["met"] else _MISSED for one in lines],
        height=0.6,
    )
    axes.bar_label(bars, [_label(one) for one in lines], padding=4, fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(min([0.3, *shares]) * 0.9, max([2.0, *shares]) * 4)
    axes.set_xticks([0.03, 0.1, 0.3, 1, 3, 10], ["0.03", "0.1", "0.3", "goal", "3", "10"])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("times the goal; further right is better in every line")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", labelsize=8)
    figure.savefig(path, metadata={"Date": None})


def _share(one: dict[str, Any]) -> float:
    share: float = one["goal"] / one["ratio"] if one["goal_is"] == "at most" else one["ratio"] / one["goal"]
    return share


def _label(one: dict[str, Any]) -> str:
    sign = "≤" if one["goal_is"] == "at most" else "≥"
    unit = "×" if one["compared"] else f" {one['unit']}"
    return f"{one['ratio']:.3g}{unit} (goal {sign} {one['goal']:g})"
