"""From symptom to cause to cure, and what can be said of a model before it trains.

Nothing is imported here: the judge starts without the causes, and reads them where a rule failed.
"""
