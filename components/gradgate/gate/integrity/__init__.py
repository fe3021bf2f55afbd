"""Whether the evidence is whole and belongs to the model. What fails here blocks, always."""
