"""Reports that go out: the pages of a finished week or month, as a document and a workbook, to whoever asked for them.

What belongs here: which weeks and months there are (spans.py), who gets a report (recipients.py), what holds one back
(holding.py), the document (document.py, paper.py, pdf.py), the workbook (workbook.py), all of a report (making.py), the
message that carries it (letters.py), what has been sent (memory.py), and sending what is due (sending.py). What does
not: what a page says and computes (serving/pages/), the ways a message goes (alerts/channels.py), when somebody looks
for what is due (defs/).
"""
