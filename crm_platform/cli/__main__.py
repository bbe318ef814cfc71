"""`python -m crm_platform.cli` is `crm`."""

from crm_platform.cli import main

main()
