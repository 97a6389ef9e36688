"""Confirm message: the account manager stands behind the words the customer will hear."""

from bridge.cases.acts.signature import Act, Asked


def gate_without_sales(asked: Asked) -> str | None:
    """Refuse where the case has no customer side: nothing may reach the customer from it."""
    return None if asked.case.sales else "the case has no customer side: it is waived"


ACT = Act(sides=("sales",), gate=gate_without_sales)
