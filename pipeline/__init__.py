"""The ready-made application: the Chicago taxi table, three configurations, one pipeline.

Only this room knows all the others.
"""
