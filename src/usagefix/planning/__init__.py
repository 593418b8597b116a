"""From one look at a database to the statements for it, in full: what apply, rollback, ``sql --adapt`` and export run
or write. Plans are made without the server; nothing here changes anything.

``scene`` looks and ``countable`` tells what stands in the way. ``applying`` plans, with ``saving`` (what was there
before), ``rivals`` (what else counts), ``partitions`` and ``stops``; ``trial`` writes the trial of a function that
records uses. ``undoing`` plans the way back, as far as ``expected`` lets it believe the ledger.
"""
