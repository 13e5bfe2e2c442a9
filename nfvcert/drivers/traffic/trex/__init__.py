"""TRex: a traffic generator for real gear, spoken to in its own protocol (JSON-RPC 2.0 over ZeroMQ, STL API 5.x).

wire        one request, one answer
session     who we are, which ports are ours, what the server is
streams     what is sent: frames, rates, flows, packet groups
neighbours  where a router is: ARP
counters    what the server counted, and when: a thread that looks while frames flow
results     from counts to results, and whether the generator vouches for them
generator   a run of all this

The authority for every call is the server's source (trex-core v3.08, src/stx): no client library is imported.
"""
