"""One generated class, as Python source."""

from typing import Any

from tools.fhir_definitions import class_name


class Class:
    """One generated class: the fields of one element with children."""

    def __init__(self, path: str, base: str, short: str) -> None:
        self.path, self.base, self.short = path, base, short
        self.fields: list[str] = []
        self.rename: dict[str, str] = {}
        self.rules: dict[str, Any] = {}

    def render(self, *, resource: bool) -> str:
        """Return the class statement."""
        options = "".join(
            (
                f', tag="{self.path}", tag_field="resourceType"' if resource else "",
                ", kw_only=True",
                f", rename={self.rename!r}" if self.rename else "",
            )
        )
        lines = [
            f"class {class_name(self.path)}({self.base}{options}):",
            f'    """{self.short}"""',
            "",
        ]
        lines += [f"    {field}" for field in self.fields]
        if self.rules:
            lines.append("    __post_init__ = second_pass(")
            lines += [
                f"        {name}={render_rule(name, rule)}," for name, rule in self.rules.items()
            ]
            lines.append("    )")
        return "\n".join(lines) + "\n"


def render_rule(name: str, rule: Any) -> str:  # tuples and tables of names, by the kind of rule
    """Return a rule as Python source; bindings name a constant of the codes module."""
    if name != "bindings":
        return repr(rule)
    return (
        "{" + ", ".join(f"{member!r}: codes.{constant}" for member, constant in rule.items()) + "}"
    )
