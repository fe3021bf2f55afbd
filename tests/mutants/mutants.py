"""The faults that gates really have, as patches of our source; `run.py` shows who finds each."""

from of_exceptions import EXCEPTIONS
from of_the_bytes import BYTES
from of_the_engines import ENGINES
from of_the_evidence import EVIDENCE
from of_the_judge import JUDGE
from one_mutant import Mutant as Mutant

MUTANTS: tuple[Mutant, ...] = (*JUDGE, *EXCEPTIONS, *EVIDENCE, *ENGINES, *BYTES)
