"""The steps of the vendor's guide, in Python. `url` is the endpoint. Prints each fact that the test checks."""

import os

from client import Client

client = Client()
url = os.environ["WEBHOOK_URL"]

# First setup: the secret is shown once.
setup = client.put("/webhook", json={"url": url, "enabled": True}).json()
print("secret", setup["signing_secret"])

# Later: the webhook without its secret.
webhook = client.get("/webhook").json()
print("shown", sorted(webhook), webhook["url"] == url, webhook["enabled"])

# Rotation: a new secret.
rotated = client.put("/webhook", json={"url": url, "enabled": True, "rotate_secret": True}).json()
print("rotated", rotated["signing_secret"] != setup["signing_secret"])
print("secret", rotated["signing_secret"])

# Notification rules.
rules = [{
    "id": "verified-senders",
    "name": "Verified senders",
    "enabled": True,
    "filters": {
        "sender_verified": True,
        "traffic_types": [],
        "sender_domains": ["example.com"],
        "trust_tiers": ["verified"],
    },
    "channels": {
        "webhook": {"enabled": True, "url": url},
        "email": {"enabled": True, "recipients": ["ops@example.com"]},
    },
}]
print("rules", client.put("/notifications", json=rules).status_code, client.get("/notifications").json() == rules)
