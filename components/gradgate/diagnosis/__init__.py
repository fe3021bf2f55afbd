"""From symptom to cause to prescription: what to change in a training that was found sick."""

from gradgate.diagnosis.prescriptions import Symptom as Symptom
from gradgate.diagnosis.prescriptions import prescribe as prescribe
