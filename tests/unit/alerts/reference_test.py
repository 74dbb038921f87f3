#!/usr/bin/env python3
"""reference_test.py SIGN: what we sign is taken by the reference library of Standard Webhooks, and
not once a byte of it is another one."""
import base64
import json
import subprocess
import sys
import time
import unittest

import standardwebhooks

SIGN = sys.argv.pop(1)
OLD = "whsec_" + base64.b64encode(bytes(range(24))).decode()
NEW = "whsec_" + base64.b64encode(bytes(range(100, 164))).decode()
BODY = json.dumps({"type": "run.failed", "data": {"dag_id": "größe", "n": 1}}).encode()


def sign(secrets, message_id, timestamp, body):
    return subprocess.run([SIGN, ",".join(secrets), message_id, timestamp], input=body, check=True,
                          capture_output=True).stdout.decode().strip()


class ReferenceTest(unittest.TestCase):
    def setUp(self):
        self.timestamp = str(int(time.time()))
        self.headers = {"webhook-id": "msg_1_00ff", "webhook-timestamp": self.timestamp,
                        "webhook-signature": sign([OLD], "msg_1_00ff", self.timestamp, BODY)}

    def taken(self, secret=OLD, body=BODY, **headers):
        sent = {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        try:
            standardwebhooks.Webhook(secret).verify(body, sent)
        except Exception:  # every way to refuse is fine
            return False
        return True

    def test_is_taken(self):
        self.assertTrue(self.taken())
        self.assertFalse(self.taken(secret=NEW))

    def test_both_secrets_while_rotating(self):
        both = sign([NEW, OLD], "msg_1_00ff", self.timestamp, BODY)
        self.assertEqual(len(both.split(" ")), 2)
        for secret in (OLD, NEW):
            self.assertTrue(self.taken(secret=secret, webhook_signature=both))

    def test_no_other_byte_is_taken(self):
        for at in range(len(BODY)):
            for bit in (1, 0x80):
                other = BODY[:at] + bytes([BODY[at] ^ bit]) + BODY[at + 1:]
                self.assertFalse(self.taken(body=other), at)
        for at in range(len("msg_1_00ff")):
            other = "msg_1_00ff"[:at] + "x" + "msg_1_00ff"[at + 1:]
            self.assertFalse(self.taken(webhook_id=other), at)
        signature = self.headers["webhook-signature"]
        for at in range(len(signature)):
            other = signature[:at] + ("B" if signature[at] == "A" else "A") + signature[at + 1:]
            if base64.b64decode(other[3:] + "==") != base64.b64decode(signature[3:] + "=="):
                self.assertFalse(self.taken(webhook_signature=other), at)
        self.assertFalse(self.taken(webhook_timestamp=str(int(self.timestamp) - 1)))


if __name__ == "__main__":
    unittest.main()
