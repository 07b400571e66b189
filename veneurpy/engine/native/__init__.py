"""The native engine: Cython without the GIL. Only `veneurpy.engine` imports from here."""
