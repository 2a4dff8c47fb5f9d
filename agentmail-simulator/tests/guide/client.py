"""A stand-in for the vendor's client: the calls of its guide, over Python's standard library."""

import json
import os
import urllib.error
import urllib.request


class Response:
    def __init__(self, status_code, body):
        self.status_code, self.body = status_code, body

    def json(self):
        return json.loads(self.body)


class Client:
    def __init__(self, base_url=os.environ.get("AGENTMAIL_URL"), token=os.environ.get("AGENTMAIL_TOKEN")):
        self.base_url, self.token = base_url, token
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request(self, method, path, json_body=None):
        data = None if json_body is None else json.dumps(json_body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.base_url + path, data, headers, method=method)
        try:
            with self.opener.open(request) as response:
                return Response(response.status, response.read())
        except urllib.error.HTTPError as error:
            return Response(error.code, error.read())

    def get(self, path):
        return self.request("GET", path)

    def put(self, path, json=None):
        return self.request("PUT", path, json)

    def delete(self, path):
        return self.request("DELETE", path)
