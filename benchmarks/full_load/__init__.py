"""A full load of one world, three ways: a bare loop, this platform, dlt.

What belongs here: starting each against a sandbox of its own (the same world, in the same state), and measuring from
outside: wall time, requests as the server counted them, memory of the whole process tree. What does not: anything the
product needs.
"""
