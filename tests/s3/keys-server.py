#!/usr/bin/env python3
"""keys-server.py -- a container's credentials endpoint on loopback, for tests.

    keys-server.py PORT SECONDS

GET /keys answers AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of its own environment, to expire
in SECONDS; GET /count answers how often that was asked. Prints "ready".
"""
import http.server
import json
import os
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    count = 0

    def do_GET(self):
        if self.path == "/keys":
            Handler.count += 1
            end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + int(sys.argv[2])))
            body = json.dumps({"AccessKeyId": os.environ["AWS_ACCESS_KEY_ID"],
                               "SecretAccessKey": os.environ["AWS_SECRET_ACCESS_KEY"],
                               "Expiration": end})
        else:
            body = str(Handler.count)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    print("ready", flush=True)
    server.serve_forever()
