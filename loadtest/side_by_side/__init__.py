"""Side-by-side load tests: who is measured (servers), with what (scenarios, wrk), in which order
(__main__), and what is written down (report). A scenario is one entry of scenarios.SCENARIOS, a
peer is one class of servers.py."""
