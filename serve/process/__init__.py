"""Worker processes, sockets and connections of the server."""
