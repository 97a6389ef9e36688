"""REST and pages, on the same queries."""
