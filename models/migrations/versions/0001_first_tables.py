"""first tables."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backup",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("taken_at", UTCDateTime(), nullable=False),
        sa.Column("verified_at", UTCDateTime(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("backup", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_backup_site_id"), ["site_id"], unique=False)

    op.create_table(
        "breaker",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=True),
        sa.Column("since", UTCDateTime(), nullable=False),
        sa.Column("budget", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("now", UTCDateTime(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "dead",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "deletion",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("deleted_at", UTCDateTime(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("previous_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("previous_hash"),
        sa.UniqueConstraint("site_id"),
    )
    op.create_table(
        "effect",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("args", sa.Text(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.Column("leased_until", UTCDateTime(), nullable=True),
        sa.Column("retry_at", UTCDateTime(), nullable=True),
        sa.Column("announced_at", UTCDateTime(), nullable=False),
        sa.Column("cause_source", sa.String(), nullable=False),
        sa.Column("cause_id", sa.String(), nullable=False),
        sa.Column("correlation_id", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("effect", schema=None) as batch_op:
        batch_op.create_index("ix_effect_cause", ["cause_source", "cause_id"], unique=False)
        batch_op.create_index("ix_effect_site", ["site_id", "seq"], unique=False)
        batch_op.create_index(
            "ix_effect_unfinished",
            ["seq"],
            unique=False,
            sqlite_where=sa.text("status in ('pending', 'running')"),
            postgresql_where=sa.text("status in ('pending', 'running')"),
        )

    op.create_table(
        "event",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("reply_to", sa.String(), nullable=True),
        sa.Column("sent", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_site_id"), ["site_id"], unique=False)
        batch_op.create_index(
            "ix_event_unsent",
            ["seq"],
            unique=False,
            sqlite_where=sa.text("not sent"),
            postgresql_where=sa.text("not sent"),
        )

    op.create_table(
        "export",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("ready_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("export", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_export_site_id"), ["site_id"], unique=False)

    op.create_table(
        "heartbeat",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "invoice",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("unit_price_cents", sa.Integer(), nullable=False),
        sa.Column("agents", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("of_seconds", sa.Integer(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("period_start", UTCDateTime(), nullable=False),
        sa.Column("period_end", UTCDateTime(), nullable=False),
        sa.Column("issued_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("closed_why", sa.String(), nullable=True),
        sa.CheckConstraint("status in ('open', 'paid', 'void', 'uncollectible')", name="ck_invoice_status"),
        sa.CheckConstraint(
            "amount_cents = (2 * agents * unit_price_cents * seconds + of_seconds) / (2 * of_seconds)",
            name="ck_invoice_recomputes",
        ),
        sa.CheckConstraint("amount_cents >= 0", name="ck_invoice_amount"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    with op.batch_alter_table("invoice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invoice_site_id"), ["site_id"], unique=False)
        batch_op.create_index(
            "uq_invoice_period",
            ["site_id", "period_start"],
            unique=True,
            sqlite_where=sa.text("kind = 'period' and status <> 'void'"),
            postgresql_where=sa.text("kind = 'period' and status <> 'void'"),
        )

    op.create_table(
        "payment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("invoice_id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("card_label", sa.String(), nullable=True),
        sa.Column("decline_code", sa.String(), nullable=True),
        sa.Column("retry", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "outcome in ('pending', 'succeeded', 'declined', 'error', 'unknown', 'void')", name="ck_payment_outcome"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payment_invoice_id"), ["invoice_id"], unique=False)
        batch_op.create_index(
            "uq_payment_open",
            ["site_id"],
            unique=True,
            sqlite_where=sa.text("outcome in ('pending', 'unknown')"),
            postgresql_where=sa.text("outcome in ('pending', 'unknown')"),
        )
        batch_op.create_index(
            "uq_payment_succeeded",
            ["invoice_id"],
            unique=True,
            sqlite_where=sa.text("outcome = 'succeeded'"),
            postgresql_where=sa.text("outcome = 'succeeded'"),
        )

    op.create_table(
        "receipt",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("from_state", sa.String(), nullable=True),
        sa.Column("to_state", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("source", "id", name="uq_receipt_source_id"),
    )
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_receipt_site_id"), ["site_id"], unique=False)

    op.create_table(
        "site",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("ready_at", UTCDateTime(), nullable=True),
        sa.Column("trial_ends_at", UTCDateTime(), nullable=True),
        sa.Column("trial_days", sa.Integer(), nullable=False),
        sa.Column("trial_agents", sa.Integer(), nullable=False),
        sa.Column("agents_allowed", sa.Integer(), nullable=False),
        sa.Column("used_agents", sa.Integer(), nullable=False),
        sa.Column("plan_agents", sa.Integer(), nullable=True),
        sa.Column("next_agents", sa.Integer(), nullable=True),
        sa.Column("price_cents", sa.Integer(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("payment_method", sa.String(), nullable=True),
        sa.Column("anchor_at", UTCDateTime(), nullable=True),
        sa.Column("period_start", UTCDateTime(), nullable=True),
        sa.Column("period_ends_at", UTCDateTime(), nullable=True),
        sa.Column("charged_at", UTCDateTime(), nullable=True),
        sa.Column("cancels_at", UTCDateTime(), nullable=True),
        sa.Column("cancelled_at", UTCDateTime(), nullable=True),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("export_ready_at", UTCDateTime(), nullable=True),
        sa.Column("final_backup_at", UTCDateTime(), nullable=True),
        sa.Column("warned_at", UTCDateTime(), nullable=True),
        sa.Column("final_warning_at", UTCDateTime(), nullable=True),
        sa.Column("notice_sent_at", UTCDateTime(), nullable=True),
        sa.Column("deletes_at", UTCDateTime(), nullable=True),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.Column("held_for", sa.String(), nullable=True),
        sa.Column("held_since", UTCDateTime(), nullable=True),
        sa.Column("suspended_reason", sa.String(), nullable=True),
        sa.Column("suspended_from", sa.String(), nullable=True),
        sa.Column("suspended_at", UTCDateTime(), nullable=True),
        sa.Column("unpaid_since", UTCDateTime(), nullable=True),
        sa.Column("reminded_at", UTCDateTime(), nullable=True),
        sa.Column("night_at", UTCDateTime(), nullable=True),
        sa.Column("attention", sa.String(), nullable=True),
        sa.Column("waived", sa.Text(), nullable=False),
        sa.Column("owed", sa.Text(), nullable=True),
        sa.Column("paying", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("site", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_site_account"), ["account"], unique=False)
        batch_op.create_index("ix_site_host", ["host"], unique=False)
        batch_op.create_index(batch_op.f("ix_site_state"), ["state"], unique=False)
        batch_op.create_index(
            "uq_site_host_living",
            ["host"],
            unique=True,
            sqlite_where=sa.text("state <> 'deleted'"),
            postgresql_where=sa.text("state <> 'deleted'"),
        )

    op.create_table(
        "timer",
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("wakes_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "kind"),
    )
    with op.batch_alter_table("timer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_timer_wakes_at"), ["wakes_at"], unique=False)

    op.create_table(
        "warrant",
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("authorized_at", UTCDateTime(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("site_id"),
    )
    with op.batch_alter_table("warrant", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_warrant_authorized_at"), ["authorized_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("warrant", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_warrant_authorized_at"))

    op.drop_table("warrant")
    with op.batch_alter_table("timer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_timer_wakes_at"))

    op.drop_table("timer")
    with op.batch_alter_table("site", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_site_host_living",
            sqlite_where=sa.text("state <> 'deleted'"),
            postgresql_where=sa.text("state <> 'deleted'"),
        )
        batch_op.drop_index(batch_op.f("ix_site_state"))
        batch_op.drop_index("ix_site_host")
        batch_op.drop_index(batch_op.f("ix_site_account"))

    op.drop_table("site")
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_receipt_site_id"))

    op.drop_table("receipt")
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_payment_succeeded",
            sqlite_where=sa.text("outcome = 'succeeded'"),
            postgresql_where=sa.text("outcome = 'succeeded'"),
        )
        batch_op.drop_index(
            "uq_payment_open",
            sqlite_where=sa.text("outcome in ('pending', 'unknown')"),
            postgresql_where=sa.text("outcome in ('pending', 'unknown')"),
        )
        batch_op.drop_index(batch_op.f("ix_payment_invoice_id"))

    op.drop_table("payment")
    with op.batch_alter_table("invoice", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_invoice_period",
            sqlite_where=sa.text("kind = 'period' and status <> 'void'"),
            postgresql_where=sa.text("kind = 'period' and status <> 'void'"),
        )
        batch_op.drop_index(batch_op.f("ix_invoice_site_id"))

    op.drop_table("invoice")
    op.drop_table("heartbeat")
    with op.batch_alter_table("export", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_export_site_id"))

    op.drop_table("export")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index("ix_event_unsent", sqlite_where=sa.text("not sent"), postgresql_where=sa.text("not sent"))
        batch_op.drop_index(batch_op.f("ix_event_site_id"))

    op.drop_table("event")
    with op.batch_alter_table("effect", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_effect_unfinished",
            sqlite_where=sa.text("status in ('pending', 'running')"),
            postgresql_where=sa.text("status in ('pending', 'running')"),
        )
        batch_op.drop_index("ix_effect_site")
        batch_op.drop_index("ix_effect_cause")

    op.drop_table("effect")
    op.drop_table("deletion")
    op.drop_table("dead")
    op.drop_table("counter")
    op.drop_table("clock")
    op.drop_table("breaker")
    with op.batch_alter_table("backup", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_backup_site_id"))

    op.drop_table("backup")
