"""A small Hub on this machine's own address, which speaks the HTTP routes that huggingface_hub uses for models.

    with loopback_hub() as hub:
        token = hub.token("acme")                                # of a user who may write there
        run_zoo(hub.environment(home, token), "publish", ...)    # in a process that starts with nothing else
        hub.repositories["acme/model"].files()["config.json"].content

Files are kept in memory. `hub.faults` has answers fail, and connections break off or stand still; `hub.log` says what
was asked.
"""

from support.loopback_hub.server import Hub, loopback_hub

__all__ = ["Hub", "loopback_hub"]
