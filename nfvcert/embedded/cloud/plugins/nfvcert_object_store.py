# ruff: noqa: INP001 - no part of our package
"""Where Swift's programs find swift.conf: its servers can be told, its daemons would only look in /etc/swift."""

import os

from swift.common.utils import set_swift_dir

__all__ = ["forgetful", "install"]


def install() -> None:
    """Read $SWIFT_DIR/swift.conf, before a program is forked."""
    set_swift_dir(os.environ["SWIFT_DIR"])


def forgetful(global_conf, **local_conf):
    """A filter for a container server, as a fault: it confirms each change of a listing, and does not make it.

    As paste's filter_factory. What is asked is DEVICE/PARTITION/ACCOUNT/CONTAINER[/OBJECT].
    """
    del global_conf, local_conf

    def around(app):
        def answer(environ, start_response):
            of_an_object = len(environ["PATH_INFO"].split("/", 5)) == 6
            if of_an_object and environ["REQUEST_METHOD"] in ("PUT", "DELETE"):
                start_response("204 No Content", [("Content-Length", "0")])
                return [b""]
            return app(environ, start_response)

        return answer

    return around
