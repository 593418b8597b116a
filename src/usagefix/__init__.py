"""usagefix: a denormalised usage counter in PostgreSQL, made right on a live database and kept right."""

__version__ = "0.2.0"
