"""x completion bash|zsh: a script for the shell, to be evaluated in its start-up file.

The script asks `x completion --words WORD...` at each use, and the answer comes from where the verbs are: the table in
cli.py, and the argparse parser that each verb makes before it does anything else. So a new verb or option completes
without a line here. What a value can be is told by its metavar: alternatives ("release|debug") are offered as they are,
and KINDS names the others.
"""
import contextlib
import glob
import importlib
import io
import os
import subprocess
import sys

from . import usage

SHELLS = ("bash", "zsh")

BASH = """\
# ./x help | TAB: completion of Pluot's x for bash. In ~/.bashrc: eval "$({x} completion bash)"
_pluot_x() {{
	local IFS=$'\\n'
	local words=("${{COMP_WORDS[@]:1:COMP_CWORD}}")
	COMPREPLY=($("${{COMP_WORDS[0]}}" completion --words "${{words[@]}}" 2>/dev/null))
	[[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == */ ]] && compopt -o nospace 2>/dev/null
}}
# names of rows hold colons, which bash splits words at
COMP_WORDBREAKS=${{COMP_WORDBREAKS//:/}}
complete -F _pluot_x x ./x
"""

ZSH = """\
# ./x help | TAB: completion of Pluot's x for zsh. In ~/.zshrc, behind compinit: eval "$({x} completion zsh)"
_pluot_x() {{
	local -a answers plain folders
	answers=("${{(@f)$("${{words[1]}}" completion --words "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
	folders=("${{(@M)answers:#*/}}")
	plain=("${{(@)answers:#*/}}")
	(( ! ${{#plain}} )) || compadd -U -- "${{(@)plain:#}}"
	(( ! ${{#folders}} )) || compadd -U -S '' -- "${{(@)folders:#}}"
}}
compdef _pluot_x x ./x
"""


# ---- what can stand in a place ----


def _files(word, wanted=lambda path: True):
    """Paths that begin with `word`; folders end with a slash."""
    found = []
    for path in sorted(glob.glob(glob.escape(os.path.expanduser(word)) + "*")):
        if os.path.isdir(path):
            found.append(path + "/")
        elif wanted(path):
            found.append(path)
    return found


def _folders(word):
    return _files(word, lambda path: False)


def _rows(_word):
    from perf import suite  # pylint: disable=import-outside-toplevel; most words need no row

    return [row.name for row in suite.rows(usage.ROOT)]


def _revisions(_word):
    done = subprocess.run(["git", "-C", usage.ROOT, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags"],
                          capture_output=True, text=True, check=False)
    return ["HEAD", *done.stdout.split()]


def _sides(word):
    return _files(word) + _revisions(word) + ["tree"]


# How the place of a value is called, and what completes it; without an entry: files.
KINDS = {"BENCH": _rows, "RE": _rows, "ROW=PERCENT": _rows, "DIR": _folders, "FILE": _files, "FILE|DIR": _files,
         "REVISION": _revisions, "OLD": _sides, "NEW": _sides, "REASON": None, "N": None, "LIST": None, "SECONDS": None}


def _values(action, word):
    """What can stand where `action` takes its value."""
    name = action.metavar or action.dest
    if name in KINDS:
        return KINDS[name](word) if KINDS[name] else []
    if action.choices:
        return list(action.choices)
    if "|" in name and name == name.lower():
        return name.split("|")
    return _files(word)


# ---- the parsers of the verbs ----


class _Described(Exception):
    """Carries a verb's parser out of its main()."""


def _describe(parser, *_):
    raise _Described(parser)


def parser_of(verb, verbs):
    """The parser of a verb, which its main() makes and uses first; None for a verb without one."""
    module = verbs[verb][0]
    used = usage.Parser.parse_args
    usage.Parser.parse_args = _describe
    try:
        served = importlib.import_module(module)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            served.main(*((verb,) if module.startswith("perf.") else ()), ["--help"])
    except _Described as made:
        return made.args[0]
    except SystemExit:
        return None
    finally:
        usage.Parser.parse_args = used
    return None


def _takes_value(action):
    return action.nargs != 0


def _options(parser, used):
    """Option strings that can still follow."""
    found = []
    for action in parser._actions:  # pylint: disable=protected-access; argparse shows them nowhere else
        again = type(action).__name__ == "_AppendAction"
        if again or not any(option in used for option in action.option_strings):
            found += [option for option in action.option_strings if option.startswith("--")]
    return found


def _option_of(parser, word):
    for action in parser._actions:  # pylint: disable=protected-access
        if word in action.option_strings and _takes_value(action):
            return action
    return None


def _positional_of(parser, words):
    """The positional that a further word would fill."""
    taken, skip = 0, False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = _option_of(parser, word) is not None
        else:
            taken += 1
    for action in parser._get_positional_actions():  # pylint: disable=protected-access
        if action.nargs in ("*", "...", "+") or taken == 0:
            return action
        taken -= 1
    return None


def answers(words, verbs):
    """The words that the last of `words` can become; the first is the verb."""
    *before, last = words or [""]
    if not before:
        return _beginning(last, [*verbs, "help"])
    if before[0] not in verbs:
        return []
    parser = parser_of(before[0], verbs)
    if parser is None:
        return _beginning(last, _files(last))
    expected = _option_of(parser, before[-1])
    if expected:
        return _in_list(last, expected)
    if last.startswith("-"):
        return _beginning(last, _options(parser, before))
    positional = _positional_of(parser, before[1:])
    return _beginning(last, _values(positional, last) if positional else _options(parser, before))


def _in_list(last, action):
    """Values of an option; "count,t" completes behind its last comma."""
    done, comma, word = last.rpartition(",")
    return [done + comma + value for value in _beginning(word, _values(action, word))]


def _beginning(word, choices):
    return [choice for choice in dict.fromkeys(choices) if choice.startswith(os.path.expanduser(word))]


def main(argv):
    from . import cli  # pylint: disable=import-outside-toplevel; it loads this module

    if argv[:1] == ["--words"]:
        sys.stdout.write("".join(answer + "\n" for answer in answers(argv[1:], cli.VERBS)))
        return 0
    made = usage.parser("completion", 'Print what makes a shell complete x: eval "$(./x completion bash)"')
    made.add_argument("shell", metavar="|".join(SHELLS), type=lambda given: usage.choice("shell", given, SHELLS))
    shell = made.parse_args(argv).shell
    script = BASH if shell == "bash" else ZSH
    sys.stdout.write(script.format(x=os.path.join(usage.ROOT, "x")))
    return 0
