"""gRPC over HTTP/2 in both directions: calls, streams, limits and TLS. It knows nothing of metrics.

The protocol's state machine is `h2`; what is ours is how much it may take and how it is fed. Only a
node that forwards or is forwarded to imports this.
"""
