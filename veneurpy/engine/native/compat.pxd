"""Declarations of the headers beside it, and the short names of fixed-width integers."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

ctypedef uint8_t u8
ctypedef uint16_t u16
ctypedef uint32_t u32
ctypedef uint64_t u64
ctypedef int32_t i32
ctypedef int64_t i64

cdef extern from "compat.h" nogil:
    bint likely "vnp_likely"(bint)
    bint unlikely "vnp_unlikely"(bint)
    void prefetch "vnp_prefetch"(const void*)
    int ctz64 "vnp_ctz64"(u64)
    void barrier "vnp_barrier"()
    void fence "vnp_fence"()
    u64 load_acquire "vnp_load_acquire"(const u64*)
    void store_release "vnp_store_release"(u64*, u64)
    u64 mum "vnp_mum"(u64, u64)
    void store_pair "vnp_store_pair"(void*, u64, u64)
    bint move_mark "vnp_move_mark"(u64*, u64, u64)
    u64 add_fetch "vnp_add_fetch"(u64*, i64)
    int bell_new "vnp_bell_new"()
    void bell_ring "vnp_bell_ring"(int)
    void bell_wait "vnp_bell_wait"(int)
    int clz64 "vnp_clz64"(u64)
    i64 realtime_ns "vnp_realtime_ns"()
    void sleep_ns "vnp_sleep_ns"(i64)
    double c_strtod "vnp_strtod"(const char*)
    u64 wakeable "vnp_wakeable"()
    void name_thread "vnp_name_thread"(const char*)
    void wake "vnp_wake"(u64)

cdef extern from "vectors.h" nogil:
    bint equal16 "vnp_equal16"(const u8*, const u8*)
    int byte_in8 "vnp_byte_in8"(const u8*, u8)
    bint brief_number "vnp_brief_number"(const u8*, int, u32*, int*)
    void copy_line "vnp_copy_line"(void*, const void*, size_t)
    void scan_bytes "vnp_scan"(const u8*, size_t, u64*, u64*)
    void order_rows "vnp_order_rows"(double*, double*)
    int COLUMNS "VNP_COLUMNS"

cdef extern from "pages.h" nogil:
    void* map_memory "vnp_map"(size_t)
    size_t HUGE_PAGE "VNP_HUGE_PAGE"
    void collapse "vnp_collapse"(void*, size_t)
    int populate "vnp_populate"(void*, size_t)
    void* map_file "vnp_map_file"(int, size_t, bint)
    void empty "vnp_empty"(void*, size_t)
    int reserve_file "vnp_reserve_file"(int, size_t, size_t)
    int try_file "vnp_try_file"(int)
    void release_pages "vnp_release"(void*, int, size_t, size_t)
    int munmap(void*, size_t)
    void give_back_large "vnp_give_back_large"()

cdef extern from "datagrams.h" nogil:
    int receive_buffer "vnp_receive_buffer"(int)
    int MEM_QUEUED "VNP_MEM_QUEUED"
    int MEM_DROPS "VNP_MEM_DROPS"
    enum:
        MEM_WORDS "VNP_MEM_WORDS"
    int meminfo "vnp_meminfo"(int, u32*)
    int refuse_new "vnp_refuse_new"(int)
    bint is_unix "vnp_is_unix"(int)
    void refuse_senders "vnp_refuse_senders"(int)
    int wait_for_ever "vnp_wait_for_ever"(int)
    enum:
        BATCH "VNP_BATCH"
    ctypedef struct Batch "vnp_batch":
        pass
    Batch* batch_new "vnp_batch_new"(size_t)
    void batch_move "vnp_batch_move"(Batch*, void*)
    void batch_clear "vnp_batch_clear"(Batch*, int)
    int batch_fetched "vnp_batch_fetched"(const void*)
    int batch_receive "vnp_batch_receive"(Batch*, int, bint)
    const u8* batch_data "vnp_batch_data"(const Batch*, int)
    size_t batch_len "vnp_batch_len"(const Batch*, int)
    bint batch_cut "vnp_batch_cut"(const Batch*, int)
    void batch_name "vnp_batch_name"(Batch*, bint)
    size_t batch_sender "vnp_batch_sender"(const Batch*, int, const u8**)
    void batch_ask_credentials "vnp_batch_ask_credentials"(Batch*, int)
    bint batch_credentials "vnp_batch_credentials"(const Batch*, int, u32*, u32*)
