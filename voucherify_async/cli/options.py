"""What the options of several commands have in common."""

import datetime
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

__all__ = ["examples", "json_object", "json_option", "names", "pairs", "period"]

json_option = click.option("--json", "as_json", is_flag=True, help="For machines: JSON, one document a line.")

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def examples(*commands: str) -> str:
    """The end of a command's help, which click leaves as it is."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def pairs(*, last: bool = False) -> Callable[[click.Context, click.Parameter, Sequence[str]], dict[str, str]]:
    """The callback of an option `NAME=VALUE` that may be given several times.

    Args:
        last: of several signs of equality the last one counts: the name may hold some, the value none.
    """

    def convert(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> dict[str, str]:
        found = {}
        for text in given:
            name, sign, value = text.rpartition("=") if last else text.partition("=")
            if not sign or not name:
                raise click.BadParameter(f"{text!r} is not of the form {parameter.metavar}")
            found[name] = value
        return found

    return convert


def names(context: click.Context, parameter: click.Parameter, given: str | None) -> list[str] | None:
    """The callback of an option that takes names with commas between them."""
    if given is None:
        return None
    found = [name.strip() for name in given.split(",")]
    if not all(found):
        raise click.BadParameter("names with commas between them, none of them empty")
    return found


def json_object(context: click.Context, parameter: click.Parameter, given: str | None) -> dict[str, Any] | None:
    """The callback of an option that takes a JSON object."""
    if given is None:
        return None
    try:
        found = json.loads(given)
    except ValueError as error:
        raise click.BadParameter(f"is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter('must be a JSON object, {"...": ...}')
    return found


def period(context: click.Context, parameter: click.Parameter, given: str | None) -> datetime.timedelta | None:
    """The callback of an option that takes a length of time: `12h`, `7d`, `4w`."""
    if given is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", given)
    if found is None:
        raise click.BadParameter("a number of hours, days or weeks: 12h, 7d, 4w")
    return datetime.timedelta(**{_UNITS[found[2]]: int(found[1])})
