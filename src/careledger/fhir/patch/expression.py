"""The syntax of the FHIRPath subset that FHIRPath Patch is read by (FHIRPath N1, section 6)."""

import json
from dataclasses import dataclass
from re import compile as regex
from typing import Final

import msgspec

from careledger.fhir.errors import BadPatch
from careledger.fhir.patch.document import Json

LONGEST: Final = 1_000
"""Characters of an expression."""

MOST_NESTED: Final = 16

_TOKEN: Final = regex(
    r"\s*(?:(?P<name>\$this|[A-Za-z_][A-Za-z0-9_]*)|`(?P<quoted>[^`\\]+)`"
    r"|'(?P<text>(?:[^'\\]|\\.)*)'|@(?P<date>[0-9T:.+\-Z]+)|(?P<number>[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<sign>!=|[=.()\[\],]))"
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value; whole numbers are `int`, all others as in a document."""

    value: Json


@dataclass(frozen=True, slots=True)
class Name:
    """The elements of that name of `of`, or of the focus."""

    of: "Expression | None"
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `of`; `[]` is an indexer."""

    of: "Expression | None"
    name: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Binary:
    """`=`, `!=`, `and` or `or`."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = Literal | Name | Call | Binary


def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        BadPatch: it is outside the subset, or too long.
    """
    if len(text) > LONGEST:
        raise BadPatch(f"a path of at most {LONGEST} characters")
    parser = _Parser(_tokens(text))
    expression = parser.expression()
    if not parser.is_at_end():
        raise BadPatch(_EXPECTED)
    return expression


_EXPECTED: Final = "a FHIRPath of names, [n], where(), =, != and the like"
_LEVELS: Final = (("or",), ("and",), ("=", "!="))
Token = tuple[str, str]


def _tokens(text: str) -> list[Token]:
    found, place = list[Token](), 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise BadPatch(_EXPECTED)
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._place, self._depth = tokens, 0, 0

    def is_at_end(self) -> bool:
        return self._place == len(self._tokens)

    def expression(self, level: int = 0) -> Expression:
        """An operand, or two with an operator of this level, or of one that binds more tightly."""
        if level == len(_LEVELS):
            return self._path()
        left = self.expression(level + 1)
        while self._next()[1] in _LEVELS[level] and self._next()[0] in ("name", "sign"):
            operator = self._take()[1]
            left = Binary(operator, left, self.expression(level + 1))
        return left

    def _path(self) -> Expression:
        found = self._first()
        while self._next() in (("sign", "."), ("sign", "[")):
            if self._take()[1] == "[":
                kind, number = self._take()
                if kind != "number" or not number.isdigit():
                    raise BadPatch(_EXPECTED)
                self._skip("]")
                found = Call(found, "[]", (Literal(int(number)),))
            else:
                found = self._step(found)
        return found

    def _first(self) -> Expression:
        kind, text = self._next()
        match kind:
            case "text":
                self._take()
                return Literal(_unescaped(text))
            case "date":
                self._take()
                return Literal(text.removeprefix("T"))
            case "number":
                self._take()
                return Literal(msgspec.Raw(text.encode()))
            case "sign" if text == "(":
                self._take()
                inner = self._nested()
                self._skip(")")
                return inner
            case _:
                return self._step(None)

    def _step(self, of: Expression | None) -> Expression:
        kind, name = self._take()
        if kind not in ("name", "quoted"):
            raise BadPatch(_EXPECTED)
        if of is None and kind == "name" and name in ("true", "false"):
            return Literal(name == "true")
        if kind == "quoted" or self._next() != ("sign", "("):
            return Name(of, name)
        self._take()
        arguments = list[Expression]()
        while self._next() != ("sign", ")"):
            if arguments:
                self._skip(",")
            arguments.append(self._nested())
        self._take()
        return Call(of, name, tuple(arguments))

    def _nested(self) -> Expression:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise BadPatch("fewer brackets inside one another")
        found = self.expression()
        self._depth -= 1
        return found

    def _next(self) -> Token:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _take(self) -> Token:
        token = self._next()
        self._place += 1
        return token

    def _skip(self, sign: str) -> None:
        if self._take() != ("sign", sign):
            raise BadPatch(_EXPECTED)


def _unescaped(text: str) -> str:
    r"""What a string literal says; besides JSON's escapes there are `\'` and `` \` ``."""
    if "\\" not in text:
        return text
    plain = text.replace("\\'", "'").replace("\\`", "`").replace('"', '\\"')
    try:
        return str(json.loads(f'"{plain}"', strict=False))
    except ValueError:
        raise BadPatch(_EXPECTED) from None
