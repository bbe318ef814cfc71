"""`crm completion`: what a shell needs to complete `crm …`.

What belongs here: printing the script, which asks `crm` itself for what may follow. What does not: what may follow
(the commands say it, and the types of options.py).
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from crm_platform.cli.options import OneOf


@click.command()
@click.argument("shell", type=OneOf(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the script by which a shell completes commands, options and names of tables.

    In bash, add `eval "$(crm completion bash)"` to ~/.bashrc; in zsh, `eval "$(crm completion zsh)"` to ~/.zshrc; in
    fish, `crm completion fish > ~/.config/fish/completions/crm.fish`.
    """
    from crm_platform.cli import crm

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(crm, {}, "crm", "_CRM_COMPLETE").source())
