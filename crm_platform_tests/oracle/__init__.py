"""The oracle: every figure of the KPI definitions once more, in plain Python, to hold the SQL against.

What belongs here: a second implementation that shares nothing with `crm_platform.models` but the definitions, the
worlds to try both on, and the comparison. What does not: SQL, data frames, speed for its own sake.

    facts.py          what the oracle is told
    arithmetic.py     days, office hours, small statistics
    messages.py, staff.py     the ground rules about single messages and about who did what
    conversations.py, operations.py, support.py, activity.py, engagement.py, growth.py, executive.py     the chapters
    compute.py        facts → every table
    from_truth.py     facts of the sandbox's truth
    worlds.py, oddities.py     facts of random worlds full of edge cases
    compare.py        two tables → what differs
"""
