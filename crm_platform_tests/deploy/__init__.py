"""The containers of deploy/: what each is given, and what the checkers say. None is started here."""
