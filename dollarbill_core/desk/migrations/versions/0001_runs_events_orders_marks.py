"""Runs, events, orders and marks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("session", sa.Date, nullable=False),
        sa.Column("strategy_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started", sa.String(40), nullable=False),
        sa.Column("finished", sa.String(40), nullable=True),
        sa.Column("provenance", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=True),
        sa.Column("report", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("session", "strategy_hash", name="uq_runs_session"),
    )
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_events_run_runs"),
        sa.UniqueConstraint("key", name="uq_events_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "orders",
        sa.Column("client_order_id", sa.String(128), nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("ended_in", sa.Integer, nullable=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("client_order_id", name="pk_orders"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_orders_run_runs"),
        sa.ForeignKeyConstraint(["ended_in"], ["runs.id"], name="fk_orders_ended_in_runs"),
    )
    op.create_table(
        "marks",
        sa.Column("session", sa.Date, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("nav", sa.String(40), nullable=False),
        sa.Column("cash", sa.String(40), nullable=False),
        sa.Column("market_value", sa.String(40), nullable=False),
        sa.Column("maintenance", sa.String(40), nullable=False),
        sa.Column("free", sa.String(40), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("session", name="pk_marks"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_marks_run_runs"),
    )


def downgrade() -> None:
    for table in ("marks", "orders", "events", "runs"):
        op.drop_table(table)
