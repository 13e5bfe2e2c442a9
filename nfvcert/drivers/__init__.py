"""The ways into real things: SSH servers, traffic generators. Each is imported only by the lab that uses it."""
