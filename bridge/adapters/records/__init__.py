"""Events, projections, outbox, people and catalogs in a relational database."""
