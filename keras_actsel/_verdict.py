"""The verdict of a selection in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_actsel.results import Selection
    from keras_actsel.statistics import PairedTest


def sentence(selection: Selection) -> str:
    """What was found, how sure it is, and under which conditions; never a claim without confirmation."""
    return f"{_finding(selection)} ({_conditions(selection)})."


def _finding(selection: Selection) -> str:
    leader, baseline = selection.best, selection.baseline
    pairs = selection._pairs()
    standing = selection.leaderboard()[0]
    if standing.diverged == standing.seeds:
        return f"Every candidate diverged on every seed, so nothing can be recommended over {baseline}"
    if leader == baseline:
        return (
            f"Keep {baseline}: it led the search with a mean {selection.objective} of {standing.mean:.4g} over "
            f"{_seeds(standing.seeds)}, so there was nothing to confirm and no difference is claimed"
        )
    if not pairs:
        return (
            f"Keep {baseline}: {leader} led the search over {_seeds(standing.seeds)}, but without confirmation on "
            "fresh seeds (confirm=5) no difference is claimed"
        )
    return _after_divergence(selection) or _tested(selection)


def _after_divergence(selection: Selection) -> str | None:
    """The finding where a confirmation trial diverged and that decides; else None."""
    leader, baseline, pairs = selection.best, selection.baseline, selection._pairs()
    failed, base_failed = _diverged(selection)
    counts = f"on the {len(pairs)} fresh seeds {leader} diverged {_times(failed)} and {baseline} {_times(base_failed)}"
    if selection.recommended == leader and base_failed == len(pairs):
        return f"Use {leader}: {counts}"
    if failed:
        return f"Keep {baseline}: {leader} led the search, but {counts}"
    if selection.comparison is None:
        return f"Keep {baseline}: {leader} led the search, but {counts}, which leaves too few pairs to compare"
    return None


def _diverged(selection: Selection) -> tuple[int, int]:
    """On how many fresh seeds the leader and the baseline diverged."""
    pairs = selection._pairs()
    return sum(trial.diverged for trial, _ in pairs), sum(trial.diverged for _, trial in pairs)


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count} times")


def _tested(selection: Selection) -> str:
    leader, baseline, test = selection.best, selection.baseline, selection.comparison
    assert test is not None  # noqa: S101 - `_finding` leaves only this case
    _, base_failed = _diverged(selection)
    left_out = f" ({baseline} diverged {_times(base_failed)} besides)" if base_failed else ""
    interval = f"95 % interval {test.low:+.4g} to {test.high:+.4g}, " if test.low < test.high else ""
    measured = (
        f"{selection.objective} differs by {test.difference:+.4g} over {test.pairs} fresh seeds{left_out}, {interval}"
        f"p = {test.p_value:.2g}{_detectable(test)}"
    )
    if not test.significant:
        return f"No significant difference, keep {baseline}: {leader} led the search, but its {measured}"
    if selection.recommended == leader:
        return f"Use {leader}: better than {baseline}, its {measured}"
    return f"Keep {baseline}: {leader} led the search, but is worse on fresh seeds: its {measured}"


def _detectable(test: PairedTest) -> str:
    if test.low < test.high:
        return f"; {test.pairs} such seeds can detect a difference of {test.detectable:.2g}"
    if test.difference and not test.significant:
        return "; the same on every seed, so that only their number counts: six or more (confirm=6) would decide"
    return ""


def _conditions(selection: Selection) -> str:
    size = (
        "the validation data"
        if selection.validation_size is None
        else f"{selection.validation_size} validation samples"
    )
    held_out = ", held out of the training data" if selection.held_out else ""
    return f"{_drawn(selection.initializer)}, {size}{held_out}"


def _drawn(initializer: str) -> str:
    """What drew the weights; the baseline's are always drawn by the model's own initializers."""
    own = "the model's own initializers"
    if initializer == "model":
        return own
    names = [own if name == "model" else name for name in initializer.split(" and ")]
    baseline = "" if own in names else f", the baseline's by {own}"
    return f"weights drawn by {' and '.join(names)}{baseline}"


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
