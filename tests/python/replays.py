"""What tests of captured calls share."""

import kiln as kn


def floats(*values):
    return kn.asarray(list(values), dtype=kn.float32)


def told(f, capsys):
    """explain(), without what it prints."""
    explanation = f.explain()
    capsys.readouterr()
    return explanation
