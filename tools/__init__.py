"""What writes documents: each module writes files of docs/ that follow from the code. `make docs` runs them.

What belongs here: laying out for a reader what the code declares. What does not: anything that the product needs while
it runs; it imports nothing from here.
"""
