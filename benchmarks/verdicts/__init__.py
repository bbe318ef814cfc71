"""How often does chance alone make a page say better or worse, and how often is a real change seen?

What belongs here: worlds in which the truth is known (worlds.py), the tables. What does not: the rules, which are the
product's (`crm_platform.verdicts`), driven through its public surface.
"""
