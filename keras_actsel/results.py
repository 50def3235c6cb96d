"""What a search leaves: trials, a leaderboard with intervals, and a verdict. All of it follows from the trials."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from keras_actsel._verdict import sentence
from keras_actsel.statistics import PairedTest, mean_interval, paired_test

STAGES = ("search", "confirm")
COLOUR = re.compile("\x1b\\[[0-9;]*m")
FLOAT32 = 2.0**-22
"""Scores come in float32: differences that vary by less than this share of the scores do not vary."""


@dataclass(frozen=True)
class Trial:
    """One candidate trained with one seed.

    Args:
        candidate: The candidate's name.
        seed: The seed that everything random in it followed.
        stage: `"search"`, or `"confirm"` for a run on a seed that the search never saw.
        score: The objective on the validation data; not finite if the training diverged.
        seconds: Wall-clock time of building, training and scoring.
        diverged: Whether the loss or the score ended as NaN or infinity.
        epochs: The budget: to which epoch it was to be trained, an earlier trial that it continued included. None
            stands for the whole of a search whose trials have one budget.
    """

    candidate: str
    seed: int
    stage: str
    score: float
    seconds: float
    diverged: bool = False
    epochs: int | None = None


class TrialError(RuntimeError):
    """Code of the user's own failed in a trial: in building, in training or in scoring.

    Args:
        message: Which candidate and seed, and what went wrong.
        trials: The trials that had finished before.
    """

    def __init__(self, message: str, trials: tuple[Trial, ...] = ()) -> None:
        super().__init__(message)
        self.trials = trials


def reason(error: Exception) -> str:
    """Type and text of an error, without the colours that Keras puts into its texts.

    Example:
        >>> reason(KeyError("x"))
        "KeyError: 'x'"
    """
    return f"{type(error).__name__}: {COLOUR.sub('', str(error))}"


@dataclass(frozen=True)
class Standing:
    """A row of the leaderboard: what a candidate's trials of its largest budget say.

    Args:
        candidate: The candidate's name.
        mean: Mean score over the seeds that did not diverge; NaN if all did.
        low: Lower end of the mean's 95 % interval (Student's t); -inf for a single seed.
        high: Upper end.
        seeds: How many seeds were trained.
        diverged: How many of them diverged.
        seconds: Mean seconds that a seed took, trials of smaller budgets included.
        epochs: The budget of these trials; None where none was set.
    """

    candidate: str
    mean: float
    low: float
    high: float
    seeds: int
    diverged: int
    seconds: float
    epochs: int | None = None


@dataclass(frozen=True, repr=False)
class Leaderboard(Sequence[Standing]):
    """Candidates from best to worst.

    First those of the largest budget of epochs, of these those of most seeds, then those without a diverged one, then
    by mean score. Candidates that diverged on all their seeds are the last.

    It is a sequence of `Standing`; `print` gives a plain table, and rich draws it in a terminal.
    """

    rows: tuple[Standing, ...]
    objective: str

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Standing]:
        return iter(self.rows)

    def _cells(self) -> list[tuple[str, ...]]:
        header = ("candidate", self.objective, "95 % interval", "seeds", "diverged", "seconds")
        body = [
            (
                row.candidate,
                "-" if math.isnan(row.mean) else f"{row.mean:.4f}",
                f"{row.low:.4f} to {row.high:.4f}" if math.isfinite(row.low) else "-",
                str(row.seeds),
                str(row.diverged),
                f"{row.seconds:.1f}",
            )
            for row in self.rows
        ]
        if len({row.epochs for row in self.rows}) < 2:
            return [header, *body]
        budgets = ["all" if row.epochs is None else str(row.epochs) for row in self.rows]
        return [
            (name, budget, *rest) for (name, *rest), budget in zip([header, *body], ["epochs", *budgets], strict=True)
        ]

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for row in cells:
            first, *rest = (
                text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join([first, *rest]))
        return "\n".join(lines)

    def __rich__(self) -> Any:
        from rich.table import Table

        header, *body = self._cells()
        table = Table(box=None, header_style="bold")
        for index, title in enumerate(header):
            # A long name folds, so that the numbers keep their lines.
            table.add_column(title, justify="left" if index == 0 else "right", no_wrap=index > 0, overflow="fold")
        for position, row in enumerate(body):
            table.add_row(*row, style="bold" if position == 0 else None)
        return table


@dataclass(frozen=True, repr=False)
class Selection:
    """The result of `select`.

    Args:
        trials: Every finished trial, in the order of training.
        baseline: The name of the candidate that the others are held against: the model as given.
        objective: What was scored, such as `"val_accuracy"`.
        direction: `"max"` if a larger score is better, else `"min"`.
        validation_size: How many samples scored each trial; None when that is not known.
        held_out: Whether these were held out of the training data, for want of `validation_data`.
        initializer: What drew the weights: `"model"` for the model's own initializers, `"model and matched"` for pairs
            of both kinds. No verdict is carried from one to another.
        model: A trained model of `recommended`: that of its best trial, whose score it has. None if a strategy trained
            that one for fewer epochs or not at all, and there was no confirmation.

    Example:
        >>> trials = [Trial("relu", s, "search", 0.90 + s / 100, 1.0) for s in range(3)]
        >>> trials += [Trial("tanh", s, "search", 0.85 + s / 100, 1.0) for s in range(3)]
        >>> selection = Selection(tuple(trials), "relu", "val_accuracy", "max", validation_size=1000)
        >>> selection.best, selection.recommended
        ('relu', 'relu')
        >>> print(selection.leaderboard())
        candidate  val_accuracy     95 % interval  seeds  diverged  seconds
        relu             0.9100  0.8852 to 0.9348      3         0      1.0
        tanh             0.8600  0.8352 to 0.8848      3         0      1.0
    """

    trials: tuple[Trial, ...]
    baseline: str
    objective: str
    direction: str
    validation_size: int | None = None
    held_out: bool = False
    initializer: str = "model"
    model: Any = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return (
            f"<Selection best={self.best!r} recommended={self.recommended!r} baseline={self.baseline!r}, "
            f"{len(self.trials)} trials>"
        )

    def leaderboard(self, stage: str = "search") -> Leaderboard:
        """The candidates from best to worst, by the trials of one stage.

        Args:
            stage: `"search"`, or `"confirm"` for leader and baseline on the fresh seeds.

        Raises:
            ValueError: For another stage.
        """
        if stage not in STAGES:
            raise ValueError(f"Unknown stage. Expected one of {STAGES}. Received: {stage!r}.")
        return Leaderboard(rank([t for t in self.trials if t.stage == stage], self.direction), self.objective)

    @cached_property
    def best(self) -> str:
        """The leader of the search. It may lead by luck: `recommended` says whether that was confirmed."""
        return self.leaderboard()[0].candidate

    @cached_property
    def comparison(self) -> PairedTest | None:
        """The paired test of leader minus baseline on the fresh seeds; None if there is nothing to test."""
        differences = [leader.score - base.score for leader, base in self._pairs() if _both_finished(leader, base)]
        if len(differences) < 2:
            return None
        largest = max(abs(trial.score) for pair in self._pairs() for trial in pair if not trial.diverged)
        return paired_test(differences, resolution=FLOAT32 * largest)

    @cached_property
    def recommended(self) -> str:
        """The leader if confirmed as better than the baseline on fresh seeds, else the baseline."""
        return self.best if self._leader_confirmed() else self.baseline

    @cached_property
    def verdict(self) -> str:
        """One sentence: what was found, how sure it is, and under which conditions."""
        return sentence(self)

    def _pairs(self) -> list[tuple[Trial, Trial]]:
        """Leader's and baseline's confirmation trials, seed by seed."""
        if self.best == self.baseline:
            return []
        confirmed = {(t.candidate, t.seed): t for t in self.trials if t.stage == "confirm"}
        seeds = sorted({seed for _, seed in confirmed})
        pairs = [(confirmed.get((self.best, s)), confirmed.get((self.baseline, s))) for s in seeds]
        return [(leader, base) for leader, base in pairs if leader is not None and base is not None]

    def _leader_confirmed(self) -> bool:
        pairs = self._pairs()
        if pairs and all(base.diverged for _, base in pairs):
            # The baseline never trains, so there is nothing to keep.
            return not all(leader.diverged for leader, _ in pairs)
        if any(leader.diverged for leader, _ in pairs):
            return False
        test = self.comparison
        return test is not None and test.significant and self._is_better(test.difference)

    def _is_better(self, difference: float) -> bool:
        return difference > 0 if self.direction == "max" else difference < 0

    def to_json(self) -> str:
        """Everything but the model, as JSON text; scores that are not finite become null.

        Example:
            >>> trial = Trial("relu", 0, "search", float("nan"), 1.0, diverged=True)
            >>> '"score": null' in Selection((trial,), "relu", "val_loss", "min").to_json()
            True
        """
        content = {
            "baseline": self.baseline,
            "best": self.best,
            "recommended": self.recommended,
            "verdict": self.verdict,
            "objective": self.objective,
            "direction": self.direction,
            "initializer": self.initializer,
            "validation_size": self.validation_size,
            "held_out": self.held_out,
            "comparison": None if self.comparison is None else asdict(self.comparison),
            "leaderboard": [asdict(row) for row in self.leaderboard()],
            "trials": [asdict(trial) for trial in self.trials],
        }
        return json.dumps(json_ready(content), indent=2, allow_nan=False)


def rank(trials: Sequence[Trial], direction: str) -> tuple[Standing, ...]:
    """Standings from best to worst. A diverged trial is counted and ranks its candidate last; it is never averaged."""
    sign = -1.0 if direction == "max" else 1.0
    standings = [_standing(name, trials) for name in dict.fromkeys(t.candidate for t in trials)]
    return tuple(sorted(standings, key=lambda row: _place(row, sign)))


def _place(row: Standing, sign: float) -> tuple[float, ...]:
    """What rows are sorted by: those that a strategy gave up early or on few seeds rank below those that went on."""
    if row.diverged == row.seeds:
        return (1.0, -_size(row), -row.seeds)
    return (0.0, -_size(row), -row.seeds, row.diverged, sign * row.mean)


def _standing(candidate: str, trials: Sequence[Trial]) -> Standing:
    """Scores of different budgets are not comparable: the largest one counts."""
    own = [t for t in trials if t.candidate == candidate]
    largest = max(own, key=_size)
    counted = [t for t in own if t.epochs == largest.epochs]
    scores = [t.score for t in counted if not t.diverged]
    mean, low, high = mean_interval(scores) if scores else (math.nan, -math.inf, math.inf)
    seconds = sum(t.seconds for t in own) / len(counted)
    return Standing(candidate, mean, low, high, len(counted), len(counted) - len(scores), seconds, largest.epochs)


def _size(budgeted: Trial | Standing) -> float:
    return math.inf if budgeted.epochs is None else budgeted.epochs


def _both_finished(leader: Trial, base: Trial) -> bool:
    return not (leader.diverged or base.diverged)


def json_ready(value: Any) -> Any:
    """The same content with null for numbers that JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    return [json_ready(item) for item in value] if isinstance(value, (list, tuple)) else value
