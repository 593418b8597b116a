"""From one look at a database to the statements for it, in full: what apply, rollback, ``sql --adapt`` and export run
or write. Plans are made without the server; nothing here changes anything.

``scene`` looks, ``applying`` and ``undoing`` plan, ``trial`` writes the trial of a function that records uses.
"""
