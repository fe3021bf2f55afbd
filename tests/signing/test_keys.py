"""A key that cannot be used is said to be, and is never shown."""

import pytest

from gradgate.signing import SigningError, load_public_key, load_signer


def test_a_key_that_is_not_there(tmp_path):
    with pytest.raises(SigningError, match=r"^there is no private key at .*none\.pem: No such"):
        load_signer(str(tmp_path / "none.pem"))


def test_a_file_that_is_no_key_is_not_shown(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("very secret")
    with pytest.raises(SigningError) as caught:
        load_signer(str(path))
    assert str(caught.value).startswith(f"the private key {path} cannot be used: ")
    assert "secret" not in str(caught.value)
    assert caught.value.code == "K-SIGN"


def test_a_service_that_is_not_known(pair):
    with pytest.raises(SigningError, match="the private key nosuchkms:1 cannot be used: "):
        load_signer("nosuchkms:1", pair().public)


def test_a_private_key_is_not_taken_for_a_public_one(pair):
    with pytest.raises(SigningError, match="a private key was given where a public one is needed"):
        load_public_key(pair().private.decode())


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_public_key(text):
    with pytest.raises(SigningError, match=r"^this is no public key in PEM form: "):
        load_public_key(text)
