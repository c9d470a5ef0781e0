"""A client of the server for Python programs; see `Client`.

It needs httpx2 (`pip install 'template-zoo[client]'`), and nothing of what the server needs.
"""

from serve.client.calls import Picture
from serve.client.clients import AsyncClient, Client
from serve.client.errors import ClientError, NoAnswerError, ServerError

__all__ = ["AsyncClient", "Client", "ClientError", "NoAnswerError", "Picture", "ServerError"]
