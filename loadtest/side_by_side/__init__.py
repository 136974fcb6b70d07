"""Side-by-side load tests: who is measured (servers, peers), with what (scenarios, configs; wrk,
h2load, handshakes), in which order (__main__), and what is written down (report). A scenario is one
entry of scenarios.SCENARIOS, a peer is one class of peers.py."""
