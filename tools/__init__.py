"""What writes files that follow from the code: documents (`make docs`) and catalogs (`make words`).

What belongs here: laying out for a reader what the code declares. What does not: anything that the product needs while
it runs; it imports nothing from here.
"""
