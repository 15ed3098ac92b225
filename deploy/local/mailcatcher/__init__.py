"""A mail server that keeps what it gets instead of delivering it, with a page to read it (demo and tests).

Real SMTP on the outside (aiosmtpd), so that the notification service talks to it as to any relay, and able to
misbehave on request in the ways a relay does: refuse for now, refuse for good, take a mail and vanish before
the answer, or never answer. Loopback only, and nothing in it outlives the process.
"""
