"""Loads the templates that cases and letters are worded with."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from bridge.cases.wording import Wording
from bridge.model.case import Case


def load_wording(public_url: str = "") -> Wording:
    """Return the wording with its templates from the installed package.

    Parameters
    ----------
    public_url : str
        What the address of a case's page begins with; empty for texts without addresses.
    """
    # Templates escape HTML themselves: the same macros make plain text and pages.
    environment = Environment(  # noqa: S701
        loader=PackageLoader("bridge.cases", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )

    def case_url(case: Case) -> str:
        return f"{public_url.rstrip('/')}/cases/{case.label}" if public_url else ""

    return Wording(environment, case_url=case_url)
