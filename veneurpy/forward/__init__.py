"""What nodes send one another: batches, their owners, and how none is lost or counted twice.

Free of gRPC and of the ways in which addresses are found.
"""
