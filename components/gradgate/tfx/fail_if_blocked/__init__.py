"""The last node of a run: turns it red when the gate blocked its model, if that is wanted."""
