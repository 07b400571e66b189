from typing import final

from veneurpy.engine.native.meter import MemoryMeter

@final
class NativeRewrites:
    def __new__(cls, meter: MemoryMeter) -> NativeRewrites: ...
