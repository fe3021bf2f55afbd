"""What a mutant is: a patch of our source, and who must find it."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mutant:
    """One fault.

    Attributes:
        file: Of the package.
        old, new: What stands there, exactly once, and what is put in its place.
        tests: What must find it, as pytest takes it.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    needs_tfx: bool = False


def of(name: str, file: str, old: str, new: str, *tests: str, needs_tfx: bool = False) -> Mutant:
    """Returns a mutant; `tests` stand below tests/."""
    paths = tuple(f"tests/{test}" for test in tests)
    return Mutant(name=name, file=file, old=old, new=new, tests=paths, needs_tfx=needs_tfx)
