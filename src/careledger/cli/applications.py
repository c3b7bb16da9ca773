"""Commands of applications: one for each record that an application takes, made from the record.

`careledger governance propose --help` is nothing but the record `Propose` read aloud. A new
application has its commands here the day its folder is there.
"""

import importlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import click
import msgspec
from msgspec import inspect

from careledger.ledger.application import Application
from careledger.ledger.record import Record

Convert = Callable[[str], object]


def group_of(name: str, text: str, without: Collection[str] = ()) -> click.Group:
    """`careledger NAME`, with a command for each record but those in `without`."""
    module = importlib.import_module(f"careledger.apps.{name}")
    application: Application[Any, Any] = module.APPLICATION  # Any: each has its own commands
    group = click.Group(application.name, help=text)
    for command in application.commands:
        tag = str(command.__struct_config__.tag)
        if tag not in without:
            group.add_command(_subcommand(application.name, tag, command))
    return group


def __getattr__(name: str) -> click.Group:
    """The group of the application `name`."""
    if name.startswith("_"):
        raise AttributeError(name)
    return group_of(name, f"Sign and send commands of {name}.")


@dataclass(frozen=True)
class Field:
    """One field of a record as an option."""

    name: str
    convert: Convert
    many: bool
    metavar: str
    required: bool
    is_flag: bool


def _subcommand(application: str, tag: str, command: type[Record]) -> click.Command:
    from careledger.cli.signing import Signer, signer_options, submit

    fields = [_field(one) for one in msgspec.structs.fields(command)]

    def run(find_signer: Callable[[], Signer], **options: Any) -> None:  # Any: as the fields say
        record = build(command, fields, options)
        submit(find_signer(), application, record)

    parameters: list[click.Parameter] = [
        click.Option(
            [f"--{one.name.replace('_', '-')}", one.name],
            required=one.required,
            multiple=one.many,
            metavar=None if one.is_flag else one.metavar,
            type=bool if one.is_flag else str,
        )
        for one in fields
    ]
    made = click.Command(tag, callback=run, params=parameters, help=command.__doc__)
    return signer_options(made)


def build(
    command: type[Record], fields: list[Field], options: dict[str, Any]
) -> Record:  # Any: texts, flags and lists of texts
    """The record that the options say.

    Raises:
        BadParameter: an option that is not what its field takes.
    """
    values: dict[str, object] = {}
    for one in fields:
        given = options.get(one.name)
        if given is None or given == ():
            continue
        try:
            values[one.name] = (
                tuple(map(one.convert, given)) if one.many else one.convert(str(given))
            )
        except (ValueError, msgspec.DecodeError) as error:
            option = f"--{one.name.replace('_', '-')}"
            raise click.BadParameter(str(error), param_hint=option) from error
    try:
        plain = msgspec.to_builtins(values, builtin_types=(bytes,))
        tag = command.__struct_config__.tag
        plain = {"type": tag, **plain} if tag is not None else plain
        return msgspec.convert(plain, command, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from error


def _field(field: msgspec.structs.FieldInfo) -> Field:
    type_, declared = inspect.type_info(field.type), field.type
    if isinstance(type_, inspect.UnionType):
        others = [one for one in type_.types if not isinstance(one, inspect.NoneType)]
        type_ = others[0] if len(others) == 1 else type_
    many = isinstance(type_, inspect.VarTupleType) and _is_plain(type_.item_type)
    item = type_.item_type if many and isinstance(type_, inspect.VarTupleType) else type_
    convert, metavar = _converter(item, declared)
    return Field(
        name=field.name,
        convert=convert,
        many=many,
        metavar=metavar,
        required=field.required,
        is_flag=isinstance(type_, inspect.BoolType),
    )


def _is_plain(type_: inspect.Type) -> bool:
    return isinstance(
        type_, inspect.StrType | inspect.LiteralType | inspect.BytesType | inspect.IntType
    )


def _converter(type_: inspect.Type, declared: object) -> tuple[Convert, str]:
    """From text to a value, and what to call it in help."""
    match type_:
        case inspect.StrType():
            return str, "TEXT"
        case inspect.LiteralType(values=values):
            return str, "|".join(map(str, values)) if len(values) <= 6 else "CODE"  # noqa: PLR2004 - fits a line
        case inspect.IntType():
            return int, "NUMBER"
        case inspect.BoolType():
            return lambda text: text == "True", ""
        case inspect.BytesType():
            return bytes.fromhex, "HEX"
        case _:
            return lambda text: msgspec.json.decode(text, type=declared), "JSON"
