"""Alembic: every edition of the database, in order."""
