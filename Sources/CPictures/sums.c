// Sums of bytes and of their squares for each channel, for means and deviations. The sums are
// integers, so the order of additions does not matter.
#include "clones.h"
#include "resampling.h"

// The size of a group of bytes that are summed side by side. The size is a multiple of 1, 2, 3 and
// 4, so byte i of every group belongs to channel i % channels.
enum { RUN = 48 };
// The most groups that are summed in 32 bits without overflow: 65,536 * 255 * 255 < 2^32.
enum { RUNS = 65536 };

CLONES void ofa_byte_sums(const uint8_t *bytes, int64_t count, int32_t channels, int64_t *sums,
                          int64_t *squares) {
    int64_t i = 0;
    while (count - i >= RUN) {
        uint32_t sum[RUN] = {0}, square[RUN] = {0};
        for (int32_t run = 0; run < RUNS && count - i >= RUN; run++, i += RUN) {
            for (int32_t k = 0; k < RUN; k++) {
                const uint32_t byte = bytes[i + k];
                sum[k] += byte;
                square[k] += byte * byte;
            }
        }
        for (int32_t k = 0; k < RUN; k++) {
            sums[k % channels] += sum[k];
            squares[k % channels] += square[k];
        }
    }
    for (int32_t channel = 0; i < count; i++, channel = (channel + 1) % channels) {
        sums[channel] += bytes[i];
        squares[channel] += (int64_t)bytes[i] * bytes[i];
    }
}
