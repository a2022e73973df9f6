"""Pictures: read from files of every kind, and written."""
