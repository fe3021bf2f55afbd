"""How steps are seen: methods of Keras, shadowed on one optimizer.

A name is shadowed on an *instance*, in its `__dict__`, where neither Keras's nor TensorFlow's
attribute tracking sees it: the class stays as it is, the model saves, copies and loads as before,
and taking the entry out again restores everything.
"""

from gradgate.training.hooks.observe import attach as attach
from gradgate.training.hooks.observe import attach_loss as attach_loss
from gradgate.training.hooks.observe import detach as detach
from gradgate.training.hooks.observe import is_attached as is_attached
