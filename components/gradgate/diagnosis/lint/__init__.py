"""Design-time lint: what can be said of a model before it trains, from its description alone."""

from gradgate.diagnosis.lint.asking import findings as findings
from gradgate.diagnosis.lint.asking import lint as lint
from gradgate.diagnosis.lint.rules import ALL as ALL
