"""Alembic's entry: runs the migrations on the connection that pipeline.database hands over."""

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
connection.execute(text("CREATE SCHEMA IF NOT EXISTS pipeline"))
context.configure(connection=connection, version_table_schema="pipeline", transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
