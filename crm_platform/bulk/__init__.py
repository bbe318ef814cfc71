"""What an operator has the CRM do to many contacts or chats at once, so that it can be interrupted and gone on with.

What belongs here: reading lists that people keep in spreadsheets, the plan that is shown before anything is sent,
carrying it out, and noting in the warehouse how far it is. What does not: one write at a time (cli/, ingest/), the
words of questions and answers (cli/).

An import and an assignment are the same in this: a plan follows from what is asked for and from what is known here, it
is carried out a request at a time within the gate, and the same call after an interruption does the rest.
"""
