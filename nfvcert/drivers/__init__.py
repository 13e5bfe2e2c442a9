"""The ways into real things: SSH servers, traffic generators. Each is imported by the lab that uses it, and only then."""
