"""Signed verdicts: who has the public key can tell that the gate gave one, and for which bytes.

Off unless it is configured. Without it a verdict names what was judged, but anyone who may write
where it lies can write another.
"""

from gradgate.signing.envelope import VERDICT_ENVELOPE as VERDICT_ENVELOPE
from gradgate.signing.envelope import read_envelope as read_envelope
from gradgate.signing.envelope import sign_verdict as sign_verdict
from gradgate.signing.envelope import verify_verdict as verify_verdict
from gradgate.signing.keys import SigningError as SigningError
from gradgate.signing.keys import load_public_key as load_public_key
from gradgate.signing.keys import load_signer as load_signer
