"""What failed, when several tasks ended together."""


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error inside a group, however deep, for those who ask by its type."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
