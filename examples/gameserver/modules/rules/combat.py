"""What a blow does."""

SWORD = 3
WEAK_SPOT = {"troll": 2}


def blow(monster, tick):
    """The hit points that the blow of this tick takes."""
    return SWORD * WEAK_SPOT.get(monster, 1)
