"""How the server runs: its processes, sockets and connections."""
