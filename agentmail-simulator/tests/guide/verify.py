"""The verification that the guide describes. Exits with 3 if the delivery is not genuine."""

import hashlib
import hmac
import sys
import time


def verify(secret, timestamp, signature, raw_body, max_skew_seconds=300):
    if abs(time.time() - int(timestamp)) > max_skew_seconds:
        return False
    signed = timestamp.encode() + b"." + raw_body
    expected = "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)


secret, timestamp, signature = sys.argv[1:]
sys.exit(0 if verify(secret, timestamp, signature, sys.stdin.buffer.read()) else 3)
