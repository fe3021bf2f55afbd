"""Keys of every kind, made anew, and a verdict on a model."""

import pytest

pytest.importorskip("securesystemslib", reason="gradgate[signing] is not installed")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gradgate.contracts import Verdict
from gradgate.contracts.health import FileDigest
from gradgate.contracts.tree import tree_digest
from gradgate.contracts.verdict import Finding, Inputs, IntegrityCheck, PolicyRef, Subject

KINDS = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "ECDSA P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ECDSA P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


class Pair:
    """A private key in a file, and its public key as text."""

    def __init__(self, folder, kind="Ed25519"):
        key = KINDS[kind]()
        self.path = folder / f"{id(key)}.pem"
        self.private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.path.write_bytes(self.private)
        self.public = (
            key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )


@pytest.fixture
def pair(tmp_path):
    """Makes a pair of keys of a kind."""
    return lambda kind="Ed25519": Pair(tmp_path, kind)


@pytest.fixture
def verdict():
    """A verdict that blocks, with one finding of each level and a failed check."""
    files = (FileDigest(path="saved_model.pb", size=3, sha256="sha256:" + "0" * 64),)
    levels = {"nan": ("fail", "block"), "clip": ("fail", "warn"), "loss": ("pass", "ok")}
    return Verdict(
        decision="block",
        blessed=False,
        healthy=False,
        headline="BLOCK nan",
        subject=Subject(model_digest=tree_digest(files), model_files=files, training_uid="t-1"),
        inputs=Inputs(
            record_digest="sha256:" + "1" * 64,
            policy=PolicyRef(id="default", revision=2, sha256="sha256:" + "2" * 64),
            gate_version="0.1.0",
        ),
        as_of="2026-11-23T05:40:00Z",
        findings=tuple(
            Finding(
                id=name, signal="loss", status=status, level=level, severity="block",
                evidence="reported", message=f"it is {status}",
            )
            for name, (status, level) in levels.items()
        ),
        integrity=(IntegrityCheck(code="T-COVERAGE", status="fail", message="a gap"),),
    ).sealed()  # fmt: skip
