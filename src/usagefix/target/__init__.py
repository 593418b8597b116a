"""Finds the database before anything connects: who names it, what the name says, and how libpq has to read it.

``resolve`` finds the string (the option, the environment, ``.env``, libpq's own settings). ``locate`` reads it,
corrects what people write and libpq cannot read, and returns what :func:`usagefix.database.connect` takes. A string may
hold a password: no repr, no note and no error quotes it.
"""

from usagefix.target.location import Location, locate
from usagefix.target.naming import Address, resolve
from usagefix.target.origin import origin

__all__ = ["Address", "Location", "locate", "origin", "resolve"]
