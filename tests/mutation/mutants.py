"""The ways in which a module can be wrong, a few of them drawn."""

import difflib
import random
from dataclasses import dataclass
from pathlib import Path

import cosmic_ray.plugins
from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from parso import parse

ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow")
ORDER = ("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE")
# Bits of a float and decorators are left out: the first always fail, without the second JAX gives the same numbers.
KINDS = (
    *(f"core/ReplaceBinaryOperator_{a}_{b}" for a in ARITHMETIC for b in ARITHMETIC if a != b),
    *(f"core/ReplaceComparisonOperator_{a}_{b}" for a in ORDER for b in ORDER if a != b),
    "core/ReplaceUnaryOperator_Delete_USub",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/ReplaceUnaryOperator_USub_UAdd",
    "core/AddNot",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/NumberReplacer",
    "core/ZeroIterationForLoop",
)
ZEROS = "__import__('jax').tree.map(lambda each: each * 0, ({}))"


@dataclass(frozen=True)
class Mutant:
    """A module that is wrong in one place."""

    module: str
    what: str
    source: str
    difference: str


class ReturnZeros(Operator):
    """What a function returns, times zero."""

    def mutation_positions(self, node):
        if node.type == "return_stmt":
            yield node.children[1].start_pos, node.children[1].end_pos

    def mutate(self, node, index):
        value = node.children[1]
        (new,) = parse(ZEROS.format(value.get_code().strip())).children[:1]
        new.get_first_leaf().prefix = " "
        new.parent = node
        node.children[1] = new
        return node

    @classmethod
    def examples(cls):
        return ()


def inside(node, *kinds: str) -> bool:
    while node is not None and node.type not in kinds:
        node = node.parent
    return node is not None


def places(tree, operator: Operator):
    """Every place where an operator applies, and whether an equation stands there."""
    pending = [tree]
    while pending:
        node = pending.pop(0)
        for _ in operator.mutation_positions(node):
            # A default is a choice, not an equation; a type says nothing at run time.
            yield not inside(node, "param", "parameters", "tfpdef", "annassign", "import_from", "decorator")
        pending[:0] = getattr(node, "children", [])


def of_module(root: Path, module: str):
    """All mutants of a module, as what they are and which occurrence of it."""
    source = (root / module).read_text("utf-8")
    operators = {kind: cosmic_ray.plugins.get_operator(kind)() for kind in KINDS} | {"ReturnZeros": ReturnZeros()}
    for kind, operator in operators.items():
        for occurrence, is_equation in enumerate(places(get_ast(source), operator)):
            if is_equation:
                yield kind, operator, occurrence


def drawn(root: Path, module: str, n_mutants: int, seed: int) -> list[Mutant]:
    """At most `n_mutants` mutants, each of a line of its own as long as there are lines."""
    source = (root / module).read_text("utf-8")
    every = list(of_module(root, module))
    random.Random(f"{seed} {module}").shuffle(every)
    chosen: list[Mutant] = []
    later: list[Mutant] = []
    lines: set[str] = set()
    for kind, operator, occurrence in every:
        broken = mutate_code(source, operator, occurrence)
        if broken is None or broken == source:
            continue
        _, _, *changes = difflib.unified_diff(source.split("\n"), broken.split("\n"), lineterm="", n=0)
        old = changes[0]
        mutant = Mutant(module, f"{module}: {kind.removeprefix('core/')}", broken, "\n".join(changes))
        (later if old in lines else chosen).append(mutant)
        lines.add(old)
        if len(chosen) == n_mutants:
            break
    return (chosen + later)[:n_mutants]
