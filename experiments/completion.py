"""A shell's completion of experiments, their flags and the choices of flags."""

import importlib
from collections.abc import Iterable
from dataclasses import fields
from string import Template
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from experiments.flags import Terminal

# `python` is everybody's command: where it does not run an experiment, files are completed as before.
_SCRIPT = Template("""\
# Completion of `python -m experiments.NAME`: for bash to source; for zsh, after autoload -U bashcompinit; bashcompinit
_jaxvision_experiments() {
    local word=$${COMP_WORDS[COMP_CWORD]} before=$${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    [ "$${COMP_WORDS[1]}" = -m ] || return
    if [ "$$COMP_CWORD" = 2 ]; then
        COMPREPLY=($$(compgen -W "$modules" -- "$$word"))
        return
    fi
    case "$${COMP_WORDS[2]} $$before" in
$choices
    esac
    case "$$word" in
    -*) case "$${COMP_WORDS[2]}" in
$flags
        esac ;;
    esac
}
complete -o default -F _jaxvision_experiments python python3
""")


def script(names: Iterable[str]) -> str:
    """What bash is to source, zsh too after `bashcompinit`.

    Args:
        names: of experiments; each is imported for its settings.

    Returns:
        The text of a shell script.

    Example:
        >>> print([line for line in script(["saliency"]).splitlines() if "--images" in line][0].strip())
        experiments.saliency) COMPREPLY=($(compgen -W "--images --weights --target --n-samples --mesh --seed --run-dir \
--help --quiet --json" -- "$word")) ;;
    """
    configs = {name: importlib.import_module(f"experiments.{name}").Config for name in names}
    reply = 'COMPREPLY=($(compgen -W "{}" -- "$word"))'
    flags = [
        f"        experiments.{name}) {reply.format(' '.join((*_flags(config), '--help', *_flags(Terminal))))} ;;"
        for name, config in configs.items()
    ]
    choices = [
        f'    "experiments.{name} --{flag}") {reply.format(" ".join(values))}; return ;;'
        for name, config in configs.items()
        for flag, values in _choices(config).items()
    ]
    modules = " ".join(f"experiments.{name}" for name in configs)
    return _SCRIPT.substitute(modules=modules, flags="\n".join(flags), choices="\n".join(choices))


def _flags(config: Any) -> list[str]:
    return [f"--{'no-' if one.default is True else ''}{one.name.replace('_', '-')}" for one in fields(config)]


def _choices(config: Any) -> dict[str, list[str]]:
    """Of flags that take one of a few words."""
    found = {}
    for name, hint in get_type_hints(config).items():
        kinds = [hint] if get_origin(hint) is Literal else [kind for kind in get_args(hint) if kind is not NoneType]
        if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
            found[name.replace("_", "-")] = [str(value) for value in get_args(kinds[0])]
    return found
