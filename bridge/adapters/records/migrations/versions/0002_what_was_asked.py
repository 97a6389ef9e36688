"""Keep a digest of what a person asked: the same key for another request is a mistake."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; what was asked before has none and is not compared."""
    op.add_column("desk_input", sa.Column("digest", sa.LargeBinary(length=32), nullable=True))
