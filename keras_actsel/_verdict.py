"""The verdict of a selection in one sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_actsel.results import Selection


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
    failed = sum(trial.diverged for trial, _ in pairs)
    base_failed = sum(trial.diverged for _, trial in pairs)
    fresh = f"{len(pairs)} fresh seeds"
    if failed:
        return (
            f"Keep {baseline}: {leader} led the search, but diverged on {failed} of {fresh} ({baseline}: {base_failed})"
        )
    if base_failed == len(pairs):
        return f"Use {leader}: {baseline} diverged on all of {fresh} and {leader} on none"
    if selection.comparison is None:
        return (
            f"Keep {baseline}: {leader} led the search, but {baseline} diverged on {base_failed} of {fresh} and too "
            "few pairs are left to compare"
        )
    return None


def _tested(selection: Selection) -> str:
    leader, baseline, test = selection.best, selection.baseline, selection.comparison
    assert test is not None  # noqa: S101 - `_finding` leaves only this case
    if math.isnan(test.p_value):
        return (
            f"Keep {baseline}: {leader} differs from it by exactly {test.difference:+.4g} on each of {test.pairs} "
            "fresh seeds, and differences without scatter do not tell how sure they are; use more validation data"
        )
    measured = (
        f"{selection.objective} {test.difference:+.4g} over {test.pairs} fresh seeds, 95 % interval {test.low:+.4g} to "
        f"{test.high:+.4g}, p = {test.p_value:.2g}{_detectable(test.detectable, test.pairs)}"
    )
    if not test.significant:
        return f"No significant difference, keep {baseline}: {leader} led the search, but against it has {measured}"
    if selection.recommended == leader:
        return f"Use {leader}: better than {baseline}, {measured}"
    return f"Keep {baseline}: {leader} led the search, but is worse on fresh seeds, {measured}"


def _detectable(difference: float, pairs: int) -> str:
    return "" if math.isnan(difference) else f"; {pairs} such seeds can detect a difference of {difference:.2g}"


def _conditions(selection: Selection) -> str:
    initializer = "the model's own initializers" if selection.initializer == "model" else selection.initializer
    size = (
        "the validation data"
        if selection.validation_size is None
        else f"{selection.validation_size} validation samples"
    )
    held_out = ", held out of the training data" if selection.held_out else ""
    return f"{initializer}, {size}{held_out}"


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
