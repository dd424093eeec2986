"""What a test asks of findings."""


def by_name(findings):
    return {one.what: one for one in findings}


def levels(findings):
    """Those that are not well."""
    return {one.what: one.level for one in findings if not one.well}
