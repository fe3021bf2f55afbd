"""A Pusher that trusts a key pushes what that key signed, and nothing else."""

import subprocess
from pathlib import Path

import pytest

from gradgate.signing import VERDICT_ENVELOPE, load_signer, sign_verdict
from gradgate.tfx.pusher.verified_push import push


@pytest.fixture
def keys(tmp_path):
    """Makes keys as the docs say; returns the path of the private one and the other's text."""
    count = iter(range(9))

    def make():
        private, public = (tmp_path / f"{name}-{next(count)}.pem" for name in ("gate", "public"))
        for command in (
            ["openssl", "genpkey", "-algorithm", "ed25519", "-out", private],
            ["openssl", "pkey", "-in", private, "-pubout", "-out", public],
        ):
            subprocess.run(command, check=True, capture_output=True)
        return private, public.read_text()

    return make


def push_it(judged, serving, public_keys):
    return push(
        judged.model,
        blessings=[judged.blessing],
        verdict_dir=judged.verdict_dir,
        base_directory=serving,
        public_keys=public_keys,
    )


def sign(judged, private):
    envelope = sign_verdict(judged.verdict, load_signer(str(private)))
    (Path(judged.verdict_dir) / VERDICT_ENVELOPE).write_bytes(envelope)


def test_a_signed_verdict_is_pushed(judged, serving, keys):
    private, public = keys()
    run = judged()
    sign(run, private)
    assert push_it(run, serving, [public]).pushed


def test_a_verdict_that_is_not_signed_is_refused(judged, serving, keys):
    _, public = keys()
    record = push_it(judged(), serving, [public])
    assert not record.pushed
    assert record.reason.startswith(
        "not pushed: the verdict's signature does not hold: the verdict is not signed: "
    )


def test_a_verdict_that_somebody_else_signed_is_refused(judged, serving, keys):
    private, _ = keys()
    _, trusted = keys()
    run = judged()
    sign(run, private)
    assert "no trusted key has signed the verdict" in push_it(run, serving, [trusted]).reason
    assert not list(serving.glob("[0-9]*"))


def test_the_signature_of_another_verdict_is_refused(judged, serving, keys):
    private, public = keys()
    run, other = judged("good"), judged("other", weights=b"other weights")
    sign(other, private)
    envelope = (Path(other.verdict_dir) / VERDICT_ENVELOPE).read_bytes()
    (Path(run.verdict_dir) / VERDICT_ENVELOPE).write_bytes(envelope)
    assert "the signature is of another verdict" in push_it(run, serving, [public]).reason


@pytest.mark.tfx
def test_the_gate_signs_what_the_pusher_trusts(sound, gate, keys, serving):
    private, public = keys()
    verdict, _, artifact = gate(sound.model, sound.health, properties={"signing_key": str(private)})
    assert verdict.blessed
    assert (Path(artifact.uri) / VERDICT_ENVELOPE).exists()
    from gradgate.tfx.pusher.checks import Blessing

    blessing = Blessing(blessed=1, verdict_id=verdict.verdict_id)
    record = push(
        sound.serving,
        blessings=[blessing],
        verdict_dir=artifact.uri,
        base_directory=serving,
        public_keys=[public],
    )
    assert record.pushed, record.reason


@pytest.mark.tfx
def test_a_gate_that_cannot_sign_blesses_nothing(sound, gate, tmp_path):
    verdict, blessing, artifact = gate(
        sound.model, sound.health, properties={"signing_key": str(tmp_path / "none.pem")}
    )
    assert (verdict.decision, verdict.blessed, verdict.healthy) == ("block", False, False)
    assert verdict.verdict_id == verdict.computed_id()
    assert verdict.headline.startswith("BLOCK K-SIGN: there is no private key at ")
    assert blessing.get_int_custom_property("blessed") == 0
    assert not (Path(artifact.uri) / VERDICT_ENVELOPE).exists()


@pytest.mark.tfx
def test_a_pusher_is_not_made_with_a_key_that_is_none():
    from tfx.proto import pusher_pb2
    from tfx.types.channel import Channel
    from tfx.types.standard_artifacts import Model, ModelBlessing

    from gradgate.signing import SigningError
    from gradgate.tfx.artifacts import TrainingHealthVerdict
    from gradgate.tfx.pusher.component import VerifyingPusher

    destination = pusher_pb2.PushDestination()
    destination.filesystem.base_directory = "serving"
    with pytest.raises(SigningError, match="this is no public key in PEM form"):
        VerifyingPusher(
            model=Channel(type=Model),
            model_blessing=Channel(type=ModelBlessing),
            verdict=Channel(type=TrainingHealthVerdict),
            push_destination=destination,
            public_keys=["key.pem"],
        )
