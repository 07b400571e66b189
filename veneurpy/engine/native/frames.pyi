def join_frames(data: bytes, longest_bytes: int) -> tuple[bytes, int]:
    """The whole frames with runs of DATA joined, and how many bytes of `data` they were.

    As `veneurpy.rpc.frames.join_frames_plainly`.
    """
