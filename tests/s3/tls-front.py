#!/usr/bin/env python3
"""tls-front.py -- TLS before a plain HTTP server on loopback, with a test CA made on the fly.

    tls-front.py DIR PORT TARGET_PORT

Makes DIR/ca.pem (the CA), DIR/other-ca.pem (one that signed nothing) and a certificate for
127.0.0.1 and localhost, listens on 127.0.0.1:PORT, and passes bytes on to
127.0.0.1:TARGET_PORT. Prints one line, "ready", and runs until it is killed.
"""
import asyncio
import os
import ssl
import subprocess
import sys


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


def make_ca(path, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", "/CN=" + name, "-keyout", path + ".key",
            "-out", path, "-addext", "basicConstraints=critical,CA:TRUE")


def make_certificates(folder):
    ca, key, req, cert, ext = (os.path.join(folder, n) for n in
                               ("ca.pem", "front.key", "front.csr", "front.pem", "front.ext"))
    make_ca(ca, "test CA")
    make_ca(os.path.join(folder, "other-ca.pem"), "another test CA")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=localhost", "-keyout", key, "-out", req)
    with open(ext, "w", encoding="ascii") as f:
        f.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", req, "-CA", ca, "-CAkey", ca + ".key", "-CAcreateserial",
            "-days", "2", "-extfile", ext, "-out", cert)
    return cert, key


async def pump(reader, writer):
    try:
        while data := await reader.read(262144):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError, OSError):
        pass
    finally:
        writer.close()


async def main(folder, port, target):
    os.makedirs(folder, exist_ok=True)
    cert, key = make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
    except KeyboardInterrupt:
        pass
