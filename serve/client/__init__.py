"""A client of the server for Python programs; see `Client`.

It needs httpx2 (`pip install 'template-zoo[client]'`), and nothing of what the server needs.
"""

from serve.client.calls import ClientError, ImageInput, NoAnswerError, ServerError
from serve.client.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "ClientError", "ImageInput", "NoAnswerError", "ServerError"]
