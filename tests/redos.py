"""Hostile texts for a regular expression, and the process in which it is tried on them: see test_redos."""

import json
import re
import re._constants as opcode
import re._parser as parser
import signal
import sys
from collections.abc import Iterator

LONG = 100_000
SECONDS = 1.0  # of CPU, so that a busy machine fails nobody
MOST_TEXTS = 12


def hostile(pattern: str, flags: int) -> Iterator[str]:
    """What the pattern can take again and again, alone and in pairs, and an end that it cannot take."""
    pieces = list(dict.fromkeys(repeated(parser.parse(pattern, flags))))[:5] or ["a"]
    units = [*pieces, *(one + other for one in pieces[:4] for other in pieces[:4] if one != other)]
    for unit in list(dict.fromkeys(units))[:MOST_TEXTS]:
        yield (unit * (LONG // len(unit) + 1))[:LONG] + "\x00"


def repeated(parsed: parser.SubPattern) -> Iterator[str]:
    """A text for each repeated part, then for each part, of a parsed pattern."""
    for operation, argument in parsed:
        if operation in (opcode.MAX_REPEAT, opcode.MIN_REPEAT, opcode.POSSESSIVE_REPEAT):
            yield from repeated(argument[2])
            yield "".join(filter(None, map(sample, argument[2])))
        elif operation is opcode.SUBPATTERN:
            yield from repeated(argument[-1])
        elif operation in (opcode.ASSERT, opcode.ASSERT_NOT):
            yield from repeated(argument[1])
        elif operation is opcode.BRANCH:
            for branch in argument[1]:
                yield from repeated(branch)
        elif piece := sample((operation, argument)):
            yield piece


def sample(token: tuple) -> str:
    """A text that one token takes."""
    operation, argument = token
    if operation is opcode.LITERAL:
        return chr(argument)
    if operation is opcode.ANY:
        return "a"
    if operation is opcode.NOT_LITERAL:
        return "b" if argument == ord("a") else "a"
    if operation is opcode.IN:
        return next((c for c in " a1.\tAđ-/,(" if taken(argument, c)), "") or next(
            (chr(a if o is opcode.LITERAL else a[0]) for o, a in argument if o in (opcode.LITERAL, opcode.RANGE)), ""
        )
    if operation in (opcode.MAX_REPEAT, opcode.MIN_REPEAT):
        return "".join(map(sample, argument[2])) * max(1, argument[0])
    if operation is opcode.SUBPATTERN:
        return "".join(map(sample, argument[-1]))
    if operation is opcode.BRANCH:
        return "".join(map(sample, argument[1][0]))
    return ""


def taken(argument: list, character: str) -> bool:
    kinds = {
        opcode.CATEGORY_DIGIT: str.isdigit, opcode.CATEGORY_SPACE: str.isspace,
        opcode.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
    }  # fmt: skip
    inside = False
    for operation, value in argument:
        if operation is opcode.LITERAL:
            inside |= ord(character) == value
        elif operation is opcode.RANGE:
            inside |= value[0] <= ord(character) <= value[1]
        elif operation is opcode.CATEGORY:
            known = kinds.get(value)
            inside |= known(character) if known else not character.isalnum()
    return inside != (argument[0][0] is opcode.NEGATE)


def measure(first: int, found: list[list]) -> None:
    """In a process of its own: each pattern from the first on against its texts, its number once it is through."""
    for number, (_, pattern, flags, anchored) in enumerate(found[first:], first):
        compiled = re.compile(pattern, flags)
        for text in hostile(pattern, flags):
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)  # Python's own handling of signals would wait for re.
            (compiled.match if anchored else compiled.search)(text)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        print(number, flush=True)


if __name__ == "__main__":
    measure(int(sys.argv[1]), json.loads(sys.stdin.read()))
