"""`keras-actsel list` and `show`, and the plots they draw in characters."""

import numpy as np
import pytest
from test_cli import invoke, refused
from typer.testing import CliRunner

from keras_actsel import activations, cli
from keras_actsel.cli import _plot, _show

ENTRIES = [record.name for record in activations.catalogue()]


def test_list_has_every_entry():
    output = invoke("list").output
    # A long summary folds; its further lines begin with more space.
    lines = {line.split()[0]: line for line in output.splitlines() if line[1:2].strip()}
    assert set(ENTRIES) <= set(lines)
    assert lines["silu"].split() == ["silu", "hidden", "Sigmoid", "linear", "unit,", "or", "swish"]
    assert f"{len(activations.catalogue())} activations" in output
    assert max(map(len, output.splitlines())) <= 80
    assert len(output.splitlines()) < 1.2 * len(ENTRIES)  # most summaries need one line


def test_list_shows_costs_and_ranges_where_there_is_room():
    lines = {line.split()[0]: line for line in invoke("list", width=120).output.splitlines() if line[1:2].strip()}
    assert lines["silu"].split()[1:6] == ["hidden", "medium", "-0.278", "to", "inf"]


def test_list_of_a_kind():
    output = invoke("list", "--kind", "axiswise").output
    assert "softmax" in output
    assert "relu" not in output
    assert "Unknown kind 'axis'. Did you mean" in refused("list", "--kind", "axis")


def test_list_of_a_place():
    output = invoke("list", "--belongs", "gate", "--kind", "elementwise").output
    assert "hard_sigmoid" in output
    assert "relu" not in output
    assert "Unknown belongs 'gates'. Did you mean 'gate'?" in refused("list", "--belongs", "gates")


def listed(*conditions):
    """The names of those that meet all conditions."""
    output = invoke("list", *(word for condition in conditions for word in ("--where", condition)), width=200).output
    return [line.split()[0] for line in output.splitlines()[1:-2]]


def test_list_where_facts_hold():
    assert listed("kind=elementwise", "monotonic=true", "cost=low") == [
        r.name for r in activations.catalogue(kind="elementwise", monotonic=True, cost="low")
    ]
    assert listed("belongs=gate", "belongs=output") == [
        r.name for r in activations.catalogue(belongs="gate") if "output" in r.belongs
    ]
    assert listed("smoothness = -1") == [r.name for r in activations.catalogue(smoothness=-1)]
    assert "tanh" in listed("saturates=left", "smoothness=inf", "stochastic=false")


def test_list_where_it_can_not_be_asked():
    assert "Unknown fact 'bound'. Did you mean 'bounded'?" in refused("list", "--where", "bound=true")
    assert "Unknown monotonic 'yes'. Expected one of: false, true." in refused("list", "--where", "monotonic=yes")
    assert "Could not read the condition 'monotonic'. Expected FACT=VALUE" in refused("list", "--where", "monotonic")


def test_show_several():
    output = invoke("show", "mish", "leaky_relu(negative_slope=0.1)").output
    assert output.index("keras_actsel.layers.Mish") < output.index("keras_actsel.layers.LeakyReLU")
    result = invoke("show", "mish", "reluu")
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("name", ENTRIES)
def test_show_every_entry(name):
    result = invoke("show", name)
    assert result.exit_code == 0, result.output
    record = activations.get(name)
    flat = " ".join(result.output.split())
    assert name in flat
    assert record.source.split(",")[0] in flat
    assert record.source.rpartition("https://")[2].strip() in "".join(result.output.split())
    assert " ".join(record.strengths.split()) in flat
    assert ("f'(x)" in flat) == (record.derivative_formula is not None)
    assert max(map(len, result.output.splitlines())) <= 80


def test_show_a_spelling_with_parameters():
    output = invoke("show", "leaky_relu(negative_slope=0.1)").output
    assert "leaky_relu(negative_slope=0.1)" in output
    assert "negative_slope = 0.1 (default 0.2)" in output
    assert "-0.4" in output


def test_show_where_only_ascii_is_shown():
    result = CliRunner(charset="ascii").invoke(cli.app, ["show", "leaky_relu"], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert result.stdout.isascii()
    assert "*" in result.stdout


def test_show_an_alias():
    assert "aliases" in invoke("show", "swish").output


def test_show_errors():
    assert "Unknown activation 'mihs'. Did you mean 'mish'?" in refused("show", "mihs")
    assert "has no parameter 'slope'" in refused("show", "leaky_relu(slope=1)")
    assert "Could not read the activation" in refused("show", "leaky_relu(")


def test_words_for_facts_that_are_not_known():
    assert (_show.interval(None), _show.smoothness(None), _show.yes_or_no(None)) == ("-", "-", "-")


# --- plots ----------------------------------------------------------------------------------------------------------


def drawn(y, **arguments):
    x = np.linspace(-4, 4, len(y))
    return _plot.plot(x, np.asarray(y, dtype=float), "f(x)", 37, **arguments).plain.splitlines()


def test_a_rising_line_goes_from_bottom_left_to_top_right():
    lines = drawn(np.linspace(-4, 4, 200), ascii_only=True)
    assert lines[0].strip() == "f(x)"
    assert lines[1].rstrip().endswith("*")
    assert lines[_plot.ROWS].split()[:1] == ["-4"]
    assert "*" in lines[_plot.ROWS][9:14]
    assert lines[-1].split() == ["-4", "0", "4"]
    assert all(line.isascii() for line in lines)
    assert {len(line) for line in lines[1:]} == {37}


def test_steps_are_drawn_without_a_stroke_where_asked():
    step = np.where(np.linspace(-4, 4, 200) > 0.5, 1.0, 0.0)
    stroked, plain = (
        sum("*" in line for line in drawn(step, ascii_only=True, joined=joined)) for joined in (True, False)
    )
    assert (stroked, plain) == (_plot.ROWS, 2)


@pytest.mark.parametrize("y", [[1.0] * 50, [0.0] * 50, [np.nan] * 50, [np.nan, 1.0, np.inf, 2.0] * 10])
def test_plots_of_constants_and_of_values_that_are_not_finite(y):
    assert len(drawn(y)) == _plot.ROWS + 2


def test_braille_dots():
    lines = drawn([0.0] * 100)
    assert any("\u2800" < character <= "\u28ff" for line in lines for character in line)
