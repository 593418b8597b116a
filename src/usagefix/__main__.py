"""``python -m usagefix``."""

from usagefix.cli import main

main()
