"""Who a request acts as."""
