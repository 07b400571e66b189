"""Where members are: one way of finding out in each file, each a `veneurpy.ports.Discovery`.

A member's *name* is configured, and who is a member is a matter of epochs. What is found here only
says at which address a name is reached.
"""
