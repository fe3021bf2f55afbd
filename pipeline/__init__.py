"""The ready-made application: two examples, their configurations, one pipeline.

Only this room knows all the others.
"""
