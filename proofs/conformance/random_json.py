#!/usr/bin/env python3
"""Writes random JSON bodies, each with what Python's json reads of it.

Usage: proofs/conformance/random_json.py COUNT SEED

Each line is {"body": TEXT, "mail": FIELDS}. FIELDS has the texts of a mail, with U+FFFD for each surrogate that is
alone. It is null if Python reads no mail: the text is no JSON, or a required field is missing.
"""

import json
import random
import sys

TEXTS = ["agent_id", "message_id", "sender", "subject", "peer_trust_tier", "s3_bucket", "s3_key"]
OTHERS = ["sender_verified", "rate_limited", "is_duplicate", "timestamp", "x", "attachments"]


class Writer:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def choose(self, *values):
        return self.random.choice(values)

    def space(self):
        return "".join(self.choose("", "", "", " ", "\n", "\t", "\r\n") for _ in range(2))

    def escape(self, unit):
        return "\\u" + "".join(self.choose(digit.lower(), digit.upper()) for digit in f"{unit:04x}")

    def piece(self):
        high, low = self.random.randint(0xD800, 0xDBFF), self.random.randint(0xDC00, 0xDFFF)
        return self.choose(
            lambda: self.choose("a", "d83d", "uD83D", " ", "{", "]", ":", ",", "1e999", "\x7f", "\u2028", "\ufffd"),
            lambda: self.choose("é", "日", "🙂", "\U0010ffff"),
            lambda: "\\" + self.choose(*'"\\/bfnrt'),
            lambda: "\\\\" + self.choose("u", "ud83d", "uD83D"),
            lambda: self.escape(self.random.randint(0, 0xFFFF)),
            lambda: self.escape(high) + self.escape(low),
            lambda: self.escape(high),
            lambda: self.escape(low),
            lambda: self.escape(high) + self.choose("x", "\\n", "\\\\", self.escape(0x41), self.escape(high)),
        )()

    def string(self, at_least=0):
        return '"' + "".join(self.piece() for _ in range(self.random.randint(at_least, 6))) + '"'

    def number(self):
        return self.choose("0", "-0", "7", "-1.5e-7", "1E+400", "1e999", "-1e999", "1e-999", "0." + "3" * 40,
                           "9" * 400, "18446744073709551616", "-9223372036854775809", "1.7976931348623157e309")

    def value(self, depth=0):
        if depth > 3:
            return self.choose("[]", "{}", "null")
        return self.choose(
            self.string, self.string, self.number,
            lambda: self.choose("true", "false", "null"),
            lambda: "[" * 200 + "]" * 200,
            lambda: "[" + ",".join(self.value(depth + 1) for _ in range(self.random.randint(0, 3))) + "]",
            lambda: self.object([(self.string(), self.value(depth + 1)) for _ in range(self.random.randint(0, 3))]),
        )()

    def object(self, members):
        return "{" + ",".join(self.space() + name + self.space() + ":" + self.space() + value + self.space()
                              for name, value in members) + "}"

    def name(self, name):
        """Writes a name of a field, at times with escapes."""
        return '"' + "".join(self.escape(ord(each)) if self.random.random() < 0.03 else each for each in name) + '"'

    def body(self):
        fields = [(self.name("type"), '"mail.received"')]
        fields += [(self.name(name), self.string(at_least=1)) for name in ("agent_id", "message_id")]
        for name in TEXTS[2:]:
            fields += [(self.name(name), self.choose(self.string, self.string, self.value)())] * self.choose(0, 1)
        fields += [(self.name(name), self.value()) for name in OTHERS if self.choose(True, False)]
        # An unknown name may occur more than once.
        fields += [(self.choose('"more"', '"' + self.piece() + 'z"'), self.value()) for _ in range(self.choose(0, 1, 2))]
        if self.random.random() < 0.02:
            fields.pop(self.random.randrange(3))
        self.random.shuffle(fields)
        body = self.object(fields) + self.space()
        if self.random.random() < 0.1:
            at = self.random.randrange(len(body))
            body = body[:at] + self.choose("", "\\", '"', "\x01", "}", ",") + body[at + 1:]
        return body


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def one_name_once(pairs):
    """A duplicated known field can be read in two ways: it is refused."""
    names = [name for name, _ in pairs]
    if any(names.count(known) > 1 for known in ["type", *TEXTS, *OTHERS[:4]]):
        return {}
    return dict(pairs)


def replaced(text):
    """Joins pairs of surrogates, and replaces those that are alone."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def mail(body):
    try:
        read = json.loads(body, parse_constant=refuse, object_pairs_hook=one_name_once)
    except ValueError:
        return None
    if not isinstance(read, dict) or read.get("type") != "mail.received":
        return None
    texts = {name: replaced(read[name]) if isinstance(read.get(name), str) else None for name in TEXTS}
    return texts if texts["agent_id"] and texts["message_id"] else None


def main(count, seed):
    writer = Writer(seed)
    for _ in range(count):
        body = writer.body()
        print(json.dumps({"body": body, "mail": mail(body)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
