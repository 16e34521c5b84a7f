#!/usr/bin/env python3
"""The tables against themselves: the command table, and redis.conf.sample against the options."""
import difflib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap

SERVER = os.path.join(tap.BUILD, "cove-server")
if not os.path.exists(SERVER):
    tap.check("the server is built", ["%s is not there" % SERVER])
    tap.done()

done = tap.run(SERVER, "--self-check")
said = (done.stdout + done.stderr).splitlines()
tap.check("the command table agrees with itself",
          [] if done.returncode == 0 and said else said or ["exit status %d" % done.returncode], said)

sample = tap.read("redis.conf.sample") if os.path.exists("redis.conf.sample") else ""
made = tap.run(SERVER, "--sample-config")
diff = list(difflib.unified_diff(sample.splitlines(), made.stdout.splitlines(),
                                 "redis.conf.sample", "cove-server --sample-config", lineterm="", n=0))
if made.returncode != 0 or not made.stdout:
    diff.append("--sample-config: exit status %d" % made.returncode)
tap.check("redis.conf.sample is what the option tables say", diff[:40])
tap.done()
