"""`crm mcp`: the figures for an assistant on this machine.

What belongs here: the command line. What does not: what is answered (serving/mcp/).
"""

from __future__ import annotations

import click

from crm_platform.settings import current_settings


@click.command()
def mcp() -> None:
    """Answer an assistant's questions about the figures, by the Model Context Protocol, on standard input and output.

    An assistant starts this command by itself: name it in the assistant's settings. The same is served over HTTP, under
    roles, at /mcp of `crm serve`.
    """
    from crm_platform.serving.mcp.protocol import run

    run(current_settings())
