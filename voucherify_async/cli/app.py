"""The commands of the client, in click: what they are called and what they take.

What they do stands in modules of its own, imported when a command runs: `--help` and completion answer at once.
"""

import os
from collections.abc import Sequence
from typing import Final

import click

from voucherify_async.cli.options import examples, json_option
from voucherify_async.cli.orders import orders
from voucherify_async.cli.plain import COMMANDS, run_plain
from voucherify_async.version import VERSION

__all__ = ["app", "run_app"]

PROGRAM: Final = "voucherify-async"
COMPLETION_VARIABLE: Final = "_VOUCHERIFY_ASYNC_COMPLETE"


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=False,
    epilog=examples(
        "voucherify-async check",
        "voucherify-async orders list --order -created_at",
        "voucherify-async orders sync orders.csv",
        "voucherify-async orders export -o orders.csv",
    ),
)
@click.version_option(VERSION, prog_name=PROGRAM, message="%(prog)s %(version)s")
def app() -> None:
    """Voucherify's Orders API on the command line.

    The keys come from the environment: VOUCHERIFY_APP_ID and VOUCHERIFY_APP_TOKEN, and, where it is not the
    European cluster, VOUCHERIFY_CLUSTER (us, as) or VOUCHERIFY_BASE_URL.

    Results go to standard output, all else to standard error. Exit status: 0 all done, 1 some orders failed, 2
    wrong use, 3 service, network or disk failed, 130 interrupted, 143 terminated.
    """


app.add_command(orders)


@app.command(
    epilog=examples("voucherify-async job aa_0d5c8b", "voucherify-async job exp_3f2a --no-wait --json"),
)
@click.argument("job_id", metavar="ID")
@click.option("--wait/--no-wait", default=True, help="Wait until it has ended (default), or show how it stands.")
@json_option
def job(job_id: str, *, wait: bool, as_json: bool) -> int:
    """Follow an import (aa_...) or an export (exp_...) to its end.

    Exit status 1 says that orders of an import failed.
    """
    if not job_id.startswith(("aa_", "exp_")):
        raise click.BadParameter("a job is called aa_... or exp_...", param_hint="ID")
    from voucherify_async.cli import following

    return following.follow(job_id, wait=wait, as_json=as_json)


@app.command(epilog=examples("voucherify-async check", "VOUCHERIFY_CLUSTER=us voucherify-async check --json"))
@json_option
def check(*, as_json: bool) -> int:
    """Try the keys, and see what is left of the limits.

    It sends one request, which lists one order. Exit status 3 says that the keys were refused or nobody answered.
    """
    from voucherify_async.cli import checking

    return checking.check(as_json=as_json)


@app.command(
    epilog=examples(
        'eval "$(voucherify-async completion bash)"    # in ~/.bashrc',
        'eval "$(voucherify-async completion zsh)"     # in ~/.zshrc',
        "voucherify-async completion fish > ~/.config/fish/completions/voucherify-async.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print a script for your shell that completes commands and options."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click brings all three
    # Not its `source()`, which first runs bash to learn its version.
    made = kind(app, {}, PROGRAM, COMPLETION_VARIABLE)
    click.echo(made.source_template % made.source_vars())
    return 0


def _add_plain(name: str) -> None:
    """Have a command that needs no extra in the list, and in what is completed."""

    @app.command(
        name,
        help=COMMANDS[name].help,
        short_help=COMMANDS[name].short_help,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> int:
        return run_plain(name, arguments)


for _name in COMMANDS:
    _add_plain(_name)


def run_app(arguments: Sequence[str]) -> int:
    """Run a command of the client and return its exit status.

    Not by click's own `main`, which ends the process by itself where a pipe is closed.
    """
    if asked := os.environ.get(COMPLETION_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(app, {}, PROGRAM, COMPLETION_VARIABLE, asked)
    try:
        with app.make_context(PROGRAM, list(arguments), obj=list(arguments)) as context:
            status: int = app.invoke(context)
    except click.exceptions.Exit as ended:  # after `--help` and `--version`
        return ended.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    return status
