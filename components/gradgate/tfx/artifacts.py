"""The two artifact types that are ours.

A type name must be namespaced exactly once, and the class must be importable from the module
before the dot: TFX's Kubeflow compiler refuses any other name, and its containers import
`gradgate.GradientHealth`. Neither type declares PROPERTIES: on Kubeflow a declared property is an
error ("Actual property ... not expected"). What is shown beside an artifact is a custom property,
an int or a string and never a non-finite number; what is judged is in the files.
"""

from tfx.types.artifact import Artifact


class GradientHealth(Artifact):
    """A health record, as `gradgate.contracts.health` describes the directory."""

    TYPE_NAME = "gradgate.GradientHealth"


class TrainingHealthVerdict(Artifact):
    """A verdict: `verdict.json`, its report as HTML and Markdown, and the policy it was made by."""

    TYPE_NAME = "gradgate.TrainingHealthVerdict"
