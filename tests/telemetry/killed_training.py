"""Takes some steps as a guard would, tells MLflow, and waits to be killed.

Usage: killed_training.py RECORD FOLDER UID URI PIECES
"""

import sys
import time
from pathlib import Path

from gradgate.contracts import Tracking
from gradgate.telemetry.sinks.mlflow import MlflowSink
from gradgate.telemetry.writer import RecordWriter
from tests.telemetry.conftest import make_batch, make_card

PIECE, STEPS = 10, 60
record, folder, uid, uri, pieces = sys.argv[1:]
writer = RecordWriter(record)
sink = MlflowSink(Tracking(uri=uri, experiment="faults"), Path(record), Path(folder))
writer.begin_training(uid)
writer.begin(make_card())
sink.begin(make_card(), training_uid=uid, planned_steps=STEPS)
for piece in range(int(pieces)):
    writer.append(make_batch(piece * PIECE, PIECE))
    writer.flush()
sys.stdout.write("recorded\n")
sys.stdout.flush()
time.sleep(600)
