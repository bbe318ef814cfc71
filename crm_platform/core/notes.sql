-- Notes on days that nobody has taken away.
select note_id, day, text
from raw.notes
where removed_at is null
