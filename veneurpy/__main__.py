"""`python -m veneurpy` is the command `veneurpy`."""

from veneurpy.cli import main

if __name__ == "__main__":
    main(prog_name="veneurpy")
