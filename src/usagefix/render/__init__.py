"""Reports as text. Tables and progress use rich; nothing outside this package does."""
