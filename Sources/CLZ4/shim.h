#include <lz4.h>
#include <lz4frame.h>
#include <string.h>

/// Options of decompression. `skips_checksums` needs liblz4 1.9.4 and has no effect before.
static inline LZ4F_decompressOptions_t ofa_lz4_options(int skips_checksums) {
    LZ4F_decompressOptions_t options;
    memset(&options, 0, sizeof options);
#if LZ4_VERSION_NUMBER >= 10904
    options.skipChecksums = skips_checksums != 0;
#else
    (void)skips_checksums;
#endif
    return options;
}
