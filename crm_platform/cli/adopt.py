"""`crm adopt`: the CRM whose data this is has a new address.

What belongs here: the question, and its answer. What does not: how a CRM is known again (warehouse/owner.py).
"""

from __future__ import annotations

import click

from crm_platform.errors import FixConfiguration
from crm_platform.settings import SANDBOX_NAME, current_settings


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def adopt(*, yes: bool) -> None:
    """Say that the CRM whose data this is has moved to the address in CRM_BASE_URL.

    A data folder belongs to one CRM: fetching from another one is refused, because two would be mixed. Say so here when
    it is the same CRM at a new address; what was fetched is kept, and the next run goes on from it.
    """
    from crm_platform.ingest import existing_store
    from crm_platform.warehouse import adopt as note
    from crm_platform.warehouse import owner, refusal

    settings = current_settings()
    store = existing_store(settings)
    with store.reading() as session:
        known = owner(session)
    if known == settings.crm_name:
        click.echo(f"{settings.root} holds the data of {known} already: nothing to do")
        return
    if settings.is_sandbox or known == SANDBOX_NAME:
        raise FixConfiguration(refusal(known or "a CRM that was not noted", settings))
    told = known or "a CRM whose address was not noted"
    if not yes:
        click.confirm(
            f"{settings.root} holds the data of {told}. Is {settings.crm_name} the same CRM at a new address?",
            abort=True,
        )
    note(store, settings.crm_name)
    click.echo(f"{settings.root} holds the data of {settings.crm_name} from now on, no longer of {told}")
