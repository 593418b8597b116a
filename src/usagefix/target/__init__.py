"""Where the database is, before anything connects: who names it, what the name says, and how libpq is to read that.

``resolve`` finds the string (the option, the environment, ``.env``, libpq's own settings); ``locate`` reads it, put
right where people write what libpq cannot read, and returns what :func:`usagefix.database.connect` takes. A string may
hold a password: no repr, no note and no error quotes it.
"""

from usagefix.target.location import Location, locate
from usagefix.target.naming import Address, resolve
from usagefix.target.origin import origin

__all__ = ["Address", "Location", "locate", "origin", "resolve"]
