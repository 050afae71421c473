"""Runs a migration on the connection that `migrate` hands over, inside its transaction."""

from alembic import context

session = context.config.attributes["session"]
context.configure(
    connection=session,
    render_as_batch=True,
    transactional_ddl=False,  # the caller began the transaction and ends it
)
context.run_migrations()
