"""usagefix: repairs a denormalised counter in PostgreSQL on a live database, and keeps it right."""

__version__ = "0.2.0"
