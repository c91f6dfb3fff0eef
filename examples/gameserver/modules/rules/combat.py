"""What a blow does."""

SWORD = 3


def blow(monster, tick):
    """The hit points that the blow of this tick takes."""
    return SWORD
