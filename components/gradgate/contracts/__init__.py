"""What crosses a process boundary. Imports the standard library and pydantic only."""

from gradgate.contracts.base import Contract as Contract
from gradgate.contracts.base import Number as Number
from gradgate.contracts.base import Recorded as Recorded
from gradgate.contracts.canonical import canonical_json as canonical_json
from gradgate.contracts.canonical import parse_json as parse_json
from gradgate.contracts.canonical import sha256 as sha256
from gradgate.contracts.health import BoundModel as BoundModel
from gradgate.contracts.health import DataSource as DataSource
from gradgate.contracts.health import FileDigest as FileDigest
from gradgate.contracts.health import Manifest as Manifest
from gradgate.contracts.health import Part as Part
from gradgate.contracts.health import Resume as Resume
from gradgate.contracts.model_card import ModelCard as ModelCard
from gradgate.contracts.model_card import VariableCard as VariableCard
from gradgate.contracts.policy import Policy as Policy
from gradgate.contracts.policy import Rule as Rule
from gradgate.contracts.summary import SeriesSummary as SeriesSummary
from gradgate.contracts.summary import Sketch as Sketch
from gradgate.contracts.summary import Summary as Summary
from gradgate.contracts.summary import VariableSummary as VariableSummary
from gradgate.contracts.tracking import Tracking as Tracking
from gradgate.contracts.tree import TreeError as TreeError
from gradgate.contracts.tree import bind_tree as bind_tree
from gradgate.contracts.verdict import Finding as Finding
from gradgate.contracts.verdict import IntegrityCheck as IntegrityCheck
from gradgate.contracts.verdict import Verdict as Verdict
