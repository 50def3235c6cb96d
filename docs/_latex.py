"""The records' formulas as LaTeX, by SymPy."""

import keyword
import re
from collections.abc import Mapping
from typing import Any

import sympy

_FUNCTIONS = {"sigmoid": r"\sigma", "softplus": r"\mathrm{softplus}", "log_sigmoid": r"\log\sigma"}
_FUNCTIONS |= {"P": "P", "P_slope": "P'", "Q": "Q", "Q_slope": "Q'"}
_PLAIN = ("Abs", "Max", "Min", "Piecewise", "cosh", "sinh", "erf", "erfc", "exp", "log", "oo", "pi", "sign", "sqrt")
_PLAIN += ("tanh", "sin", "cos", "tan", "atan", "asinh", "E", "Eq")


def latex(formula: str, parameters: Mapping[str, Any]) -> str | None:
    r"""A formula as LaTeX; None if SymPy can't read it.

    Example:
        >>> latex("x/(1 + exp(-beta*x))", {"beta": 1.0})
        '\\frac{x}{1 + e^{- \\beta \\, x}}'
    """
    formula = re.sub(r"(\w+) == (\d+)", r"Eq(\1, \2)", formula)
    for vector in (key for key, value in parameters.items() if isinstance(value, tuple)):
        formula = re.sub(rf"\({vector}, ", "(", formula)  # P(x), whose coefficients the text explains
    if re.search(r"==|\bfor\b|\[[^\]]*:", formula):  # words and loops are code
        return None
    names = _names(formula, parameters)
    try:
        expression = sympy.sympify(formula, locals=names, evaluate=True)
    except (sympy.SympifyError, SyntaxError, TypeError, AttributeError, ValueError, IndexError):
        return None
    if not isinstance(expression, sympy.Basic):  # several values, of functions that change the width
        return None
    symbols = {s: _symbol(s.name) for s in expression.free_symbols if len(s.name) > 1}
    shown = {s: t for s, t in symbols.items() if t}
    text = sympy.latex(expression, symbol_names=shown, order="none", mul_symbol=r" \, ")
    return re.sub(r"\\operatorname\{", r"\\mathrm{", text)  # GitHub forbade \operatorname for years


def _names(formula: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the words of a formula mean: parameters and other words are symbols, words before a bracket functions."""
    names: dict[str, Any] = {"Piecewise": lambda *branches: sympy.Piecewise(*branches, evaluate=False)}  # as written
    for word, bracket in re.findall(r"\b([A-Za-z_]\w*)(\s*\()?", formula):
        if word in _PLAIN or keyword.iskeyword(word):
            continue
        value = parameters.get(word)
        if isinstance(value, tuple):
            names[word] = sympy.symbols([f"{word}{i}" for i in range(len(value))], real=True)
        elif bracket:
            names[word] = _function(word)
        else:
            names[word] = sympy.Symbol(word)
    return names


def _function(word: str) -> type[sympy.Function]:
    """A function that SymPy does not know, printed as its name."""
    shown = _FUNCTIONS.get(word, rf"\mathrm{{{_escaped(word)}}}")

    def _latex(self: Any, printer: Any, exp: str | None = None) -> str:
        arguments = ", ".join(printer._print(a) for a in self.args)
        return rf"{shown}{'' if exp is None else f'^{{{exp}}}'}\left({arguments}\right)"

    return type(word, (sympy.Function,), {"_latex": _latex})


def _symbol(name: str) -> str | None:
    """A word upright and escaped; None for what SymPy prints well itself: Greek letters and indexed ones."""
    plain = sympy.latex(sympy.Symbol(name))
    return None if plain.startswith("\\") or re.fullmatch(r"[A-Za-z]\d*", name) else rf"\mathrm{{{_escaped(name)}}}"


def _escaped(word: str) -> str:
    return word.replace("_", r"\_")
