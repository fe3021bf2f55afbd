"""From symptom to cause to cure: why a training was found sick, and what to change."""

from gradgate.diagnosis.finding_causes import Diagnosis as Diagnosis
from gradgate.diagnosis.finding_causes import diagnose as diagnose
from gradgate.diagnosis.finding_causes import prescription as prescription
from gradgate.diagnosis.symptom import Symptom as Symptom
