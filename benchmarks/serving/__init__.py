"""How quickly `crm serve` answers: each page and API route alone, then all of them under a steady load.

What belongs here: starting the server on a data folder, asking, and the table. What does not: thresholds; figures
depend on the machine, and a person reads them.
"""
