def join_frames(data: bytes, most_bytes: int, longest_bytes: int) -> tuple[bytes, int]:
    """The whole frames with runs of DATA joined, and how many bytes of `data` they were.

    As `veneurpy.rpc.frames.join_frames_plainly`.
    """
