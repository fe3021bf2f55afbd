"""The activations of a model: looked at beside the training, never inside of its step."""

from gradgate.training.activations.looks import Looks as Looks
from gradgate.training.activations.probe import LOOKS as LOOKS
from gradgate.training.activations.probe import ActivationProbe as ActivationProbe
