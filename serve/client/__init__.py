"""Python client of the server; see `Client`.

Requires httpx2 (`pip install 'template-zoo[client]'`), but none of the server's dependencies.
"""

from serve.client.calls import ClientError, ImageInput, NoAnswerError, ServerError
from serve.client.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "ClientError", "ImageInput", "NoAnswerError", "ServerError"]
