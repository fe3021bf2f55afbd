"""Row 30: keys that are missing, wrong, rotated, or readable by all.

The cases of a key that is no key, of another verdict's signature and of a rotation stand in
`tests/signing` and `tests/tfx/test_signed_verdicts.py`.
"""

import os

import pytest

pytest.importorskip("securesystemslib", reason="gradgate[signing] is not installed")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from gradgate.gate.read_verdict import read_verdict
from gradgate.signing import SigningError, load_signer, sign_verdict, verify_verdict


@pytest.fixture
def key(tmp_path):
    """Makes a private key in a file; returns its path and the public key's text."""

    def key(name="gate.pem", encryption=None):
        made = ed25519.Ed25519PrivateKey.generate()
        path = tmp_path / name
        path.write_bytes(
            made.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                encryption or serialization.NoEncryption(),
            )
        )
        path.chmod(0o600)
        public = made.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return path, public.decode()

    return key


def test_a_key_that_is_cut_off_anywhere_signs_nothing(key):
    path, _ = key()
    whole = path.read_bytes()
    for length in range(len(whole) - 1):  # the last byte is a line end
        path.write_bytes(whole[:length])
        try:
            load_signer(str(path))
        except SigningError as error:
            assert error.code == "K-SIGN"
            assert whole[30:60].decode() not in str(error)
        else:
            assert b"-----END PRIVATE KEY----" in whole[:length]


def test_a_key_with_a_password_is_none_without_it(key):
    path, _ = key(encryption=serialization.BestAvailableEncryption(b"secret"))
    with pytest.raises(SigningError, match="cannot be used") as caught:
        load_signer(str(path))
    assert caught.value.code == "K-SIGN"


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_no_key_and_is_not_waited_for(tmp_path, kind):
    path = tmp_path / "key.pem"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(SigningError) as caught:
        load_signer(str(path))
    assert caught.value.code == "K-SIGN"


def test_only_the_keys_that_are_trusted_now_verify(released, key):
    verdict = read_verdict(released.verdict_file)
    (old, old_public), (new, new_public) = key("old.pem"), key("new.pem")
    signed = {name: sign_verdict(verdict, load_signer(str(name))) for name in (old, new)}
    for envelope in signed.values():  # while the key is replaced, both are trusted
        assert verify_verdict(verdict, envelope, [old_public, new_public])
    assert verify_verdict(verdict, signed[new], [new_public])
    with pytest.raises(SigningError, match="no trusted key has signed the verdict"):
        verify_verdict(verdict, signed[old], [new_public])


def test_a_key_that_others_can_read_signs_and_says_so(released, key, caplog):
    path, public = key()
    path.chmod(0o644)
    verdict = read_verdict(released.verdict_file)
    envelope = sign_verdict(verdict, load_signer(str(path)))
    assert verify_verdict(verdict, envelope, [public])
    assert "can be read by others (mode 644); chmod 600 it" in caplog.text
