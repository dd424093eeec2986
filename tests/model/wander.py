"""Random walks, and the shortest story of what one of them found."""

from typing import TypeVar

from tests.model.story import Story, kind_of, shrunk, told
from tests.model.walk import Walk

W = TypeVar("W", bound=Walk)


def wander(seed: object, asks: int, world: type[W]) -> W:
    """A random life. Raises AssertionError with the shortest story of the same fault that was found."""
    walk = world()
    story: Story = []
    try:
        for step in walk.story(seed, asks):
            story.append(step)
            walk.do(step)
    except Exception as wrong:
        what = f"{type(wrong).__name__}: {wrong}"
        short = shrunk(story, lambda shorter: kind_of(fault(shorter, world)) == kind_of(what))
        raise AssertionError(told(seed, str(fault(short, world)), short)) from wrong
    return walk


def fault(story: Story, world: type[Walk]) -> str | None:
    """What goes wrong in a story, in one sentence; None if nothing does."""
    try:
        replay(story, world)
    except Exception as wrong:  # noqa: BLE001 - a law that falls over is a fault like a broken promise
        return f"{type(wrong).__name__}: {wrong}"
    return None


def replay(story: Story, world: type[W]) -> W:
    """Tell a story again; raises `Broken` where a promise breaks."""
    walk = world()
    for step in story:
        walk.do(step)
    return walk
