"""A signature holds for the verdict that was signed, by a key that is trusted, and for no other."""

import base64
import json
import re

import pytest

from gradgate.contracts import canonical_json, sha256
from gradgate.signing import SigningError, load_signer, read_envelope, sign_verdict, verify_verdict
from gradgate.signing.statement import statement_of

KINDS = ["Ed25519", "ECDSA P-256", "ECDSA P-384", "RSA"]


def _signed(verdict, pair):
    return sign_verdict(verdict, load_signer(str(pair.path)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_verdict_is_verified_by_its_key(verdict, pair, kind):
    key = pair(kind)
    assert verify_verdict(verdict, _signed(verdict, key), [key.public])


def test_while_a_key_is_replaced_two_are_trusted(verdict, pair):
    old, new = pair(), pair("ECDSA P-256")
    for key in (old, new):
        assert verify_verdict(verdict, _signed(verdict, key), [old.public, new.public])


def test_a_key_that_is_not_trusted_does_not_verify(verdict, pair):
    envelope = _signed(verdict, pair())
    with pytest.raises(SigningError, match=r"^no trusted key has signed the verdict\. Signed by: "):
        verify_verdict(verdict, envelope, [pair().public])


def test_an_envelope_that_was_changed_names_the_trusted_key_whose_signature_broke(verdict, pair):
    key = pair()
    spoilt = json.loads(_signed(verdict, key))
    spoilt["payload"] = base64.b64encode(b'{"predicate": {"result": "PASSED"}}').decode()
    with pytest.raises(SigningError) as caught:
        verify_verdict(verdict, json.dumps(spoilt).encode(), [key.public])
    assert re.fullmatch(
        r"no trusted key has signed the verdict as it is\. [0-9a-f]{64} is trusted, and its"
        r" signature does not hold: the envelope was changed after it was signed\. Take the one"
        r" that the gate wrote\.",
        str(caught.value),
    )


def test_without_a_trusted_key_nothing_verifies(verdict, pair):
    with pytest.raises(SigningError, match="no public key is trusted"):
        verify_verdict(verdict, _signed(verdict, pair()), [])


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "ok"},
        {"blessed": True},
        {"as_of": "2027-11-23T05:40:00Z"},  # not in the id, but signed
        {"headline": "fine"},
    ],
    ids=str,
)
def test_another_verdict_is_told_from_the_signed_one(verdict, pair, change):
    key = pair()
    other = verdict.model_copy(update=change).sealed()
    with pytest.raises(SigningError, match=r"^the signature is of another verdict: model sha256:"):
        verify_verdict(other, _signed(verdict, key), [key.public])


def _bits(data):
    return [(at, 1 << bit) for at in range(0, len(data), 7) for bit in (0, 5)]


def test_no_flipped_bit_of_an_envelope_verifies_another_verdict(verdict, pair):
    """A bit that is no part of what is signed may be another; what is read stays the same."""
    key = pair()
    envelope = _signed(verdict, key)
    for at, bit in _bits(envelope):
        spoilt = bytearray(envelope)
        spoilt[at] ^= bit
        try:
            verify_verdict(verdict, bytes(spoilt), [key.public])
        except SigningError:
            continue
        else:
            payload = json.loads(spoilt)["payload"]
            assert base64.b64decode(payload) == canonical_json(statement_of(verdict))


def test_a_payload_of_another_type_is_refused(verdict, pair):
    from securesystemslib.dsse import Envelope

    key = pair()
    envelope = Envelope(canonical_json(statement_of(verdict)), "text/plain", {})
    envelope.sign(load_signer(str(key.path)))
    with pytest.raises(SigningError, match="the envelope holds text/plain, not application/vnd"):
        verify_verdict(verdict, canonical_json(envelope.to_dict()), [key.public])


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\xff", b"[]", b"{}", b'{"payload":1}', b'{"a":1,"a":2}', b"[" * 100_000],
    ids=["empty", "no UTF-8", "list", "no field", "number", "twice", "deep"],
)
def test_what_is_no_envelope_is_refused(verdict, pair, garbage):
    with pytest.raises(SigningError, match=r"^the envelope cannot be read: "):
        verify_verdict(verdict, garbage, [pair().public])


def test_a_missing_envelope_is_said(tmp_path):
    with pytest.raises(SigningError, match=r"^the verdict is not signed: .*verdict\.dsse\.json: "):
        read_envelope(tmp_path)


def test_the_statement_names_bytes_policy_record_and_what_failed(verdict):
    statement = statement_of(verdict)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [
        {"name": "model", "digest": {"sha256": verdict.subject.model_digest[7:]}},
        {"name": "saved_model.pb", "digest": {"sha256": "0" * 64}},
    ]
    document = sha256(canonical_json(verdict.document()))
    assert statement["predicate"] == {
        "result": "FAILED",
        "configuration": [
            {"name": "verdict.json", "digest": {"sha256": document[7:]}},
            {"name": "policy default, revision 2", "digest": {"sha256": "2" * 64}},
            {"name": "record", "digest": {"sha256": "1" * 64}},
        ],
        "passedTests": ["loss"],
        "warnedTests": ["clip"],
        "failedTests": ["nan", "T-COVERAGE"],
    }


def test_a_verdict_without_a_model_is_its_own_subject(verdict):
    alone = verdict.model_copy(update={"subject": type(verdict.subject)()}).sealed()
    (subject,) = statement_of(alone)["subject"]
    assert subject["name"] == "verdict.json"
